"""Text that a source brings along is shown at the source's moments, whatever its container and its clock."""

import asyncio
import math
import re
import shutil
import struct
import subprocess
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.worker.conftest import Transcode

from vodstack_contracts.objects import CAPTIONS
from vodstack_worker.caption_tracks import CaptionFile, clean_label, clean_language
from vodstack_worker.captions import make_captions
from vodstack_worker.cues import read_cues, write_cues
from vodstack_worker.media_process import Limits
from vodstack_worker.plans import plan_encode
from vodstack_worker.probe import probe
from vodstack_worker.probed import Probe
from vodstack_worker.scratch import Scratch

MPD = {"": "urn:mpeg:dash:schema:mpd:2011"}
HEAD = "WEBVTT\nX-TIMESTAMP-MAP=MPEGTS:0,LOCAL:00:00:00.000\n"
CUE = re.compile(r"(\S+) --> (\S+)\n((?:.+\n)+)")
LINES = [(0.5, 1.25, "<i>one</i> & <1"), (1.5, 2.101, "two\nlines --> here"), (2.4, 2.9, "three")]
SHOWN = ["<i>one</i> &amp; &lt;1\n", "two\nlines --&gt; here\n", "three\n"]
TIMES = [line[:2] for line in LINES]


def clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds * 1000), 60_000)
    return f"00:{minutes:02d}:{rest // 1000:02d},{rest % 1000:03d}"


def subrip(path: Path, lines: Sequence[tuple[float, float, str]] = LINES) -> Path:
    entries = enumerate(lines, start=1)
    path.write_text("".join(f"{n}\n{clock(a)} --> {clock(b)}\n{text}\n\n" for n, (a, b, text) in entries))
    return path


def make(ffmpeg: str, path: Path, texts: Sequence[Path], *more: str) -> Path:
    """Three seconds of picture with these texts."""
    picture = ["-f", "lavfi", "-i", "color=size=64x64:rate=25:duration=3"]
    inputs = [word for text in texts for word in ("-i", text)]
    maps = [word for number in range(len(texts) + 1) for word in ("-map", str(number))]
    encoding = ["-c:v", "libx264", "-preset", "ultrafast", "-g", "25", *more]
    subprocess.run([ffmpeg, "-v", "error", "-y", *picture, *inputs, *maps, *encoding, path], check=True)
    return path


def seconds(text: str) -> float:
    hours, minutes, rest = text.split(":")
    return 3600 * int(hours) + 60 * int(minutes) + float(rest)


def cues(folder: Path, number: int) -> list[tuple[float, float, str]]:
    text = (folder / CAPTIONS / f"{number}.vtt").read_text()
    assert text.startswith(HEAD)
    return [(seconds(start), seconds(end), words) for start, end, words in CUE.findall(text)]


def times(folder: Path, number: int) -> list[tuple[float, float]]:
    return [cue[:2] for cue in cues(folder, number)]


def within_a_millisecond(expected: Sequence[tuple[float, float]]) -> object:
    return [pytest.approx(each, abs=0.00101) for each in expected]


@dataclass(frozen=True)
class Read:
    """What becomes of a source's texts, pictures and sound left out."""

    probe: Probe
    folder: Path
    captions: list[CaptionFile]


Reads = Callable[[Path], Read]


@pytest.fixture
def read(scratch: Scratch, limits: Limits) -> Iterator[Reads]:
    with scratch.job() as folder:

        async def run(source: Path) -> Read:
            shutil.copyfile(source, folder / "source")
            found = await probe(folder, limits, max_duration=60)
            captions = await make_captions(folder, plan_encode(found, threads=1), limits, "source")
            return Read(found, folder / "own", captions)

        yield lambda source: asyncio.run(run(source))


