"""What the worker believes of a probe's answer: a hostile file may have taken over the process that wrote it.

Numbers that an honest probe cannot find, and texts that it never lets through, make the answer a lie.
"""

import math
import unicodedata
from collections.abc import Iterable
from fractions import Fraction

import msgspec

from vodstack_contracts.videos import FailureCode
from vodstack_worker.audio_tracks import MOST_AUDIO
from vodstack_worker.caption_tracks import LONGEST_LABEL, MOST_TRACKS, clean_language, fit_for_quotes
from vodstack_worker.codecs import AUDIO_CODECS, VIDEO_CODECS
from vodstack_worker.errors import GiveUpError, ToolError
from vodstack_worker.frame_rate import FRAMES_PER_PACKET, FREE_FRAMES, LOWEST_RATE, MAX_RATE
from vodstack_worker.grid import Grid
from vodstack_worker.jumps import MOST_JUMPS, Corrections
from vodstack_worker.probed import LATE_TRACK_BYTES, MAX_PIXELS, MAX_SIDE, MAX_STREAMS, Probe, Refusal

_MOST_KEYS = 4096
_MOST_SHAPES = 64
_MOST_WARNINGS = 16
_LONGEST_MESSAGE = 1000
_LONGEST_OBSTACLE = 200
# Pixels that are wider or higher than square ones make a picture larger as it is displayed.
_WIDEST_PIXEL = 16
_MOST_BYTES_PER_PIXEL = 32
_LARGEST_TERM = 10**9
# Of a clock, in whatever unit: timestamps are whole numbers of 64 bits.
_FARTHEST = 2.0**64
_MOST_PACKETS = 2**40
_HIGHEST_COLOUR = 255
# Frames are whole, and the last one stays as long as the ones before where its own length is not known.
_MARGIN_SECONDS = 2.0
_MARGIN = 2

_decoder = msgspec.json.Decoder(Probe | Refusal)


def read_answer(answer: bytes, demuxer: str, *, max_duration: int, max_frames: int) -> Probe:
    """Return the probe's answer. Raises GiveUpError for a refusal and what lasts too long, ToolError for a lie."""
    try:
        found = _decoder.decode(answer)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ToolError(f"the probe's answer cannot be read: {str(error)[:200]!r}") from error
    if isinstance(found, Refusal):
        _require_texts("message", [found.failure.message], _LONGEST_MESSAGE)
        raise GiveUpError(found.failure.code, found.failure.message)
    _require_facts(found, demuxer)
    require_duration(found.facts.duration_seconds, max_duration)
    _require_grid(found.grid, found.facts.duration_seconds, max_frames)
    _require_tracks(found)
    _require_moments(found)
    _require_texts("warning", [warning.message for warning in found.warnings], _LONGEST_MESSAGE)
    _require_texts("obstacle", [found.obstacle], _LONGEST_OBSTACLE)
    return found


def require_duration(duration: float, max_duration: int) -> None:
    """Raise GiveUpError for a video that is too long."""
    if duration > max_duration:
        raise GiveUpError(
            FailureCode.TOO_LONG,
            f"The video lasts {duration:.0f} seconds, more than the {max_duration} that are accepted. "
            "Cut it into parts.",
        )


def _require(truth: bool, what: str) -> None:  # noqa: FBT001 - read as a sentence
    if not truth:
        raise ToolError(f"the probe's answer is not to be believed: {what}")


def _require_facts(probe: Probe, demuxer: str) -> None:
    facts = probe.facts
    _require(probe.demuxer == demuxer and facts.container == demuxer, "the container")
    _require(facts.video_codec in VIDEO_CODECS, "the video's codec")
    _require(facts.audio_codec in AUDIO_CODECS if probe.audios else facts.audio_codec is None, "the audio's codec")
    _require(_is_within(facts.duration_seconds, 0, _FARTHEST), "the duration")
    _require(_is_within(facts.frame_rate, 0, _FARTHEST), "the frame rate")
    sides = (facts.width, facts.height)
    _require(all(1 <= side <= MAX_SIDE * _WIDEST_PIXEL for side in sides), "the picture's size")
    _require(facts.width * facts.height <= MAX_PIXELS * _WIDEST_PIXEL, "the picture's pixels")
    _require(all(1 <= side <= MAX_SIDE for side in probe.field_size or ()), "the fields' size")
    _require(0 <= probe.picture_bytes <= MAX_PIXELS * _MOST_BYTES_PER_PIXEL, "the picture's bytes")
    _require(probe.probe_bytes in {0, LATE_TRACK_BYTES} and probe.readable_bytes == 0, "bytes to read")
    colours: list[int | bool | None] = list(msgspec.structs.astuple(probe.colours))
    _require(all(0 <= (colour or 0) <= _HIGHEST_COLOUR for colour in colours), "colours")


