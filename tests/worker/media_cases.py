"""Odd sources after public bug reports, and what is right for each: made anew, or taken from a folder of such files."""

import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import imageio_ffmpeg
from tests.worker.sources import Recording, steady, write

from vodstack_contracts.videos import FailureCode, WarningCode

Make = Callable[[Path], object]
SECONDS = 10.0
FRAMES = round(SECONDS * 30)
WHOLE = Recording(times=steady(FRAMES), audio=(0.0, SECONDS))
H264 = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p")
AAC = ("-c:a", "aac")
TEST = "testsrc2=size=320x240:rate=30"
KEY = "00112233445566778899aabbccddeeff"


@dataclass(frozen=True, kw_only=True)
class Right:
    """What the record and the published MP4 are to say: `audio` is how long it is, None where there is none.

    `chunked` tells that the source goes in chunks where these are forced; None where either way will do.
    """

    seconds: float = SECONDS
    slack: float = 0.04
    audio: bool = True
    code: FailureCode | None = None
    warnings: frozenset[WarningCode] = frozenset()
    size: tuple[int, int] | None = None
    chunked: bool | None = None


@dataclass(frozen=True)
class Case:
    """A file by its name, and how it is made."""

    name: str
    make: Make
    right: Right = field(default_factory=Right)


def ffmpeg(*words: str | Path) -> None:
    subprocess.run([imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y", *words], check=True)


def filmed(seconds: float, *encoding: str, picture: str = TEST, tone: float | None = None) -> Make:
    """A test picture of so many seconds, and a tone that lasts as long unless told otherwise."""
    length = seconds if tone is None else tone
    inputs = ["-f", "lavfi", "-i", f"{picture}:duration={seconds}", "-f", "lavfi", "-i", f"sine=d={length}"]
    return lambda path: ffmpeg(*inputs, *(encoding or (*H264, *AAC)), path)


def recorded(*recordings: Recording) -> Make:
    return lambda path: write(path, *recordings)


def joined(*parts: Sequence[str]) -> Make:
    """Five seconds each of MPEG-TS on one clock, by the arguments that make them."""

    def make(path: Path) -> None:
        data = b""
        for number, words in enumerate(parts):
            part = path.with_name(f"part-{number}.ts")
            ffmpeg(*words, "-muxdelay", "0", "-output_ts_offset", str(5 * number), "-f", "mpegts", part)
            data += part.read_bytes()
            part.unlink()
        path.write_bytes(data)

    return make


def _part(size: str, *audio: str, encoding: Sequence[str] = H264, picture: str = "testsrc2") -> list[str]:
    video = ["-f", "lavfi", "-i", f"{picture}=size={size}:rate=30:duration=5"]
    return [*video, "-f", "lavfi", "-i", "sine=d=5:sample_rate=48000", *encoding, *(audio or AAC)]


def _fonts(path: Path) -> None:
    font = path.with_name("font.ttf")
    font.write_bytes(bytes(64))
    attached = [
        word for number in range(70) for word in ("-attach", font, f"-metadata:s:t:{number}", "mimetype=font/ttf")
    ]
    ffmpeg("-f", "lavfi", "-i", f"{TEST}:duration=2", "-f", "lavfi", "-i", "sine=d=2", *H264, *AAC, *attached, path)


def _unaligned(path: Path) -> None:
    filmed(SECONDS, *H264, "-g", "30", *AAC)(path)
    path.write_bytes(path.read_bytes()[188 * 20 + 77 :])


def _unknown_first(path: Path) -> None:
    tones = ["-f", "lavfi", "-i", "sine=d=5", "-f", "lavfi", "-i", "sine=d=5"]
    maps = ["-map", "0", "-map", "1", "-map", "2"]
    ffmpeg("-f", "lavfi", "-i", f"{TEST}:duration=5", *tones, *maps, *H264, "-c:a:0", "alac", "-c:a:1", "aac", path)
    path.write_bytes(path.read_bytes().replace(b"alac", b"apac"))


def _unknown_only(path: Path) -> None:
    filmed(5, *H264, "-c:a", "alac")(path)
    path.write_bytes(path.read_bytes().replace(b"alac", b"apac"))


def _cut_fragment(path: Path) -> None:
    fragments = ("-movflags", "frag_keyframe+empty_moov+default_base_moof", "-g", "30")
    filmed(SECONDS, *H264, *AAC, *fragments)(path)
    data = path.read_bytes()
    at = 0
    for _ in range(8):
        at = data.index(b"mdat", at + 1)
    path.write_bytes(data[: at + 200])


def _combed(path: Path) -> None:
    """A progressive second, then interlaced ones, in one stream."""
    mpeg2 = ("-c:v", "mpeg2video", "-b:v", "4M")
    still = _part("720x576", encoding=(*mpeg2, "-t", "1"), picture="testsrc2")
    fields = ("-vf", "tinterlace=interleave_top", "-flags", "+ildct+ilme", "-r", "25", *mpeg2)
    joined(still, _part("720x576", encoding=fields))(path)


def _open_groups(path: Path) -> None:
    options = "open-gop=1:keyint=30:scenecut=0:bframes=3"
    filmed(SECONDS, "-c:v", "libx264", "-preset", "veryfast", "-x264-params", options, *AAC)(path)


def _two_tracks(path: Path) -> None:
    tones = ["-f", "lavfi", "-i", f"sine=300:d={SECONDS}", "-f", "lavfi", "-i", f"sine=900:d={SECONDS}"]
    flags = ["-disposition:a:0", "comment", "-disposition:a:1", "default"]
    maps = ["-map", "0", "-map", "1", "-map", "2"]
    ffmpeg("-f", "lavfi", "-i", f"{TEST}:duration={SECONDS}", *tones, *maps, *H264, *AAC, *flags, path)


def _red(*encoding: str) -> Make:
    return lambda path: ffmpeg("-f", "lavfi", "-i", "color=red:s=1280x720:r=10:d=2", *encoding, path)


def _garbage(path: Path) -> None:
    from tests.worker.test_audio_check import garbled  # noqa: PLC0415 - it collects tests where it is imported

    filmed(5)(path)
    shutil.move(garbled(path), path)


B_FRAMES = (*H264, "-preset", "veryfast", "-bf", "3", "-g", "30", *AAC)
SLIDES = Recording(times=[15.0 * number for number in range(8)], audio=(0.0, 120.0))
GAP = Recording(times=[*steady(60), *steady(60, start=92.0)], audio=(0.0, 94.0))
BACK = {30: 0.999, 150: 4.99}
DOORBELL = Recording(times=[20.0 * number for number in range(12)])
LECTURE = Recording(times=[*range(30), *range(41, 71)], audio=(0.0, 72.0))
ENCRYPTED = ("-encryption_scheme", "cenc-aes-ctr", "-encryption_key", KEY, "-encryption_kid", KEY)
AC3 = (_part("320x240", "-c:a", "ac3", "-ac", "6"), _part("320x240", "-c:a", "ac3", "-ac", "2"))
AUDIO_LOST = frozenset({WarningCode.AUDIO_UNREADABLE})

CASES = [
    Case(
        "achange.ts", joined(_part("320x240", "-c:a", "ac3", "-ac", "6"), _part("320x240", "-c:a", "ac3", "-ac", "2"))
    ),
    Case("reschange.ts", joined(_part("320x240"), _part("640x480")), Right(size=(640, 480))),
    Case("slides15s.mp4", recorded(SLIDES), Right(seconds=120.0)),
    Case("vfr_gap90.mp4", recorded(GAP), Right(seconds=94.0)),
    Case("mediarecorder_back1ms.webm", filmed(SECONDS, "-c:v", "libvpx", "-deadline", "realtime", "-c:a", "libopus")),
    Case("video_late.mp4", recorded(replace(WHOLE, times=steady(FRAMES, start=3.3))), Right(seconds=13.3)),
    Case("bframes.mkv", filmed(SECONDS, *B_FRAMES), Right(chunked=True)),
    Case("red_h264rgb.mp4", _red("-c:v", "libx264rgb"), Right(seconds=2.0, audio=False, size=(1280, 720))),
    Case("red_qtrle.mov", _red("-c:v", "qtrle"), Right(seconds=2.0, audio=False, size=(1280, 720))),
    Case("default_second.mkv", _two_tracks),
    Case("apac_first.mov", _unknown_first, Right(seconds=5.0)),
    Case("fonts70.mkv", _fonts, Right(seconds=2.0)),
    Case("unaligned.ts", _unaligned, Right(seconds=8.5, slack=2.0)),
    Case(
        "cenc.mp4",
        filmed(
            SECONDS, *H264, *AAC, "-encryption_scheme", "cenc-aes-ctr", "-encryption_key", KEY, "-encryption_kid", KEY
        ),
        Right(code=FailureCode.ENCRYPTED),
    ),
    Case("audio_garbage.mp4", _garbage, Right(seconds=5.0, audio=False, warnings=AUDIO_LOST)),
    Case(
        "frag_cut2.mp4",
        _cut_fragment,
        Right(seconds=7.5, slack=0.6, warnings=frozenset({WarningCode.SOURCE_TRUNCATED})),
    ),
    # Siblings.
    Case("lecture.mp4", recorded(LECTURE), Right(seconds=72.0)),
    Case(
        "doorbell.mp4",
        recorded(DOORBELL),
        Right(seconds=220.1, audio=False),
    ),
    Case(
        "doorbell.mkv",
        recorded(DOORBELL),
        Right(seconds=220.1, audio=False),
    ),
    Case("short_audio.mp4", recorded(Recording(times=steady(450), audio=(0.0, 5.0))), Right(seconds=15.0)),
    Case("short_audio.ts", recorded(Recording(times=steady(450), audio=(0.0, 5.0))), Right(seconds=15.0)),
    Case("half_second.webm", filmed(SECONDS, "-c:v", "libvpx", "-deadline", "realtime", "-c:a", "libopus", tone=9.5)),
    Case("late_audio.mp4", recorded(replace(WHOLE, audio=(2.5, SECONDS)))),
    Case("long_audio.mp4", recorded(replace(WHOLE, audio=(0.0, 13.0))), Right(seconds=13.0)),
    Case("joined.flv", recorded(WHOLE, replace(WHOLE, first=FRAMES)), Right(seconds=20.0, slack=0.1)),
    Case(
        "joined.ts",
        recorded(WHOLE.shifted(50_000.0), replace(WHOLE, first=FRAMES).shifted(7.0)),
        Right(seconds=20.0, slack=0.1),
    ),
    Case("open_groups.mp4", _open_groups, Right(chunked=True)),
    Case("open_groups.mkv", _open_groups, Right(chunked=True)),
    Case("portrait.ts", joined(_part("320x240"), _part("240x320")), Right()),
    Case("full_range.ts", joined(_part("320x240"), _part("320x240", encoding=(*H264, "-pix_fmt", "yuvj420p")))),
    Case("combed.ts", _combed, Right(slack=0.1)),
    Case("wide.mp4", filmed(2, picture="testsrc2=size=1920x800:rate=30"), Right(seconds=2.0, size=(1920, 800))),
    Case("low.mp4", filmed(2, picture="testsrc2=size=640x272:rate=30"), Right(seconds=2.0, size=(640, 272))),
    Case("unknown_audio.mov", _unknown_only, Right(seconds=5.0, audio=False, warnings=AUDIO_LOST)),
]
