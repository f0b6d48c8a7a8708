"""WebVTT as ffmpeg writes it, read back and written anew: the times and words of the source, and nothing else of it."""

import re
import unicodedata
from dataclasses import dataclass

_CLOCK = r"(?:(\d{2,}):)?(\d\d):(\d\d)\.(\d{3})"
_TIMES = re.compile(rf"{_CLOCK} --> {_CLOCK}(.*)")
_SETTING = re.compile(r"(?:vertical|line|position|size|align):[A-Za-z0-9.,%-]+")
_TAG = re.compile(r"&lt;(/?[biu])&gt;")
# Local time 0 is 0 on the clock of the segments, which begin there.
_HEAD = "WEBVTT\nX-TIMESTAMP-MAP=MPEGTS:0,LOCAL:00:00:00.000\n"


@dataclass(kw_only=True)
class Cue:
    """Times are in milliseconds."""

    start: int
    end: int
    settings: str
    text: str


def read_cues(text: str, *, before: float, length: float) -> list[Cue]:
    """What is to be seen from `before` seconds on, counted from there, for `length` seconds.

    The words come from the source as they are. A line of times among them stands for a moment long before, and goes.
    """
    found: list[Cue] = []
    shift, end = round(before * 1000), round(length * 1000)
    for block in re.split(r"\n{2,}", text.replace("\r\n", "\n").replace("\r", "\n")):
        lines = block.strip("\n").split("\n")
        matches = ((number, _TIMES.fullmatch(line)) for number, line in enumerate(lines[:2]))
        at, times = next(((number, times) for number, times in matches if times), (0, None))
        if times:
            found.append(_cue(times, "\n".join(lines[at + 1 :]), shift))
        elif found:
            found[-1].text += f"\n{block}"
    shown = [cue for cue in found if max(0, cue.start) < min(cue.end, end) and cue.text.strip()]
    for cue in shown:
        cue.start, cue.end = max(0, cue.start), min(cue.end, end)
    return sorted(shown, key=lambda cue: cue.start)


def write_cues(found: list[Cue]) -> str:
    blocks = [f"{_clock(cue.start)} --> {_clock(cue.end)}{cue.settings}\n{_escape(cue.text)}\n" for cue in found]
    return "\n".join([_HEAD, *blocks])


def _cue(times: re.Match[str], text: str, shift: int) -> Cue:
    *clocks, rest = times.groups()
    settings = "".join(f" {word}" for word in rest.split() if _SETTING.fullmatch(word))
    start, end = _milliseconds(clocks[:4]), _milliseconds(clocks[4:])
    return Cue(start=start - shift, end=end - shift, settings=settings, text=text)


def _milliseconds(clock: list[str | None]) -> int:
    hours, minutes, seconds, rest = (int(part or 0) for part in clock)
    return ((hours * 60 + minutes) * 60 + seconds) * 1000 + rest


def _clock(milliseconds: int) -> str:
    minutes, rest = divmod(milliseconds, 60_000)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{rest // 1000:02d}.{rest % 1000:03d}"


def _escape(text: str) -> str:
    """Text as players show it; of markup, bold, italics and underlining are kept."""
    lines = ["".join(mark for mark in line if unicodedata.category(mark) != "Cc") for line in text.split("\n")]
    plain = "\n".join(line for line in lines if line.strip())
    plain = plain.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _TAG.sub(r"<\1>", plain)