def test_every_language_of_an_mp4_is_offered_to_hls_and_dash(transcode: Transcode, ffmpeg: str, tmp_path: Path):
    text = subrip(tmp_path / "text.srt")
    first = ("-metadata:s:s:0", "language=eng")
    second = ("-metadata:s:s:1", "language=ger", "-metadata:s:s:1", 'title=Für "<Alle>"', "-disposition:s:1", "forced")
    made = transcode(make(ffmpeg, tmp_path / "two.mp4", [text, text], "-c:s", "mov_text", *first, *second))
    assert times(made.folder, 0) == times(made.folder, 1) == within_a_millisecond(TIMES)
    assert [words for _, _, words in cues(made.folder, 1)] == SHOWN

    offered = [(each.language, each.label) for each in made.published.playback.captions]
    assert offered == [("en", "en"), ("de", "Für '<Alle>'")]
    assert [each.key.partition("/hls/")[2] for each in made.published.playback.captions] == [
        "captions/0.vtt",
        "captions/1.vtt",
    ]
    master = (made.hls / "master.m3u8").read_text()
    assert '"en",LANGUAGE="en",DEFAULT=NO,AUTOSELECT=YES,FORCED=NO,URI="captions/0.m3u8"\n' in master
    assert 'NAME="Für \'<Alle>\'",LANGUAGE="de",DEFAULT=NO,AUTOSELECT=YES,FORCED=YES,URI="captions/1.m3u8"\n' in master
    assert master.count(',SUBTITLES="captions"\n') == master.count("#EXT-X-STREAM-INF")
    playlist = (made.hls / "captions/1.m3u8").read_text()
    assert playlist.endswith("#EXTINF:3.000000,\n1.vtt\n#EXT-X-ENDLIST\n")
    root = ET.fromstring((made.hls / "manifest.mpd").read_text())  # noqa: S314 - our own
    # ffmpeg's own reader of DASH opens no file with such a name unless it is told to.
    allowed = ("-allowed_extensions", "m4s,mp4,vtt")
    for opened, more in (("master.m3u8", ()), ("manifest.mpd", allowed)):
        frames = ["-i", made.hls / opened, "-map", "0:v:0", "-c", "copy", "-f", "framecrc", "-"]
        listed = subprocess.run([ffmpeg, "-v", "error", *more, *frames], capture_output=True, check=True)
        assert len([line for line in listed.stdout.splitlines() if not line.startswith(b"#")]) == 75
    sets = root.findall("Period/AdaptationSet[@contentType='text']", MPD)
    assert [(each.get("lang"), each.findtext("Label", "", MPD)) for each in sets] == offered
    assert sets[1].findtext("Representation/BaseURL", "", MPD) == "captions/1.vtt"


@pytest.mark.parametrize("codec", ["srt", "ass", "webvtt"])
def test_texts_of_a_late_clock_begin_with_the_picture(codec: str, read: Reads, ffmpeg: str, tmp_path: Path):
    text = subrip(tmp_path / "text.srt")
    made = read(make(ffmpeg, tmp_path / "late.mkv", [text], "-c:s", codec, "-output_ts_offset", "5001.02"))
    assert made.probe.grid.origin == pytest.approx(5001.02)
    assert times(made.folder, 0) == within_a_millisecond(TIMES)
    assert [words for _, _, words in cues(made.folder, 0)][2] == "three\n"


def test_an_edit_list_moves_texts_with_the_picture(read: Reads, ffmpeg: str, tmp_path: Path):
    whole = make(ffmpeg, tmp_path / "whole.mp4", [subrip(tmp_path / "text.srt")], "-c:s", "mov_text")
    cut = tmp_path / "cut.mov"
    subprocess.run([ffmpeg, "-v", "error", "-ss", "1.3", "-i", whole, "-map", "0", "-c", "copy", cut], check=True)
    first, second = times(read(cut).folder, 0)
    assert [first] == within_a_millisecond([(0.2, 0.801)])
    assert second[0] == pytest.approx(1.1, abs=0.00101)


def test_without_texts_nothing_is_written_of_them(transcode: Transcode, tiny_clip: Path):
    made = transcode(tiny_clip)
    assert not (made.folder / CAPTIONS).exists()
    assert made.published.playback.captions == []
    assert "SUBTITLES" not in (made.hls / "master.m3u8").read_text()
    assert "text" not in (made.hls / "manifest.mpd").read_text()


