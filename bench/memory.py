"""`make bench ONLY=memory`: what an upload costs the API in memory, and a video the worker."""

import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import imageio_ffmpeg
from backends import CHUNK_BYTES, Backend, moto_backend, upload_backend
from observed import MIB, descendants, forget_peak, get, resident_bytes, run_service, say

from vodstack_contracts.items import from_item
from vodstack_contracts.moves import create
from vodstack_contracts.objects import original_key
from vodstack_contracts.videos import Status, VideoRecord, new_video_id, timestamp

UPLOADS_MIB = (5, 512, 4096)
LIMIT_MIB = 64
CLIP_SECONDS = 60
WORKER_SECONDS = 900
HEAD = b'--b\r\nContent-Disposition: form-data; name="file"; filename="film.mp4"\r\n\r\n'
TAIL = b"\r\n--b--\r\n"


def main() -> int:
    if not sys.platform.startswith("linux"):
        say("This reads /proc: run it on Linux.")
        return 2
    within = measure_api()
    measure_worker()
    return 0 if within else 1


def measure_api() -> bool:
    """Whether every upload stayed within the limit."""
    within = True
    with TemporaryDirectory(prefix="vodstack-bench-") as folder, upload_backend() as backend:
        say(f"\nThe API, S3 behind it: {backend.s3_name}")
        say(f"{'upload MiB':>12} {'idle MiB':>10} {'peak MiB':>10} {'over idle':>10} {'limit':>7} {'MB/s':>7}")
        for size_mib in UPLOADS_MIB:
            idle, peak, seconds = _measure_upload(backend, size_mib, Path(folder))
            over = (peak - idle) / MIB
            within = within and over <= LIMIT_MIB
            speed = size_mib * MIB / seconds / 1e6
            say(f"{size_mib:>12} {idle / MIB:>10.1f} {peak / MIB:>10.1f} {over:>10.1f} {LIMIT_MIB:>7} {speed:>7.0f}")
    say("within the limit" if within else "OVER THE LIMIT")
    return within


def _measure_upload(backend: Backend, size_mib: int, folder: Path) -> tuple[int, int, float]:
    with run_service("vodstack_app", {**backend.environment, "PORT": "0"}, folder) as api:
        port = api.port(r'"port": (\d+)')
        if get(port, "/readyz") != 200:
            raise RuntimeError(f"the API is not ready:\n{api.log.read_text()}")
        forget_peak(api.pid)
        idle = resident_bytes(api.pid)
        started = time.perf_counter()
        _upload(port, size_mib)
        return idle, resident_bytes(api.pid, "VmHWM"), time.perf_counter() - started


def _upload(port: int, size_mib: int) -> None:
    """Send a film that is made as it goes: nothing of it is kept here."""
    block = os.urandom(CHUNK_BYTES)
    length = len(HEAD) + size_mib * MIB + len(TAIL)
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(
            f"POST /videos HTTP/1.1\r\nHost: bench\r\nContent-Type: multipart/form-data; boundary=b\r\n"
            f"Content-Length: {length}\r\n\r\n".encode()
        )
        connection.sendall(HEAD)
        for _ in range(size_mib * MIB // CHUNK_BYTES):
            connection.sendall(block)
        connection.sendall(TAIL)
        answer = connection.recv(65536)
    if not answer.startswith(b"HTTP/1.1 201 "):
        raise RuntimeError(f"the upload of {size_mib} MiB failed: {answer.decode()}")


def measure_worker() -> None:
    say(f"\nThe worker, a clip of {CLIP_SECONDS} s in 1920x1080")
    with TemporaryDirectory(prefix="vodstack-bench-") as folder, moto_backend() as backend:
        clip = _make_clip(Path(folder))
        environment = {**backend.environment, "VODSTACK_SCRATCH_DIR": folder, "VODSTACK_METRICS_PORT": "0"}
        with run_service("vodstack_worker", environment, Path(folder)) as worker:
            video_id = _arrive(backend, clip)
            peaks: dict[int, tuple[str, int]] = {}
            record = _follow(backend, video_id, worker.pid, peaks)
            own = resident_bytes(worker.pid, "VmHWM")
    if record.status is not Status.READY:
        raise RuntimeError(f"the video did not become ready: {record.status}, {record.error}")
    say(f"{'process':>24} {'peak MiB':>10}")
    say(f"{'the worker itself':>24} {own / MIB:>10.1f}")
    by_name: dict[str, int] = {}
    for name, peak in peaks.values():
        by_name[name] = max(by_name.get(name, 0), peak)
    for name, peak in sorted(by_name.items()):
        say(f"{'its ' + name:>24} {peak / MIB:>10.1f}")


def _make_clip(folder: Path) -> Path:
    clip = folder / "clip.mp4"
    picture = ["-f", "lavfi", "-i", f"testsrc2=size=1920x1080:rate=30:duration={CLIP_SECONDS}"]
    tone = ["-f", "lavfi", "-i", f"sine=frequency=440:duration={CLIP_SECONDS}"]
    encoding = ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-c:a", "aac"]
    subprocess.run([imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", *picture, *tone, *encoding, clip], check=True)
    return clip


def _arrive(backend: Backend, clip: Path) -> str:
    video_id, now = new_video_id(), timestamp()
    record = VideoRecord(video_id=video_id, status=Status.UPLOADING, upload_date=now, updated_at=now)
    backend.client("dynamodb").put_item(TableName=backend.environment["DYNAMODB_TABLE"], **create(record))
    key = original_key(video_id)
    backend.client("s3").put_object(Bucket=backend.environment["S3_BUCKET"], Key=key, Body=clip.read_bytes())
    return video_id


def _follow(backend: Backend, video_id: str, pid: int, peaks: dict[int, tuple[str, int]]) -> VideoRecord:
    """Watch the processes below the worker until the video is done; the kernel keeps each one's peak while it lives."""
    dynamodb = backend.client("dynamodb")
    deadline = time.monotonic() + WORKER_SECONDS
    while time.monotonic() < deadline:
        for child, name in descendants(pid).items():
            peaks[child] = (name, max(resident_bytes(child, "VmHWM"), peaks.get(child, ("", 0))[1]))
        key = {"video_id": {"S": video_id}}
        item = dynamodb.get_item(TableName=backend.environment["DYNAMODB_TABLE"], Key=key)["Item"]
        record = from_item(item, VideoRecord)
        if record.status in {Status.READY, Status.FAILED}:
            return record
        time.sleep(0.1)
    raise RuntimeError(f"the video was not done after {WORKER_SECONDS} s")


if __name__ == "__main__":
    sys.exit(main())
