"""`make bench ONLY=worker`: what the worker costs over plain ffmpeg, and what chunks cost and gain over one pass."""

import asyncio
import json
import os
import shutil
import statistics
import sys
import time
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import astuple, dataclass, replace
from datetime import datetime
from functools import partial
from math import prod
from operator import itemgetter
from pathlib import Path
from subprocess import run
from tempfile import TemporaryDirectory

import imageio_ffmpeg
import msgspec
from backends import Backend, moto_backend
from observed import Observed, run_service, say
from side_by_side import Cost, costing, on_cores, side_by_side

from vodstack_contracts.moves import create
from vodstack_contracts.objects import original_key
from vodstack_contracts.videos import Status, VideoRecord, new_video_id, timestamp
from vodstack_worker.arguments import encode_arguments, folders_of
from vodstack_worker.media_process import Limits
from vodstack_worker.plans import Plan, Share, plan_encode
from vodstack_worker.probe import probe
from vodstack_worker.probed import SOURCE

QUICK = "BENCH_QUICK" in os.environ
TURNS = 2 if QUICK else 4
FILM_SIZE, FILM_SECONDS = ("426x240", 100) if QUICK else ("1280x720", 96)
RUNGS_SIZE, RUNGS_SECONDS = ("854x480", 10) if QUICK else ("1280x720", 20)
RATE = 30
# As a phone has it: 17 Mbit/s for 1920x1080.
BITS_PER_PIXEL = 0.27
CHUNK_SECONDS = 48
PICK_UPS = 15
PATIENCE_SECONDS = 1800
GIB = 1024**3


