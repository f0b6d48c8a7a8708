"""`vodstack demo`: the main job from end to end, checked by decoding what the bucket holds."""

import asyncio
import shutil
import socket
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TextIO

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from vodstack_cli.client import Client, Video
from vodstack_cli.clip import ready_clip
from vodstack_cli.errors import CommandError, StoppedError
from vodstack_cli.kept import keep, require_room
from vodstack_cli.laptop import Laptop, Ports, on_daemon_thread, running_laptop
from vodstack_cli.originals import require_video
from vodstack_cli.project import state_folder
from vodstack_cli.report import Report, print_report
from vodstack_cli.signals import until_stopped
from vodstack_cli.verification import fetch_published, verify
from vodstack_contracts.items import from_item, to_attribute
from vodstack_contracts.moves import KEY
from vodstack_contracts.videos import Status, VideoRecord

_STOPPED = "stopped: everything has ended, and nothing was kept"


@dataclass(frozen=True, kw_only=True)
class DemoOptions:
    """What a demo is asked for: a clip is made where `video` is None, a free port taken where one of the ports is."""

    project: Path
    video: Path | None
    port: int | None
    metrics_port: int | None
    keep: Path | None
    outputs: bool


@dataclass
class _Clock:
    """Seconds by stage, in the order in which the stages passed."""

    seconds: dict[str, float] = field(default_factory=dict[str, float])
    _since: float = field(default_factory=time.monotonic)

    def lap(self, stage: str) -> None:
        now = time.monotonic()
        self.seconds[stage] = now - self._since
        self._since = now


def run_demo(options: DemoOptions) -> None:
    """Raises CommandError with a sentence that says what to do, and the file that holds the services' log."""
    if options.video:
        require_video(options.video)
    if options.keep:
        require_room(options.keep)
    console = Console()
    # A thread that is given up with the demo may still write there.
    with (
        tempfile.TemporaryDirectory(prefix="vodstack-demo-", ignore_cleanup_errors=True) as directory,
        (Path(directory) / "services.log").open("w", encoding="utf-8") as log,
    ):
        try:
            asyncio.run(
                until_stopped(
                    _demo(console, options, Path(directory), log),
                    on_signal=lambda: console.print("stopping ...", highlight=False),
                    message=_STOPPED,
                )
            )
        except StoppedError:
            raise
        except CommandError as error:
            error.log = _kept_log(options.project, log)
            raise


async def _demo(console: Console, options: DemoOptions, directory: Path, log: TextIO) -> None:
    clock = _Clock()
    original = options.video or await asyncio.to_thread(ready_clip, state_folder(options.project))
    console.print(
        f"video: {original.name}, {original.stat().st_size / 1_000_000:.1f} MB", highlight=False, markup=False
    )
    clock.lap("look at the video" if options.video else "make the clip")
    console.print("provisioning: the Pulumi program on an AWS emulator ...", highlight=False)
    ports = Ports(api=options.port or _free_port(), metrics=options.metrics_port or _free_port())
    async with running_laptop(options.project.resolve(), ports, on_line=_writer(log)) as laptop:
        clock.lap("provision and start")
        console.print(f"{laptop.deployed.summary()}; the API is at {laptop.api_url}", highlight=False)
        # The bars are closed here, so that the terminal gets its cursor back where the thread is given up.
        with _bars(console) as bars:
            process = partial(_process, laptop, original, directory / "published", clock=clock, bars=bars)
            report = await laptop.during(on_daemon_thread(process))
    if options.keep:
        await asyncio.to_thread(keep, directory / "published", options.keep)
    print_report(console, report, kept=options.keep, with_outputs=options.outputs)


def _process(laptop: Laptop, original: Path, published: Path, *, clock: _Clock, bars: Progress) -> Report:
    with Client(laptop.api_url) as client:
        video_id = _upload(client, original, bars)
        clock.lap("upload")
        video = _watch(client, video_id, bars)
        clock.lap("queue and processing")
        record = _record(laptop, video_id)
        clock.seconds |= {f"  {stage}": seconds for stage, seconds in record.stage_seconds.items()}
        check = bars.add_task("checking the result", total=None)
        sizes = fetch_published(laptop.client("s3"), laptop.output("bucketName"), video_id, published)
        pictures = verify(published, original, video.renditions)
        if video.playback:
            client.download(video.playback.hls)
            client.download(video.playback.mp4)
        bars.update(check, description="checked", total=1, completed=1)
        clock.lap("verify")
    return Report(video=video, pictures=pictures, sizes=sizes, seconds=clock.seconds, outputs=laptop.deployed.outputs)


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


def _writer(log: TextIO) -> Callable[[str, str], None]:
    def write(process: str, line: str) -> None:
        log.write(f"{process} | {line}\n")

    return write


def _kept_log(project: Path, log: TextIO) -> Path | None:
    """The services' log of a demo that failed, where the next one does not remove it; None where nothing was said."""
    log.flush()
    if not Path(log.name).stat().st_size:
        return None
    return Path(shutil.copy(log.name, state_folder(project) / "demo.log"))


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])
