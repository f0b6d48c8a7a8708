"""A probe that a hostile file has taken over prints what it likes: the worker believes none of its lies."""

import asyncio
import shutil
from fractions import Fraction
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from vodstack_contracts.videos import Failure, FailureCode, SourceFacts, VideoWarning, WarningCode
from vodstack_worker import probe as probing
from vodstack_worker.audio_tracks import AudioChoice
from vodstack_worker.caption_tracks import CaptionFile, CaptionTrack
from vodstack_worker.errors import GiveUpError, RetryError, ToolError
from vodstack_worker.grid import Grid
from vodstack_worker.jumps import Corrections
from vodstack_worker.ladder import plan_ladder
from vodstack_worker.media_process import Ending, Limits
from vodstack_worker.playlists import AudioRendition, measured, multivariant
from vodstack_worker.probe_check import read_answer
from vodstack_worker.probed import AudioTrack, Probe, Refusal

LINE = 'x"\n#EXT-X-STREAM-INF:BANDWIDTH=1\nhttps://evil.example/track.m3u8\n#'
LONGEST = 3600
FACTS = SourceFacts(
    container="mov", duration_seconds=2, width=640, height=360, frame_rate=30, video_codec="h264", audio_codec="aac"
)
GRID = Grid(rate_numerator=30, rate_denominator=1, origin=0, frames=60, content=60, last=59, hold=1 / 30)
AUDIO = AudioTrack(index=1, seconds=2, choice=AudioChoice(language="en", label="English"))
CAPTION = CaptionTrack(index=2, language="de", label="Deutsch", forced=False)
HONEST = Probe(
    facts=FACTS,
    demuxer="mov",
    video_index=0,
    audios=[AUDIO],
    grid=GRID,
    corrections=Corrections(),
    field_size=None,
    upright=True,
    start=0,
    keys=[(0, 0)],
    key_gap=1,
    obstacle="",
    captions=[CAPTION],
)
WARNING = VideoWarning(code=WarningCode.AUDIO_DAMAGED, message="Some of it is missing.")
MANY = Corrections([(number, 1.0) for number in range(501)])


def facts(**lies: object) -> Probe:
    return replace(HONEST, facts=replace(FACTS, **lies))


def grid(**lies: object) -> Probe:
    return replace(HONEST, grid=replace(GRID, **lies))


def audio(**lies: object) -> Probe:
    return replace(HONEST, audios=[replace(AUDIO, choice=replace(AUDIO.choice, **lies))])


def caption(**lies: object) -> Probe:
    return replace(HONEST, captions=[replace(CAPTION, **lies)])


LIES = {
    "a negative duration": facts(duration_seconds=-1),
    "a grid of another length": facts(duration_seconds=3000),
    "another container": facts(container="avi"),
    "another demuxer": replace(HONEST, demuxer="avi"),
    "an unknown codec": facts(video_codec="h264\nx"),
    "an unknown audio codec": facts(audio_codec=LINE),
    "no width": facts(width=0),
    "a huge picture": facts(width=10**6),
    "many pixels": facts(width=130_000, height=130_000),
    "a negative frame rate": facts(frame_rate=-1),
    "many frames": grid(frames=10**7, content=10**7),
    "no frames": grid(frames=0, content=0, last=0),
    "a last frame beyond": grid(last=60),
    "a high rate": grid(rate_numerator=10**6),
    "no rate": grid(rate_denominator=0),
    "a large rate": grid(rate_numerator=30 * 10**12, rate_denominator=10**12),
    "a far origin": grid(origin=1e300),
    "a long hold": grid(hold=1e9),
    "many audios": replace(HONEST, audios=[AUDIO] * 5),
    "a track twice": replace(HONEST, captions=[replace(CAPTION, index=1)]),
    "a negative index": caption(index=-1),
    "many captions": replace(HONEST, captions=[replace(CAPTION, index=n, label=f"{n}") for n in range(2, 19)]),
    "many more captions": replace(HONEST, captions_left_out=10**9),
    "an audio label with a line": audio(label=LINE),
    "an audio label with a quote": audio(label='"'),
    "an endless audio label": audio(label="x" * 1000),
    "no audio label": audio(label=""),
    "an audio language": audio(language='en"'),
    "a caption label with a line": caption(label=LINE),
    "a caption label with another line": caption(label="x\u2028y"),
    "a caption language": caption(language="en\n"),
    "many keys": replace(HONEST, keys=[(0, 0)] * 5000),
    "a far key": replace(HONEST, keys=[(1e300, 0)]),
    "a negative gap": replace(HONEST, key_gap=-1),
    "many corrections": replace(HONEST, corrections=MANY),
    "many audio corrections": replace(HONEST, audios=[replace(AUDIO, corrections=MANY)]),
    "a negative packet": replace(HONEST, corrections=Corrections([(-1, 1.0)])),
    "many shapes": replace(HONEST, shapes=[(0, 1)] * 100),
    "a shape of nothing": replace(HONEST, shapes=[(0, 0)]),
    "many warnings": replace(HONEST, warnings=[WARNING] * 100),
    "an endless warning": replace(HONEST, warnings=[replace(WARNING, message="x" * 900_000)]),
    "a warning with a line": replace(HONEST, warnings=[replace(WARNING, message="x\ny")]),
    "an obstacle with a line": replace(HONEST, obstacle="x\ny"),
    "bytes of a picture": replace(HONEST, picture_bytes=10**15),
    "bytes to search": replace(HONEST, probe_bytes=10**15),
    "bytes to read": replace(HONEST, readable_bytes=1),
    "a field": replace(HONEST, field_size=(10**6, 1)),
    "a colour": replace(HONEST, colours=replace(HONEST.colours, matrix=10**6)),
    "an endless refusal": Refusal(failure=Failure(code=FailureCode.CORRUPT, message="x" * 900_000)),
    "a refusal with a line": Refusal(failure=Failure(code=FailureCode.CORRUPT, message="x\r\ny")),
}