def main() -> int:
    if not sys.platform.startswith("linux") or len(os.sched_getaffinity(0)) < 2:
        say("This pins processes to two cores: run it on Linux, on a machine that has them.")
        return 2
    say(f"{os.cpu_count()} cores, load average {os.getloadavg()[0]:.1f}: where others use the machine, trust CPU alone")
    with TemporaryDirectory(prefix="vodstack-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        measure_rungs(folder)
        measure_ways(folder)
        measure_pick_up(folder)
    return 0


def make_film(folder: Path, name: str, size: str, seconds: int) -> Path:
    """One whose pictures are not easier to encode than a camera's, and take as many bytes."""
    film = folder / name
    picture = ["-f", "lavfi", "-i", f"testsrc2=size={size}:rate={RATE}:duration={seconds},noise=alls=12:allf=t"]
    tone = ["-f", "lavfi", "-i", f"sine=frequency=440:duration={seconds}"]
    bitrate = int(prod(map(int, size.split("x"))) * RATE * BITS_PER_PIXEL)
    rate = ["-b:v", str(bitrate), "-maxrate", str(2 * bitrate), "-bufsize", str(2 * bitrate)]
    encoding = ["-c:v", "libx264", "-preset", "veryfast", "-g", "60", "-pix_fmt", "yuv420p", *rate, "-c:a", "aac"]
    run([imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", *picture, *tone, *encoding, film], check=True)
    return film


def plan_for(folder: Path, film: Path) -> Plan:
    shutil.copyfile(film, folder / SOURCE)
    limits = Limits(memory_bytes=4 * GIB, cpu_seconds=600, wall_seconds=600, scratch_bytes=4 * GIB, uid=65_534)
    return plan_encode(asyncio.run(probe(folder, limits, max_duration=3600)), threads=1)


def encode_plainly(folder: Path, film: Path, parts: Sequence[slice], core: int) -> Cost:
    """The very arguments of the worker, without the worker: a run for each part of the ladder."""
    costs: list[Cost] = []
    with TemporaryDirectory(dir=folder) as name, on_cores({core}):
        home = Path(name)
        home.chmod(0o755)
        whole = plan_for(home, film)
        for part in parts:
            plan = msgspec.structs.replace(whole, rungs=whole.rungs[part])
            for rendition in folders_of(plan, Share()):
                (home / "out/hls" / rendition).mkdir(parents=True, exist_ok=True)
            with costing(costs):
                arguments = encode_arguments(plan, Share(), 36_000)
                run([imageio_ffmpeg.get_ffmpeg_exe(), *arguments], cwd=home, check=True, capture_output=True)
    return Cost(sum(cost.wall for cost in costs), sum(cost.cpu for cost in costs))


def measure_rungs(folder: Path) -> None:
    film = make_film(folder, "rungs.mp4", RUNGS_SIZE, RUNGS_SECONDS)
    three = partial(encode_plainly, folder, film, [slice(0, 1), slice(1, 2), slice(2, 3)])
    one = partial(encode_plainly, folder, film, [slice(0, 3)])
    pairs = [side_by_side(one, three, turn) for turn in range(TURNS)]
    say(f"\n{RUNGS_SECONDS} s of {RUNGS_SIZE} as its three largest renditions, the median of {TURNS} turns")
    row("one run", [together for together, _ in pairs])
    row("three runs", [apart for _, apart in pairs])
    over_three = ratios(together.cpu / apart.cpu for together, apart in pairs)
    say(f"one run over three: {over_three} of the CPU (at most 0.85)")


def measure_ways(folder: Path) -> None:
    film = make_film(folder, "film.mp4", FILM_SIZE, FILM_SECONDS)
    say(f"\n{FILM_SECONDS} s of {FILM_SIZE}, each worker on a core of its own, the median of {TURNS} turns")
    plainly = partial(encode_plainly, folder, film, [slice(None)])
    one_pass, in_chunks = (partial(process_on, folder, film, chunks=chunks) for chunks in (False, True))
    over_plain = [side_by_side(one_pass, plainly, turn) for turn in range(TURNS)]
    over_one_pass = [side_by_side(in_chunks, one_pass, turn) for turn in range(TURNS)]
    two = [process(folder, film, [0, 1], chunks=True) for _ in range(TURNS)]
    row("plain ffmpeg", [plain for _, plain in over_plain])
    row("one pass, one worker", [job.cost for job, _ in over_plain] + [job.cost for _, job in over_one_pass])
    row("chunks, one worker", [job.cost for job, _ in over_one_pass])
    row("chunks, two workers", [job.cost for job in two])
    walls = ratios(job.cost.wall / plain.wall for job, plain in over_plain)
    say(f"a job over plain ffmpeg: {walls} of the wall time (at most 1.05)")
    cpus = ratios(chunks.cost.cpu / whole.cost.cpu for chunks, whole in over_one_pass)
    say(f"chunks over one pass: {cpus} of the CPU (at most 1.10)")
    models = [chunks.model for chunks, _ in over_one_pass]
    over_model = ratios(job.cost.wall / model for job, model in zip(two, models, strict=True))
    say(f"two workers over the model's {statistics.median(models):.1f} s: {over_model} of the wall time")
    say(f"seconds that two workers cannot share: {ratios(chunks.alone for chunks, _ in over_one_pass)}")


@dataclass(frozen=True)
class Job:
    """From taken to ready, CPU of workers and tools. In `alone` seconds a second worker would be of no help."""

    cost: Cost
    alone: float

    @property
    def model(self) -> float:
        """The wall time that two workers should take."""
        return self.alone + (self.cost.wall - self.alone) / 2


def ratios(values: Iterable[float]) -> str:
    found = sorted(values)
    return f"{statistics.median(found):.2f} [{found[0]:.2f}-{found[-1]:.2f}]"


def process_on(folder: Path, film: Path, core: int, *, chunks: bool) -> Job:
    return process(folder, film, [core], chunks=chunks)


def process(folder: Path, film: Path, cores: Sequence[int], *, chunks: bool) -> Job:
    costs: list[Cost] = []
    logs: list[Observed] = []
    with moto_backend() as backend:
        environment = chunks_environment(backend) if chunks else {}
        with costing(costs), ExitStack() as stack:
            for core in cores:
                with on_cores({core}):
                    logs.append(stack.enter_context(working(backend, folder, f"worker-{core}", environment)))
            for log in logs:
                log.port(r'"port": (\d+)')
            video_id = arrive(backend, film.read_bytes())
            follow(logs, video_id)
    lines = [line for log in logs for line in lines_of(log) if line.get("video_id") == video_id]
    events = sorted(((moment(line), line) for line in lines), key=itemgetter(0))
    first, last = events[0][0], events[-1][0]
    encoded = [at for at, line in events if line["event"] in {"handed on to chunks", "chunk encoded"}]
    alone = (encoded[0] - first) + (last - encoded[-1]) if encoded else 0.0
    return Job(replace(costs[0], wall=last - first), alone)


def chunks_environment(backend: Backend) -> dict[str, str]:
    queue = backend.client("sqs").create_queue(QueueName="bench-chunks")["QueueUrl"]
    return {"VODSTACK_CHUNKS_QUEUE_URL": queue, "VODSTACK_CHUNK_SECONDS": str(CHUNK_SECONDS)}


def working(backend: Backend, folder: Path, name: str, environment: dict[str, str]):
    mine = {**backend.environment, "VODSTACK_SCRATCH_DIR": str(folder / "scratch"), "VODSTACK_METRICS_PORT": "0"}
    return run_service("vodstack_worker", mine | environment, folder, name=name)


def measure_pick_up(folder: Path) -> None:
    waits: list[float] = []
    with moto_backend() as backend, working(backend, folder, "pick-up", {}) as worker:
        worker.port(r'"port": (\d+)')
        for _ in range(PICK_UPS):
            video_id = arrive(backend, b"no video")
            arrived = time.time()
            follow([worker], video_id)
            taken = [moment(line) for line in lines_of(worker) if line.get("video_id") == video_id]
            waits.append(max(0.0, taken[0] - arrived))
    say(f"\nfrom arrival to start of work: median {statistics.median(waits) * 1000:.0f} ms of {PICK_UPS} (under 200)")


def arrive(backend: Backend, body: bytes) -> str:
    video_id, now = new_video_id(), timestamp()
    record = VideoRecord(video_id=video_id, status=Status.QUEUED, upload_date=now, updated_at=now)
    backend.client("dynamodb").put_item(TableName=backend.environment["DYNAMODB_TABLE"], **create(record))
    backend.client("s3").put_object(Bucket=backend.environment["S3_BUCKET"], Key=original_key(video_id), Body=body)
    return video_id


def follow(workers: Sequence[Observed], video_id: str) -> None:
    """By the logs, for questions to the table would slow the encode beside it."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        lines = [line for worker in workers for line in lines_of(worker) if line.get("video_id") == video_id]
        if any(line["event"] in {"ready", "failed"} for line in lines):
            return
        time.sleep(0.2)
    raise RuntimeError(f"{video_id} came to no end in {PATIENCE_SECONDS} s")


def lines_of(worker: Observed) -> Sequence[dict[str, str]]:
    return [json.loads(line) for line in worker.log.read_text().splitlines() if line.startswith("{")]


def moment(line: dict[str, str]) -> float:
    return datetime.fromisoformat(line["timestamp"]).timestamp()


def row(name: str, costs: Sequence[Cost]) -> None:
    wall, cpu = (statistics.median(figures) for figures in zip(*map(astuple, costs), strict=True))
    say(f"{name:>24} {wall:>8.1f} s wall {cpu:>8.1f} s CPU")


if __name__ == "__main__":
    sys.exit(main())