def test_a_name_in_another_encoding_stops_nothing(read: Reads, ffmpeg: str, tmp_path: Path):
    named = ("-metadata:s:s:0", "title=Francais", "-metadata:s:s:0", "language=fre")
    path = make(ffmpeg, tmp_path / "named.mkv", [subrip(tmp_path / "text.srt")], "-c:s", "srt", *named)
    path.write_bytes(path.read_bytes().replace(b"Francais", b"Fran\xe7ais"))
    (caption,) = read(path).captions
    assert (caption.track.language, caption.track.label) == ("fr", "Fran\ufffdais")


def picture_text(path: Path) -> Path:
    """A track of pictures as Blu-ray discs have it: one that shows nothing."""
    composition = struct.pack(">HHBHBBBB", 64, 64, 16, 0, 128, 0, 0, 0)
    pieces = [(0x16, composition), (0x80, b"")]
    path.write_bytes(b"".join(b"PG" + struct.pack(">IIBH", 90_000, 0, kind, len(data)) + data for kind, data in pieces))
    return path


def test_pictures_too_many_and_too_large_texts_are_left_out(read: Reads, ffmpeg: str, tmp_path: Path):
    long = subrip(tmp_path / "long.srt", [(each / 1000, 3.0, "x" * 1000) for each in range(2200)])
    empty = subrip(tmp_path / "late.srt", [(4.0, 5.0, "after the end")])
    texts = [picture_text(tmp_path / "pictures.sup"), long, empty, *[subrip(tmp_path / "text.srt")] * 16]
    made = read(make(ffmpeg, tmp_path / "many.mkv", texts, "-c:s", "copy"))
    assert len(made.probe.captions) == 16
    assert made.probe.captions_left_out == 3
    assert [each.track.label for each in made.captions] == [f"Captions {number}" for number in range(3, 17)]
    names = [f"{number}.{kind}" for number in range(2, 16) for kind in ("vtt", "m3u8")]
    assert sorted(path.name for path in (made.folder / CAPTIONS).iterdir()) == sorted(names)


@pytest.mark.parametrize(
    ("text", "tag"),
    [("eng", "en"), ("fre", "fr"), ("pt-BR", "pt-BR"), ("zh-Hant-TW", "zh-Hant-TW"), ("haw", "haw"), ("GER", "de")],
)
def test_a_language_has_its_shortest_tag(text: str, tag: str):
    assert clean_language(text) == tag


@pytest.mark.parametrize("text", ["", "e", "english", 'en"', "en\n", "en-", "é", "en-" + "a" * 9, "e1", "en US"])
def test_what_is_no_language_is_unknown(text: str):
    assert clean_language(text) == "und"


@given(st.text(), st.lists(st.sampled_from(["Captions", "Captions 2", "a"])))
def test_a_label_fits_into_a_playlist_and_is_its_own(text: str, taken: list[str]):
    label = clean_label(text, "und", taken)
    assert 0 < len(label) < 90
    assert label not in taken
    assert not re.search(r'["\x00-\x1f\x7f-\x9f\u2028\u2029]', label)
    ET.fromstring(f"<a>{label.replace('&', '').replace('<', '')}</a>")  # noqa: S314 - our own


def test_text_that_looks_like_a_cue_or_a_page_stays_text():
    raw = "WEBVTT\n\n24:00:01.000 --> 24:00:02.000 line:0 evil:1\na\x00 <script>\n\n00:05.000 --> 00:06.000\nforged\n"
    assert write_cues(read_cues(raw, before=86_400, length=9)) == (
        f"{HEAD}\n00:00:01.000 --> 00:00:02.000 line:0\na &lt;script&gt;\n"
    )


@given(st.text(), st.floats(0, 1e6, allow_nan=False))
def test_whatever_the_words_are_no_block_of_webvtt_is_added(words: str, length: float):
    raw = f"WEBVTT\n\n00:01.000 --> 00:02.000\n{words}\n"
    blocks = write_cues(read_cues(raw, before=0, length=length)).removeprefix(HEAD).strip("\n").split("\n\n")
    assert math.isfinite(length)
    for block in blocks:
        assert not block or re.match(r"\d\d:\d\d:\d\d\.\d{3} --> ", block)
        assert block.count("-->") == bool(block)
