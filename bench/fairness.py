"""`make bench ONLY=fairness`: what one owner meets while another is as greedy as can be, for five minutes.

The greedy owner sends bodies a byte at a time, holds connections, asks as fast as it can, and uploads 50 films. The
other uploads a clip, reads, and waits for it to be ready, over and over; first alone, then beside the greedy one.
`QUICK=1` takes a minute of it.
"""

import logging
import os
import statistics
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import run
from tempfile import TemporaryDirectory

import httpx
import imageio_ffmpeg
from backends import moto_backend
from greed import Greed
from issuer import issuing
from observed import Observed, run_service, say

QUICK = "BENCH_QUICK" in os.environ
ALONE_SECONDS, GREEDY_SECONDS = (20, 60) if QUICK else (60, 300)
FILM_SECONDS = 60 if QUICK else 180
FILMS = 50
CREATED = 201
WORKERS = 2
PAUSE_SECONDS = 0.2
PATIENCE_SECONDS = 120
LISTENING = r'"port": (\d+)'
LIMITS = {
    "VODSTACK_JOBS_PER_OWNER": "1",
    "VODSTACK_ENCODED_MINUTES_PER_DAY": "6000",
    "VODSTACK_REQUESTS_PER_MINUTE": "6000",
}


@dataclass
class Figures:
    """What one owner has met. Times are in seconds."""

    uploads: list[float] = field(default_factory=list[float])
    reads: list[float] = field(default_factory=list[float])
    jobs: list[float] = field(default_factory=list[float])
    refused: Counter[str] = field(default_factory=Counter[str])


@dataclass(frozen=True)
class Stage:
    """One API, some workers, and what they are asked for."""

    url: str
    clip: bytes
    film: Path

    def client(self, token: str) -> httpx.Client:
        headers = {"Authorization": f"Bearer {token}"}
        return httpx.Client(base_url=self.url, headers=headers, timeout=PATIENCE_SECONDS, trust_env=False)


def main() -> int:
    say(f"{os.cpu_count()} cores, load average {os.getloadavg()[0]:.1f}; one API, {WORKERS} workers of one job each")
    with TemporaryDirectory(prefix="vodstack-bench-") as name, issuing() as issuer:
        folder = Path(name)
        folder.chmod(0o755)
        with _services(folder, issuer.environment) as stage:
            token = issuer.sign("other")
            alone, beside = Figures(), Figures()
            use(stage, token, alone, ALONE_SECONDS)
            greed = Greed(stage.url, issuer.sign("greedy"), stage.film, FILMS)
            with greed.at_work():
                use(stage, token, beside, GREEDY_SECONDS)
            _report(alone, beside, greed)
    return 0


def use(stage: Stage, token: str, figures: Figures, seconds: float) -> None:
    """Upload, read and wait until the time is over; what is under way then is waited for."""
    end = time.monotonic() + seconds
    stop = threading.Event()
    with stage.client(token) as client:
        reading = threading.Thread(target=_read, args=(stage, token, figures, stop))
        reading.start()
        while time.monotonic() < end:
            _upload_and_wait(client, stage.clip, figures)
        stop.set()
        reading.join()


def _upload_and_wait(client: httpx.Client, clip: bytes, figures: Figures) -> None:
    answer = _timed(figures.uploads, figures, lambda: client.post("/videos", files={"file": ("clip.mp4", clip)}))
    if answer is None or answer.status_code != CREATED:
        time.sleep(1)
        return
    video_id, begun = answer.json()["videoId"], time.monotonic()
    while time.monotonic() < begun + PATIENCE_SECONDS:
        found = client.get(f"/videos/{video_id}")
        if found.is_success and found.json()["status"] in {"ready", "failed"}:
            figures.refused["failed"] += found.json()["status"] == "failed"
            figures.jobs.append(time.monotonic() - begun)
            return
        time.sleep(PAUSE_SECONDS)
    figures.refused["not ready in time"] += 1


def _read(stage: Stage, token: str, figures: Figures, stop: threading.Event) -> None:
    with stage.client(token) as client:
        while not stop.wait(PAUSE_SECONDS):
            _timed(figures.reads, figures, lambda: client.get("/videos"))


def _timed(times: list[float], figures: Figures, ask: Callable[[], httpx.Response]) -> httpx.Response | None:
    begun = time.monotonic()
    try:
        answer = ask()
    except httpx.HTTPError as error:
        figures.refused[type(error).__name__] += 1
        return None
    if answer.is_success:
        times.append(time.monotonic() - begun)
    else:
        figures.refused[str(answer.status_code)] += 1
    return answer


@contextmanager
def _services(folder: Path, tokens: dict[str, str]) -> Generator[Stage]:
    clip = _film(folder, "clip.mp4", 2)
    film = _film(folder, "film.mp4", FILM_SECONDS)
    with moto_backend() as backend, ExitStack() as stack:
        # moto answers 500 where two write at once, and says so at length; its callers ask again.
        logging.getLogger("werkzeug").setLevel(logging.CRITICAL)
        queue = backend.client("sqs").create_queue(QueueName="bench-chunks")["QueueUrl"]
        chunks = {"VODSTACK_CHUNKS_QUEUE_URL": queue, "VODSTACK_CHUNK_SECONDS": "10"}
        shared = backend.environment | LIMITS
        for number in range(WORKERS):
            worker = shared | chunks | {"VODSTACK_SCRATCH_DIR": str(folder / "scratch"), "VODSTACK_METRICS_PORT": "0"}
            worker |= {"VODSTACK_JOBS": "1", "VODSTACK_POLL_WAIT_SECONDS": "2"}
            _started(stack.enter_context(run_service("vodstack_worker", worker, folder, name=f"worker-{number}")))
        api = stack.enter_context(run_service("vodstack_app", shared | tokens | {"PORT": "0"}, folder))
        yield Stage(f"http://127.0.0.1:{_started(api)}", clip.read_bytes(), film)


def _started(service: Observed) -> int:
    return service.port(LISTENING)


def _film(folder: Path, name: str, seconds: int) -> Path:
    picture = ["-f", "lavfi", "-i", f"testsrc2=size=426x240:rate=25:duration={seconds}"]
    encoding = ["-c:v", "libx264", "-preset", "ultrafast", "-g", "25", "-pix_fmt", "yuv420p"]
    run([imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", *picture, *encoding, folder / name], check=True)
    return folder / name


def _report(alone: Figures, beside: Figures, greed: Greed) -> None:
    say(f"\n{'the other owner':>22} {'alone':>34} {'beside the greedy one':>34}")
    for name, ours, theirs in (
        ("upload", alone.uploads, beside.uploads),
        ("read", alone.reads, beside.reads),
        ("upload to ready", alone.jobs, beside.jobs),
    ):
        say(f"{name:>22} {_row(ours):>34} {_row(theirs):>34}")
    say(f"{'refused':>22} {_counts(alone.refused):>34} {_counts(beside.refused):>34}")
    say(f"\nthe greedy owner, in {GREEDY_SECONDS} s: {_counts(greed.met)}")


def _row(times: list[float]) -> str:
    if not times:
        return "none"
    worst = max(times)
    return f"{len(times)}: median {statistics.median(times):.2f} s, worst {worst:.2f} s"


def _counts(counts: Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items()) if count) or "none"


if __name__ == "__main__":
    sys.exit(main())