def _require_grid(grid: Grid, duration: float, max_frames: int) -> None:
    terms = (grid.rate_numerator, grid.rate_denominator)
    _require(all(1 <= term <= _LARGEST_TERM for term in terms), "the grid's rate")
    _require(LOWEST_RATE <= grid.rate <= MAX_RATE * Fraction(1001, 1000), "the grid's rate")
    _require(0 <= grid.last < grid.content <= grid.frames, "the grid's frames")
    seconds = grid.seconds
    _require(seconds <= _MARGIN * duration + _MARGIN_SECONDS, "a grid longer than the video")
    _require(duration <= seconds + _MARGIN_SECONDS, "a grid shorter than the video")
    most = max(FREE_FRAMES, FRAMES_PER_PACKET * max_frames) + _MARGIN_SECONDS * grid.rate
    _require(grid.frames <= _MARGIN * most or grid.rate < 2 * LOWEST_RATE, "the grid's many frames")
    _require(_is_within(grid.origin, -_FARTHEST, _FARTHEST), "the grid's origin")
    _require(_is_within(grid.hold, -1, float(seconds) + _MARGIN_SECONDS), "how long the last frame stays")


def _require_tracks(probe: Probe) -> None:
    _require(len(probe.audios) <= MOST_AUDIO and len(probe.captions) <= MOST_TRACKS, "the number of tracks")
    _require(0 <= probe.captions_left_out <= MAX_STREAMS, "the number of captions")
    tracks = [*probe.audios, *probe.captions]
    indexes = [probe.video_index, *(track.index for track in tracks)]
    _require(all(0 <= index < MAX_STREAMS for index in indexes), "a track's index")
    _require(len(set(indexes)) == len(indexes), "a track that is used twice")
    _require(all(_is_within(track.seconds, 0, _FARTHEST) for track in probe.audios), "a track's length")
    for offered in ([track.choice for track in probe.audios], probe.captions):
        labels = [each.label for each in offered]
        _require_texts("label", labels, LONGEST_LABEL)
        _require(all(label and fit_for_quotes(label) == label for label in labels), "a label")
        _require(len(set(labels)) == len(labels), "a label that is given twice")
        _require(all(clean_language(each.language) == each.language for each in offered), "a language")


def _require_moments(probe: Probe) -> None:
    _require(len(probe.keys) <= _MOST_KEYS and len(probe.shapes) <= _MOST_SHAPES, "the number of moments")
    _require(len(probe.warnings) <= _MOST_WARNINGS, "the number of warnings")
    moments = [probe.start, *(moment for key in probe.keys for moment in key), *(shape[0] for shape in probe.shapes)]
    _require(all(_is_within(moment, -_FARTHEST, _FARTHEST) for moment in moments), "a moment")
    _require(_is_within(probe.key_gap, 0, _FARTHEST), "the way between key frames")
    pixels = [pixel for _, pixel in probe.shapes]
    _require(all(_is_within(pixel, 1 / _WIDEST_PIXEL, _WIDEST_PIXEL) for pixel in pixels), "a pixel's shape")
    for corrections in (probe.corrections, *(track.corrections for track in probe.audios)):
        _require_corrections(corrections)


def _require_corrections(corrections: Corrections) -> None:
    _require(len(corrections.pieces) <= MOST_JUMPS, "the number of corrections")
    for packet, seconds in corrections.pieces:
        _require(0 <= packet <= _MOST_PACKETS and _is_within(seconds, -_FARTHEST, _FARTHEST), "a correction")


def _require_texts(what: str, texts: Iterable[str], longest: int) -> None:
    for text in texts:
        _require(len(text) <= longest, f"a {what} without end")
        _require(not any(unicodedata.category(each) in {"Cc", "Cs", "Zl", "Zp"} for each in text), f"a {what}")


def _is_within(number: float, least: float, most: float) -> bool:
    return math.isfinite(number) and least <= number <= most
