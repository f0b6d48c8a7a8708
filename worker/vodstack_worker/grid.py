"""The grid of frames that an original's tracks are put on: its rate, where it begins, and how many frames it has."""

import math
from fractions import Fraction

from msgspec import Struct

from vodstack_worker.extent import Extent
from vodstack_worker.frame_rate import choose_rate

# What of audio may be cut off, in its own frames: one at the beginning and one at the end, which encoders fill up.
# Packets of uncompressed audio are long; what is cut of one may not be.
_FRAMES_BEFORE = 1.1
_FRAMES_IN_ALL = 2.1
_LONGEST_AUDIO_SECONDS = 0.05
_WHOLE = 0.9
_EPSILON = Fraction(1, 1000)


class Grid(Struct, frozen=True, kw_only=True):
    """Frame N of the output is shown at `origin + N / rate` of the source's own clock.

    There are `frames` of them. The source's own frames take the first `content` of them, the last one of those lies at
    `last`: it stays for `hold` seconds, for its own length and while audio goes on.
    """

    rate_numerator: int
    rate_denominator: int
    origin: float
    frames: int
    content: int
    last: int
    hold: float

    @property
    def rate(self) -> Fraction:
        return Fraction(self.rate_numerator, self.rate_denominator)

    @property
    def seconds(self) -> Fraction:
        return self.frames / self.rate


def make_grid(video: Extent, audio: Extent | None, declared: Fraction | None) -> Grid:
    """The grid that holds all of the video, and all audio but for what an encoder may have added at either end."""
    start = video.start if audio is None else min(video.start, audio.start)
    rate = choose_rate(declared, video, max(video.end, audio.end if audio else 0.0) - start)
    own = min(_LONGEST_AUDIO_SECONDS, (audio and audio.interval) or _LONGEST_AUDIO_SECONDS)
    before = _frames(video.start - start, rate, _FRAMES_BEFORE * own)
    origin = video.start - before / float(rate)
    end = max(video.end, video.last + (video.interval or 1 / float(rate))) if video.end <= video.last else video.end
    last = math.floor((video.last - origin) * rate + Fraction(1, 2))
    # A source of more frames than the grid loses some, the last one among them perhaps.
    thinned = video.interval is not None and video.interval * rate < _WHOLE
    content = max(1 if thinned else last + 1, round((end - origin) * rate))
    frames = content
    beyond = audio.end - origin - float(content / rate) if audio else 0.0
    if beyond > 0:
        frames += _frames(beyond, rate, _FRAMES_IN_ALL * own - max(0.0, origin - start))
    return Grid(
        rate_numerator=rate.numerator,
        rate_denominator=rate.denominator,
        origin=origin,
        frames=frames,
        content=content,
        last=min(last, content - 1),
        hold=float(frames / rate) - (video.last - origin),
    )


def _frames(seconds: float, rate: Fraction, slack: float) -> int:
    """How many frames are needed for so long, but for `slack` seconds that may be missing."""
    whole = math.floor(seconds * rate + _EPSILON)
    return whole if seconds - float(whole / rate) <= slack else whole + 1
