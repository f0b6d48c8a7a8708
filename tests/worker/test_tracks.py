"""Of several tracks, the one that was meant is shown and heard."""

import asyncio
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from tests.worker.test_audio_check import garbled
from tests.worker.test_audio_check import make as make_clip

from vodstack_contracts.videos import WarningCode
from vodstack_worker.media_process import Limits
from vodstack_worker.probe import probe
from vodstack_worker.probed import Probe
from vodstack_worker.scratch import Scratch

MOVING = ("-f", "lavfi", "-i", "testsrc2=size=64x64:rate=25:duration=0.4")
STILL = ("-f", "lavfi", "-i", "color=red:size=64x64:rate=25:duration=0.04")
TONE = ("-f", "lavfi", "-i", "sine=frequency=440:duration=0.4")
ENCODING = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-c:a", "aac")
JPEG_FIRST = ("-c:v:0", "mjpeg", "-pix_fmt:v:0", "yuvj420p")
BLIND = "visual_impaired+descriptions"

Probes = Callable[[Path], Probe]
Make = Callable[..., Path]


@pytest.fixture
def found(scratch: Scratch, limits: Limits) -> Iterator[Probes]:
    with scratch.job() as folder:

        def run(source: Path) -> Probe:
            shutil.copyfile(source, folder / "source")
            return asyncio.run(probe(folder, limits, max_duration=60))

        yield run


@pytest.fixture
def make(ffmpeg: str, tmp_path: Path) -> Make:
    def run(name: str, inputs: Sequence[Sequence[str]], *more: str) -> Path:
        path = tmp_path / name
        words = [word for each in inputs for word in each]
        maps = [word for number in range(len(inputs)) for word in ("-map", str(number))]
        subprocess.run([ffmpeg, "-v", "error", "-y", *words, *maps, *ENCODING, *more, path], check=True)
        return path

    return run


def flags(*values: str) -> list[str]:
    return [word for number, value in enumerate(values) for word in (f"-disposition:a:{number}", value)]


@pytest.mark.parametrize(
    ("name", "more", "chosen"),
    [
        ("default_second.mkv", flags("0", "default"), 2),
        ("commentary_flag.mkv", flags("comment", "0"), 2),
        ("both_default.mkv", flags("default+comment", "default"), 2),
        ("commentary_enabled.mp4", flags("comment", "0"), 2),
        ("commentary_title.mkv", ("-metadata:s:a:0", "title=Director's commentary"), 2),
        ("commentary_handler.mp4", ("-metadata:s:a:0", "handler_name=Commentary"), 2),
        ("description_title.mp4", ("-metadata:s:a:0", "title=English (Audio Description)"), 2),
        ("description.ts", (*flags(BLIND, "0"), "-metadata:s:a:0", "language=eng"), 2),
        ("default_is_commentary.mkv", flags("0", "default+comment"), 2),
        ("equal.mkv", flags("0", "0"), 1),
    ],
)
def test_the_sound_that_was_meant_is_heard(name: str, more: Sequence[str], chosen: int, found: Probes, make: Make):
    assert found(make(name, [MOVING, TONE, TONE], *more)).audios[0].index == chosen


def test_sound_that_cannot_be_decoded_hides_none_that_can(found: Probes, make: Make):
    path = make("unknown_first.mov", [MOVING, TONE, TONE], "-c:a:0", "alac", *flags("default", "0"))
    path.write_bytes(path.read_bytes().replace(b"alac", b"apac"))
    read = found(path)
    assert ([track.index for track in read.audios], read.facts.audio_codec, read.warnings) == ([2], "aac", [])


def test_a_video_whose_only_sound_cannot_be_decoded_has_none_and_says_so(found: Probes, make: Make):
    path = make("unknown.mov", [MOVING, TONE], "-c:a", "alac")
    path.write_bytes(path.read_bytes().replace(b"alac", b"apac"))
    read = found(path)
    assert (read.audios, read.facts.audio_codec) == ([], None)
    assert [warning.code for warning in read.warnings] == [WarningCode.AUDIO_UNREADABLE]


