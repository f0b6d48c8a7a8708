"""`make bench ONLY=worker`: what the worker costs over plain ffmpeg, and what chunks cost and gain over one pass."""

import asyncio
import json
import os
import resource
import shutil
import statistics
import sys
import time
from collections.abc import Generator, Iterable, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import astuple, dataclass, replace
from datetime import datetime
from math import prod
from operator import itemgetter
from pathlib import Path
from subprocess import run
from tempfile import TemporaryDirectory

import imageio_ffmpeg
import msgspec
from backends import Backend, moto_backend
from observed import Observed, run_service, say

from vodstack_contracts.moves import create
from vodstack_contracts.objects import original_key
from vodstack_contracts.videos import Status, VideoRecord, new_video_id, timestamp
from vodstack_worker.arguments import Share, encode_arguments, folders_of
from vodstack_worker.media_process import Limits
from vodstack_worker.plans import Plan, plan_encode
from vodstack_worker.probe import SOURCE, probe

QUICK = "VODSTACK_BENCH_QUICK" in os.environ
# Machines get faster and slower by a tenth within minutes: what is compared is measured in turns.
ROUNDS = 3 if QUICK else 2
FILM_SIZE, FILM_SECONDS = ("426x240", 100) if QUICK else ("1280x720", 96)
RUNGS_SIZE, RUNGS_SECONDS = ("854x480", 10) if QUICK else ("1280x720", 20)
RATE = 30
# As a phone has it: 17 Mbit/s for 1920x1080.
BITS_PER_PIXEL = 0.27
CHUNK_SECONDS = 48
PICK_UPS = 15
PATIENCE_SECONDS = 1800
GIB = 1024**3


@dataclass(frozen=True)
class Cost:
    wall: float
    cpu: float


def main() -> int:
    if not sys.platform.startswith("linux"):
        say("This pins processes to cores: run it on Linux.")
        return 2
    say(f"{os.cpu_count()} cores, load average {os.getloadavg()[0]:.1f}: where others use the machine, trust CPU alone")
    with TemporaryDirectory(prefix="vodstack-bench-") as name, moto_backend() as backend:
        folder = Path(name)
        folder.chmod(0o755)
        film = make_film(folder, "film.mp4", FILM_SIZE, FILM_SECONDS)
        measure_rungs(folder, make_film(folder, "rungs.mp4", RUNGS_SIZE, RUNGS_SECONDS))
        measure_ways(backend, folder, film)
        measure_pick_up(backend, folder)
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


