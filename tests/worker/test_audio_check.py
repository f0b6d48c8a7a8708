"""An audio track that cannot be decoded is found by the probe, before a silent video is made of it."""

import random
import re
import subprocess
from pathlib import Path

import av
import pytest

from vodstack_contracts.videos import WarningCode
from vodstack_worker.audio_check import AudioTrial, try_audio

CODECS = [
    ("mp4", "aac"),
    ("mp4", "libmp3lame"),
    ("mp4", "alac"),
    ("mkv", "flac"),
    ("mkv", "ac3"),
    ("mkv", "mp2"),
    ("avi", "adpcm_ms"),
    ("flv", "aac"),
]
# Of which most say nothing of where a frame of audio begins.
WHOLE = [
    ("mpg", "mp2"),
    ("mpg", "ac3"),
    ("ts", "aac"),
    ("ts", "ac3"),
    ("ts", "mp2"),
    ("avi", "mp2"),
    ("asf", "wmav2"),
    ("ogv", "flac"),
]


def make(ffmpeg: str, path: Path, codec: str, seconds: int = 3) -> Path:
    picture = ["-f", "lavfi", "-i", f"color=size=64x48:rate=25:duration={seconds}"]
    tone = ["-f", "lavfi", "-i", f"sine=duration={seconds}:sample_rate=48000"]
    video = {".mpg": ["mpeg2video"], ".ogv": ["libtheora"]}.get(path.suffix, ["libx264", "-preset", "ultrafast"])
    encoding = ["-c:v", *video, "-pix_fmt", "yuv420p", "-c:a", codec]
    subprocess.run([ffmpeg, "-v", "error", *picture, *tone, *encoding, path], check=True)
    return path


def garbled(path: Path, first: float = 0.0, end: float = 1e9) -> Path:
    """The same with random bytes in every audio packet that begins between `first` and `end`."""
    changed = path.with_name(f"garbled_{path.name}")
    noise = random.Random(1)  # noqa: S311 - it has to be the same each time
    with av.open(path) as source, av.open(changed, "w") as target:
        streams = [target.add_stream_from_template(stream, opaque=True) for stream in source.streams]
        for packet in source.demux():
            if packet.dts is None:
                continue
            stream = source.streams[packet.stream_index]
            made = packet
            if stream.type == "audio" and first <= packet.dts * packet.time_base < end:
                made = av.Packet(noise.randbytes(packet.size))
                made.pts, made.dts, made.duration = packet.pts, packet.dts, packet.duration
                made.time_base, made.is_keyframe = packet.time_base, packet.is_keyframe
            made.stream = streams[packet.stream_index]
            target.mux(made)
    return changed


def tried(path: Path, *, remote: bool = False) -> AudioTrial:
    with av.open(path) as container:
        return try_audio(container, container.streams.audio[0], remote=remote)


@pytest.mark.parametrize(("ending", "codec"), CODECS)
def test_garbage_is_told_from_audio_whatever_the_codec(ffmpeg: str, tmp_path: Path, ending: str, codec: str):
    path = make(ffmpeg, tmp_path / f"clip.{ending}", codec)
    found = [tried(each).readable for each in (path, garbled(path))]
    assert found == [True, False]
    assert tried(path).warnings(codec) == []


@pytest.mark.parametrize(("ending", "codec"), WHOLE)
def test_nothing_is_said_of_audio_that_is_whole(ffmpeg: str, tmp_path: Path, ending: str, codec: str):
    trial = tried(make(ffmpeg, tmp_path / f"clip.{ending}", codec, seconds=12))
    assert (trial.readable, trial.warnings(codec)) == (True, [])


def test_audio_that_plays_from_its_beginning_is_never_left_out(ffmpeg: str, tmp_path: Path):
    trial = tried(garbled(make(ffmpeg, tmp_path / "clip.mp4", "aac", seconds=40), first=4))
    (warning,) = trial.warnings("aac")
    assert (trial.readable, warning.code) == (True, WarningCode.AUDIO_DAMAGED)


def test_audio_that_is_damaged_in_part_stays_with_a_warning(ffmpeg: str, tmp_path: Path):
    path = make(ffmpeg, tmp_path / "clip.mp4", "aac", seconds=8)
    trial = tried(garbled(path, first=4))
    assert trial.readable
    (warning,) = trial.warnings("aac")
    assert warning.code is WarningCode.AUDIO_DAMAGED
    assert re.match(r"About (4[5-9]|5[0-5])% of the audio track \(aac\)", warning.message)


@pytest.mark.parametrize("remote", [False, True])
def test_a_damaged_beginning_does_not_silence_the_rest(ffmpeg: str, tmp_path: Path, *, remote: bool):
    path = make(ffmpeg, tmp_path / "clip.mp4", "aac", seconds=8)
    assert tried(garbled(path, end=3), remote=remote).readable


def test_a_video_without_its_unreadable_audio_says_so(ffmpeg: str, tmp_path: Path, probed):
    found = probed(garbled(make(ffmpeg, tmp_path / "clip.mp4", "aac")))
    (warning,) = found.warnings
    assert (found.audios, found.facts.audio_codec, warning.code) == ([], None, WarningCode.AUDIO_UNREADABLE)
    assert "audio track (aac) cannot be decoded" in warning.message
    assert found.facts.duration_seconds == pytest.approx(3)


def test_a_track_of_garbage_does_not_hide_one_that_can_be_decoded(ffmpeg: str, tmp_path: Path, probed):
    damaged, whole = garbled(make(ffmpeg, tmp_path / "clip.mp4", "aac")), tmp_path / "clip.mp4"
    both = tmp_path / "both.mp4"
    maps = ["-map", "0:v", "-map", "0:a", "-map", "1:a", "-c", "copy"]
    subprocess.run([ffmpeg, "-v", "error", "-i", damaged, "-i", whole, *maps, both], check=True)
    found = probed(both)
    assert ([each.index for each in found.audios], found.warnings) == ([2], [])
