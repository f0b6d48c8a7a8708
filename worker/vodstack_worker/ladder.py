"""The renditions of a video: which sizes, and how many bits for each."""

from itertools import pairwise
from typing import NamedTuple

from msgspec import Struct


class _Box(NamedTuple):
    """A screen in landscape that pictures are fitted into, and the highest bit rate of one that fills it."""

    width: int
    height: int
    max_bitrate: int

    @property
    def pixels(self) -> int:
        return self.width * self.height


_BOXES = (
    _Box(1920, 1080, 5_000_000),
    _Box(1280, 720, 2_800_000),
    _Box(854, 480, 1_400_000),
    _Box(640, 360, 800_000),
    _Box(426, 240, 400_000),
)
_LOW_RATE = 30.5
_HIGH_RATE_FACTOR = 1.5
_CLEARLY_SMALLER = 1 / 1.15
# Below the largest rung: decoders in hardware refuse pictures that are much lower or narrower.
_SHORTEST_SIDE = 64
_SAME_NAME = 0.02
_LEAST_BITRATE = 64_000


class Rung(Struct, frozen=True, kw_only=True):
    """One size to encode, named by the height of the 16:9 screen that it fills in one direction."""

    name: str
    width: int
    height: int
    max_bitrate: int


def plan_ladder(width: int, height: int, frame_rate: float) -> list[Rung]:
    """Rungs for a source of that displayed size, largest first. None is larger than the source.

    The source's own size is the largest where it fits the largest box. Boxes are turned for portrait.
    """
    factor = _HIGH_RATE_FACTOR if frame_rate > _LOW_RATE else 1.0
    scales = {box: min(box.width / max(width, height), box.height / min(width, height)) for box in _BOXES}
    top = min(1.0, scales[_BOXES[0]])
    rungs = [_rung(width, height, top, factor)]
    for box, scale in scales.items():
        if scale <= top * _CLEARLY_SMALLER and scale * min(width, height) >= _SHORTEST_SIDE:
            rungs.append(_rung(width, height, scale, factor, f"{box.height}p"))
    return rungs


def _rung(width: int, height: int, scale: float, factor: float, name: str | None = None) -> Rung:
    fitted = _even(width * scale, width), _even(height * scale, height)
    return Rung(
        name=name or _name(*fitted),
        width=fitted[0],
        height=fitted[1],
        max_bitrate=int(_max_bitrate(fitted[0] * fitted[1]) * factor),
    )


def _name(width: int, height: int) -> str:
    """By its box, or by its own screen. What is named by its own is no smaller rung's namesake: those differ more."""
    lines = max(min(width, height), round(max(width, height) * 9 / 16))
    return f"{next((box.height for box in _BOXES if abs(lines / box.height - 1) <= _SAME_NAME), lines)}p"


def _max_bitrate(pixels: int) -> float:
    """In proportion to the pixels between two boxes, for smaller pictures need more bits a pixel."""
    above, below = next((pair for pair in pairwise(_BOXES) if pixels >= pair[1].pixels), (_BOXES[-1], _Box(0, 0, 0)))
    share = (pixels - below.pixels) / (above.pixels - below.pixels)
    return max(_LEAST_BITRATE, below.max_bitrate + share * (above.max_bitrate - below.max_bitrate))


def _even(length: float, source: int) -> int:
    """The nearest even number that is not above the source's: H.264 with 4:2:0 has no odd sizes."""
    return max(2, min(round(length / 2) * 2, source // 2 * 2))
