"""The renditions of a video: which sizes, and how many bits for each."""

from msgspec import Struct

_LOW_RATE = 30.5
_HIGH_RATE_FACTOR = 1.5
_CLEARLY_LARGER = 1.15

# Short side in pixels, and the highest bit rate that capped quality may reach at up to 30 frames a second.
_RUNGS = ((1080, 5_000_000), (720, 2_800_000), (480, 1_400_000), (360, 800_000), (240, 400_000))
_LARGEST = _RUNGS[0][0]


class Rung(Struct, frozen=True, kw_only=True):
    """One size to encode, named by its short side."""

    name: str
    width: int
    height: int
    max_bitrate: int


def plan_ladder(width: int, height: int, frame_rate: float) -> list[Rung]:
    """Rungs for a source of that displayed size, largest first. None is larger than the source."""
    short = min(width, height)
    sizes = [size for size, _ in _RUNGS if size <= short]
    # A size between two rungs keeps its own: 576 lines scaled to 480 would lose a third of the picture.
    if not sizes or (short < _LARGEST and short > sizes[0] * _CLEARLY_LARGER):
        sizes.insert(0, short)
    return [_rung(size, width, height, frame_rate) for size in sizes]


def _rung(size: int, width: int, height: int, frame_rate: float) -> Rung:
    scale = min(1.0, size / min(width, height))
    factor = _HIGH_RATE_FACTOR if frame_rate > _LOW_RATE else 1.0
    ceiling = next((bits for short, bits in reversed(_RUNGS) if short >= size), _RUNGS[0][1])
    return Rung(
        name=f"{size}p",
        width=_even(width * scale, width),
        height=_even(height * scale, height),
        max_bitrate=int(ceiling * factor),
    )


def _even(length: float, source: int) -> int:
    """The nearest even number that is not above the source's: H.264 with 4:2:0 has no odd sizes."""
    return max(2, min(round(length / 2) * 2, source // 2 * 2))