@contextmanager
def costing(costs: list[Cost]) -> Generator[None]:
    """Adds the wall time of a block, and the CPU time of the processes that ended in it."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    yield
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    costs.append(Cost(time.perf_counter() - start, cpu))


def plan_for(folder: Path, film: Path) -> Plan:
    shutil.copyfile(film, folder / SOURCE)
    limits = Limits(memory_bytes=4 * GIB, cpu_seconds=600, wall_seconds=600, scratch_bytes=4 * GIB, uid=65_534)
    return plan_encode(asyncio.run(probe(folder, limits, max_duration=3600)), threads=1)


def encode_plainly(folder: Path, plan: Plan) -> Cost:
    """The very arguments of the worker, without the worker."""
    for name in folders_of(plan, Share()):
        (folder / "out/hls" / name).mkdir(parents=True, exist_ok=True)
    costs: list[Cost] = []
    with costing(costs):
        arguments = encode_arguments(plan, Share(), 36_000)
        run([imageio_ffmpeg.get_ffmpeg_exe(), *arguments], cwd=folder, check=True, capture_output=True)
    shutil.rmtree(folder / "out")
    return costs[0]


def measure_rungs(folder: Path, film: Path) -> None:
    with TemporaryDirectory(dir=folder) as name, on_cores({0}):
        home = Path(name)
        home.chmod(0o755)
        plan = plan_for(home, film)
        rungs = plan.rungs[:3]
        together = encode_plainly(home, msgspec.structs.replace(plan, rungs=rungs))
        apart = [encode_plainly(home, msgspec.structs.replace(plan, rungs=[rung])) for rung in rungs]
    say(f"\n{RUNGS_SECONDS} s of {RUNGS_SIZE} as {', '.join(rung.name for rung in rungs)}, one core")
    row("one run", together)
    row("three runs", total := Cost(sum(each.wall for each in apart), sum(each.cpu for each in apart)))
    say(f"one run over three: {together.cpu / total.cpu:.2f} of the CPU (at most 0.85)")


def measure_ways(backend: Backend, folder: Path, film: Path) -> None:
    say(f"\n{FILM_SECONDS} s of {FILM_SIZE}, each worker on a core of its own, the median of {ROUNDS} rounds")
    rounds = [Round.run(backend, folder, film) for _ in range(ROUNDS)]
    for name, costs in {
        "plain ffmpeg": [cost for each in rounds for cost in each.plain],
        "one pass, one worker": [cost for each in rounds for cost in each.one_pass],
        "chunks, one worker": [each.chunks for each in rounds],
        "chunks, two workers": [each.two for each in rounds],
    }.items():
        row(name, Cost(*(statistics.median(figures) for figures in zip(*map(astuple, costs), strict=True))))
    over_plain = ratios(mean_wall(each.one_pass) / mean_wall(each.plain) for each in rounds)
    say(f"a job over plain ffmpeg: {over_plain} of the wall time (at most 1.05)")
    over_one_pass = ratios(each.chunks.cpu / statistics.mean(cost.cpu for cost in each.one_pass) for each in rounds)
    say(f"chunks over one pass: {over_one_pass} of the CPU (at most 1.10)")
    say(f"two workers over the model: {ratios(each.two.wall / each.model for each in rounds)} of the wall time")
    say(f"seconds that two workers cannot share: {ratios(each.alone for each in rounds)}")


@dataclass(frozen=True, kw_only=True)
class Round:
    """All ways once, the others around chunks, so that a drift counts for all.

    `alone` are seconds in which a second worker is of no help.
    """

    plain: tuple[Cost, Cost]
    one_pass: tuple[Cost, Cost]
    chunks: Cost
    two: Cost
    alone: float

    @classmethod
    def run(cls, backend: Backend, folder: Path, film: Path) -> "Round":
        queue = backend.client("sqs").create_queue(QueueName="bench-chunks")["QueueUrl"]
        in_chunks = {"VODSTACK_CHUNKS_QUEUE_URL": queue, "VODSTACK_CHUNK_SECONDS": str(CHUNK_SECONDS)}
        plain = encode_alone(folder, film)
        one_pass, _ = process(backend, folder, film, workers=1, environment={})
        chunks, alone = process(backend, folder, film, workers=1, environment=in_chunks)
        again, _ = process(backend, folder, film, workers=1, environment={})
        plain_again = encode_alone(folder, film)
        two, _ = process(backend, folder, film, workers=2, environment=in_chunks)
        return cls(plain=(plain, plain_again), one_pass=(one_pass, again), chunks=chunks, two=two, alone=alone)

    @property
    def model(self) -> float:
        return self.alone + (self.chunks.wall - self.alone) / 2


def encode_alone(folder: Path, film: Path) -> Cost:
    with TemporaryDirectory(dir=folder) as name, on_cores({0}):
        home = Path(name)
        home.chmod(0o755)
        return encode_plainly(home, plan_for(home, film))


def mean_wall(costs: Iterable[Cost]) -> float:
    return statistics.mean(cost.wall for cost in costs)


def ratios(values: Iterable[float]) -> str:
    found = sorted(values)
    return f"{statistics.median(found):.2f} [{found[0]:.2f}-{found[-1]:.2f}]"


def process(
    backend: Backend, folder: Path, film: Path, *, workers: int, environment: dict[str, str]
) -> tuple[Cost, float]:
    """From taken to ready, CPU of workers and tools; and the seconds in which one worker alone can be at work."""
    costs: list[Cost] = []
    logs: list[Observed] = []
    with costing(costs), ExitStack() as stack:
        for number in range(workers):
            with on_cores({number % (os.cpu_count() or 1)}):
                logs.append(stack.enter_context(working(backend, folder, f"worker-{number}", environment)))
        for log in logs:
            log.port(r'"port": (\d+)')
        video_id = arrive(backend, film.read_bytes())
        follow(logs, video_id)
    lines = [line for log in logs for line in lines_of(log) if line.get("video_id") == video_id]
    events = sorted(((moment(line), line) for line in lines), key=itemgetter(0))
    first, last = events[0][0], events[-1][0]
    encoded = [at for at, line in events if line["event"] in {"handed on to chunks", "chunk encoded"}]
    alone = (encoded[0] - first) + (last - encoded[-1]) if encoded else 0.0
    return replace(costs[0], wall=last - first), alone


def working(backend: Backend, folder: Path, name: str, environment: dict[str, str]):
    mine = {**backend.environment, "VODSTACK_SCRATCH_DIR": str(folder / "scratch"), "VODSTACK_METRICS_PORT": "0"}
    return run_service("vodstack_worker", mine | environment, folder, name=name)


@contextmanager
def on_cores(cores: set[int]) -> Generator[None]:
    """What is started in the block stays on these cores."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores & before or before)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def measure_pick_up(backend: Backend, folder: Path) -> None:
    waits: list[float] = []
    with working(backend, folder, "pick-up", {}) as worker:
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


def row(name: str, cost: Cost) -> None:
    say(f"{name:>24} {cost.wall:>8.1f} s wall {cost.cpu:>8.1f} s CPU")


if __name__ == "__main__":
    sys.exit(main())
