"""Good files with random damage: each becomes a video, or is refused in words; nothing hangs, crashes or is retried."""

import random
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from vodstack_worker.errors import GiveUpError

H264 = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p")
SOURCES = {
    "mp4": (*H264, "-c:a", "aac"),
    "mkv": (*H264, "-c:a", "libvorbis"),
    "webm": ("-c:v", "libvpx-vp9", "-cpu-used", "8", "-deadline", "realtime", "-c:a", "libopus"),
    "ts": (*H264, "-c:a", "aac"),
    "mpg": ("-c:v", "mpeg2video", "-c:a", "mp2"),
    "avi": ("-c:v", "mjpeg", "-c:a", "pcm_s16le"),
    "flv": (*H264, "-c:a", "aac"),
    "ogv": ("-c:v", "libtheora", "-c:a", "libvorbis"),
    "wmv": ("-c:v", "wmv2", "-c:a", "wmav2"),
}
FEW = 2
MANY = 20
HEAD_BYTES = 2048
EXTREMES = (b"\x00" * 4, b"\xff" * 4, b"\x7f\xff\xff\xff", b"\x80\x00\x00\x00", b"\x00\x00\x00\x01")


def flip_bits(data: bytearray, chance: random.Random) -> None:
    for _ in range(chance.randint(1, 50)):
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)


def write_extremes_into_the_head(data: bytearray, chance: random.Random) -> None:
    """Sizes, counts and offsets lie there: in an MP4 with its index first, all of them."""
    for _ in range(chance.randint(1, 5)):
        at = chance.randrange(4, min(len(data), HEAD_BYTES) - 4)
        data[at : at + 4] = chance.choice(EXTREMES)


def cut_out(data: bytearray, chance: random.Random) -> None:
    start = chance.randrange(16, len(data))
    del data[start : start + chance.randint(1, len(data) // 4)]


def repeat(data: bytearray, chance: random.Random) -> None:
    start = chance.randrange(16, len(data))
    piece = data[start : start + chance.randint(1, 4096)]
    data[start:start] = piece * chance.randint(1, 20)


def overwrite_with_noise(data: bytearray, chance: random.Random) -> None:
    length = chance.randint(1, 2048)
    start = chance.randrange(16, max(17, len(data) - length))
    data[start : start + length] = chance.randbytes(length)


DAMAGES: list[Callable[[bytearray, random.Random], None]] = [
    flip_bits,
    write_extremes_into_the_head,
    cut_out,
    repeat,
    overwrite_with_noise,
]


@pytest.fixture(scope="module")
def good_files(ffmpeg: str, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], bytes]:
    folder = tmp_path_factory.mktemp("good")

    def make(kind: str) -> bytes:
        path = folder / f"good.{kind}"
        if not path.exists():
            picture = ["-f", "lavfi", "-i", "testsrc2=size=96x64:rate=25:duration=1"]
            tone = ["-f", "lavfi", "-i", "sine=frequency=440:duration=1"]
            head = ["-movflags", "+faststart"] if kind == "mp4" else []
            subprocess.run([ffmpeg, "-v", "error", *picture, *tone, *SOURCES[kind], *head, path], check=True)
        return path.read_bytes()

    return make


def seeds(kind: str) -> list[Any]:
    few = FEW if kind == "mp4" else 0
    marked = [pytest.param(kind, seed, marks=pytest.mark.prove) for seed in range(few, MANY)]
    return [*((kind, seed) for seed in range(few)), *marked]


@pytest.mark.parametrize(("kind", "seed"), [case for kind in SOURCES for case in seeds(kind)])
def test_a_damaged_file_becomes_a_video_or_is_refused(
    kind: str, seed: int, *, good_files: Callable[[str], bytes], tmp_path: Path, transcode: Any
):
    chance = random.Random(f"{kind} {seed}")  # noqa: S311 - it must repeat, not be secret
    data = bytearray(good_files(kind))
    for damage in chance.sample(DAMAGES, chance.randint(1, 2)):
        damage(data, chance)
    path = tmp_path / "damaged"
    path.write_bytes(data)
    made = outcome(transcode, path)
    if isinstance(made, GiveUpError):
        assert made.failure.message.endswith(".")
    else:
        assert made.mp4.stat().st_size > 0


def outcome(transcode: Any, path: Path) -> Any:
    """What was transcoded, or its refusal; any other error is the test's."""
    try:
        return transcode(path)
    except GiveUpError as refused:
        return refused
