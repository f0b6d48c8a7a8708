"""`vodstack demo`: the main job from end to end, checked by decoding what the bucket holds."""

import asyncio
import socket
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from vodstack_cli.client import Client, Video
from vodstack_cli.clip import make_clip
from vodstack_cli.errors import CommandError
from vodstack_cli.laptop import Laptop, Ports, running_laptop
from vodstack_cli.report import Report, print_report
from vodstack_cli.verification import fetch_published, verify
from vodstack_contracts.items import from_item, to_attribute
from vodstack_contracts.moves import KEY
from vodstack_contracts.videos import Status, VideoRecord


@dataclass
class _Clock:
    """Seconds by stage, in the order in which the stages passed."""

    seconds: dict[str, float] = field(default_factory=dict[str, float])
    _since: float = field(default_factory=time.monotonic)

    def lap(self, stage: str) -> None:
        now = time.monotonic()
        self.seconds[stage] = now - self._since
        self._since = now


def run_demo(project: Path, source: Path | None, port: int | None, metrics_port: int | None) -> None:
    """Raises CommandError with a sentence that says what to do, and the end of the log it came from."""
    console = Console()
    ports = Ports(api=port or _free_port(), metrics=metrics_port or _free_port())
    with tempfile.TemporaryDirectory(prefix="vodstack-demo-") as directory:
        asyncio.run(_demo(console, project.resolve(), source, ports, Path(directory)))


async def _demo(console: Console, project: Path, source: Path | None, ports: Ports, directory: Path) -> None:
    clock = _Clock()
    original = source or await asyncio.to_thread(make_clip, directory)
    console.print(f"video: {original.name}, {original.stat().st_size / 1_000_000:.1f} MB", highlight=False)
    clock.lap("make the clip" if source is None else "look at the video")
    console.print("provisioning: the Pulumi program on an AWS emulator ...")
    async with running_laptop(project, ports) as laptop:
        clock.lap("provision and start")
        console.print(f"{laptop.deployed.summary()}; the API is at {laptop.api_url}", highlight=False)
        try:
            report = await asyncio.to_thread(_process, console, laptop, original, directory / "published", clock)
        except CommandError as error:
            error.log = error.log or tuple(laptop.log_tail())
            raise
    print_report(console, report)
    console.print("[bold green]ready[/]: uploaded, transcoded, decoded from the bucket; everything is stopped")


def _process(console: Console, laptop: Laptop, original: Path, published: Path, clock: _Clock) -> Report:
    with Client(laptop.api_url) as client:
        with _bars(console) as bars:
            video_id = _upload(client, original, bars)
            clock.lap("upload")
            video = _watch(client, video_id, bars)
        clock.lap("queue and processing")
        record = _record(laptop, video_id)
        clock.seconds |= {f"  {stage}": seconds for stage, seconds in record.stage_seconds.items()}
        sizes = fetch_published(laptop.client("s3"), laptop.output("bucketName"), video_id, published)
        pictures = verify(published, original, video.renditions)
        if video.playback:
            client.download(video.playback.hls)
            client.download(video.playback.mp4)
        clock.lap("verify")
    return Report(
        video=video,
        pictures=pictures,
        sizes=sizes,
        seconds=clock.seconds,
        outputs=laptop.deployed.outputs,
        summary=laptop.deployed.summary(),
        api_url=laptop.api_url,
    )


def _bars(console: Console) -> Progress:
    columns = (TextColumn("{task.description:<22}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    return Progress(*columns, console=console)


def _upload(client: Client, original: Path, bars: Progress) -> str:
    task = bars.add_task("uploading", total=original.stat().st_size)
    video_id = client.upload(
        original, title=original.stem, progress=lambda sent, total: bars.update(task, completed=sent, total=total)
    )
    bars.update(task, description="uploaded")
    return video_id


def _watch(client: Client, video_id: str, bars: Progress) -> Video:
    task = bars.add_task("queued", total=1.0)
    video = client.get(video_id)
    for video in client.watch(video_id):
        stage = f": {video.stage}" if video.stage and video.status is Status.PROCESSING else ""
        bars.update(task, completed=video.progress, description=f"{video.status}{stage}")
    return video


def _record(laptop: Laptop, video_id: str) -> VideoRecord:
    table = laptop.output("videosTableName")
    answer = laptop.client("dynamodb").get_item(TableName=table, Key={KEY: to_attribute(video_id)})
    return from_item(answer["Item"], VideoRecord)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])