def read(answer: bytes) -> Probe:
    return read_answer(answer, "mov", max_duration=LONGEST, max_frames=1000)


def test_an_honest_answer_is_taken_as_it_is():
    assert read(msgspec.json.encode(HONEST)) == HONEST


@pytest.mark.parametrize("lie", LIES)
def test_a_lie_fails_an_attempt_that_is_counted(lie: str):
    with pytest.raises(ToolError) as caught:
        read(msgspec.json.encode(LIES[lie]))
    assert (caught.value.counted, len(str(caught.value)) < 500) == (True, True)


@pytest.mark.parametrize("answer", [b"", b"{}", b"\xff", b"[" * 5000, b'{"type":"probe","facts":1e999}'])
def test_so_does_what_is_no_answer(answer: bytes):
    with pytest.raises(ToolError):
        read(answer)


@pytest.mark.parametrize("word", [b"1e999", b"NaN", b"null", b"-1e999"])
def test_a_duration_that_is_no_number_is_none(word: bytes):
    answer = msgspec.json.encode(HONEST).replace(b'"duration_seconds":2', b'"duration_seconds":' + word)
    with pytest.raises(ToolError):
        read(answer)


def test_a_duration_beyond_the_longest_is_too_long_whoever_says_so():
    with pytest.raises(GiveUpError) as caught:
        read(msgspec.json.encode(facts(duration_seconds=1e9)))
    assert caught.value.failure.code is FailureCode.TOO_LONG


def test_the_worker_asks_no_lying_probe_further(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, limits: Limits, tiny_clip: Path
):
    async def lie(*_: Any, **__: Any) -> Ending:
        return Ending(code=0, stdout=msgspec.json.encode(LIES["an audio label with a line"]), stderr="")

    monkeypatch.setattr(probing, "run_module", lie)
    shutil.copyfile(tiny_clip, tmp_path / "source")
    with pytest.raises(RetryError) as caught:
        asyncio.run(probing.probe(tmp_path, limits, max_duration=LONGEST))
    assert caught.value.counted


def test_a_playlist_holds_no_line_of_a_label():
    playlist = measured("init.mp4", ["00000.m4s"], [2.0], [10, 10])
    spoken = AudioRendition(name="audio", choice=AudioChoice(language=LINE, label=LINE), playlist=playlist)
    text = CaptionFile(track=replace(CAPTION, label=LINE, language=LINE), name="0", size_bytes=1)
    (rung, *_) = plan_ladder(640, 360, 30)
    lines = multivariant([(rung, playlist, "avc1.640028")], [spoken], Fraction(30), [text]).splitlines()
    assert len(lines) == len(["m3u", "version", "independent", "audio", "caption", "rung", "its address"])
    assert [line.count('"') % 2 for line in lines] == [0] * len(lines)
    assert not [line for line in lines if line.startswith("https:")]