def test_a_further_language_that_cannot_be_decoded_is_left_out_with_a_warning(
    found: Probes, ffmpeg: str, tmp_path: Path
):
    whole = make_clip(ffmpeg, tmp_path / "clip.mkv", "aac")
    words = [(f"-metadata:s:a:{number}", f"language={name}") for number, name in enumerate(("eng", "ger", "fre"))]
    languages = [word for pair in words for word in pair]
    inputs = ["-i", whole, "-i", garbled(whole), "-map", "0", "-map", "1:a", "-map", "0:a"]
    path = tmp_path / "languages.mkv"
    subprocess.run([ffmpeg, "-v", "error", *inputs, "-c", "copy", *languages, path], check=True)
    read = found(path)
    assert [(track.index, track.choice.language) for track in read.audios] == [(1, "en"), (3, "fr")]
    assert [warning.code for warning in read.warnings] == [WarningCode.AUDIO_UNREADABLE]


@pytest.mark.parametrize("name", ["cover.mkv", "cover.mp4", "cover.mov"])
def test_a_cover_without_a_flag_hides_no_picture_that_moves(name: str, found: Probes, make: Make):
    read = found(make(name, [STILL, MOVING], *JPEG_FIRST))
    assert (read.video_index, read.facts.video_codec) == (1, "h264")


def test_a_cover_in_the_codec_of_the_film_hides_it_not(found: Probes, make: Make):
    read = found(make("cover.mov", [STILL, MOVING], "-c:v", "mjpeg", "-pix_fmt", "yuvj420p"))
    assert read.video_index == 1


def test_the_pictures_of_chapters_are_no_film(found: Probes, make: Make, tmp_path: Path):
    chapters = tmp_path / "chapters.txt"
    chapters.write_text(";FFMETADATA1\n[CHAPTER]\nTIMEBASE=1/10\nSTART=0\nEND=4\ntitle=one\n")
    large = ("-f", "lavfi", "-i", "testsrc2=size=128x128:rate=25:duration=0.4", "-i", str(chapters))
    path = make("film.m4v", [MOVING, large], "-map_chapters", "2", "-f", "mp4")
    data = path.read_bytes()
    assert found(path).facts.width == 64
    # The second track references the first as its chapters, in place of the track of text.
    path.write_bytes(data.replace(b"chap" + (3).to_bytes(4), b"chap" + (1).to_bytes(4)))
    assert found(path).facts.width == 128


def test_a_second_angle_is_shown_where_it_is_the_default(found: Probes, make: Make):
    assert found(make("angles.mkv", [MOVING, MOVING], "-disposition:v:0", "0")).video_index == 0
    angles = ("-disposition:v:0", "0", "-disposition:v:1", "default")
    assert found(make("angles.mkv", [MOVING, MOVING], *angles)).video_index == 1


def test_pictures_that_cannot_be_decoded_hide_none_that_can(found: Probes, make: Make):
    path = make("damaged.mkv", [MOVING, MOVING], "-c:v:0", "mpeg4", "-c:v:1", "libx264")
    assert found(path).facts.video_codec == "mpeg4"
    path.write_bytes(path.read_bytes().replace(b"\x00\x00\x01\xb6", b"\xff\xff\xff\xff"))
    assert found(path).facts.video_codec == "h264"


def test_picture_and_sound_are_of_one_program(found: Probes, make: Make):
    programs = ("-program", "title=one:st=0:st=3", "-program", "title=two:st=1:st=2")
    sounds = ("-metadata:s:a:1", "language=fre", *flags("0", "hearing_impaired"))
    read = found(make("programs.ts", [MOVING, MOVING, TONE, TONE], *programs, *sounds))
    streams = {0: 1, 2: 3}
    assert [track.index for track in read.audios] == [streams[read.video_index]]
