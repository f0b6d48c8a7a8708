"""The constant frame rate of what comes out."""

from fractions import Fraction

from vodstack_worker.extent import Extent

MAX_RATE = Fraction(60)
MIN_RATE = Fraction(10)
_FALLBACK = Fraction(25)
_NEAR = 0.005
_CLOCK_SECONDS = 0.0011
_MAX_DENOMINATOR = 1001
# Frames that repeat the one before cost an encoder little, but not nothing: ten minutes at 30 a second are free, then
# there are eight for each of the source's. Screens that stand still for most of an hour keep their 30 a second.
FREE_FRAMES = 18_000
FRAMES_PER_PACKET = 8
LOWEST_RATE = Fraction(2)
_COMMON = (
    Fraction(24000, 1001),
    Fraction(24),
    Fraction(25),
    Fraction(30000, 1001),
    Fraction(30),
    Fraction(48),
    Fraction(50),
    Fraction(60000, 1001),
    Fraction(60),
)


def choose_rate(declared: Fraction | None, video: Extent, seconds: float) -> Fraction:
    """The rate of the grid, for an output of so many `seconds`.

    Where the container's word, `declared`, agrees with the packets the rate is constant. Otherwise the grid has to be
    as fine as the usual interval between two frames, as long as that does not make many times more frames than there
    are in the source.
    """
    interval = video.interval
    measured = Fraction(1 / video.mean_interval) if video.mean_interval else declared
    if declared and (_agree(1 / declared, interval) or (measured and abs(declared - measured) <= _NEAR * measured)):
        rate = declared
    elif interval and interval > 0:
        rate = Fraction(1 / interval)
    else:
        rate = measured or declared or _FALLBACK
    return _affordable(_within_bounds(_snapped(rate)), video.packets, seconds)


def _affordable(rate: Fraction, packets: int, seconds: float) -> Fraction:
    """Halved as a whole while the output would have far more frames than the source."""
    most = max(FREE_FRAMES, FRAMES_PER_PACKET * packets)
    while rate * Fraction(seconds) > most and rate >= 2 * LOWEST_RATE:
        rate /= 2
    return rate


def _agree(expected: Fraction, interval: float | None) -> bool:
    """Some containers keep time in whole milliseconds."""
    return interval is not None and abs(float(expected) - interval) <= max(_CLOCK_SECONDS, _NEAR * interval)


def _snapped(rate: Fraction) -> Fraction:
    nearest = min(_COMMON, key=lambda common: abs(common - rate))
    if _agree(1 / nearest, 1 / float(rate)):
        return nearest
    return rate.limit_denominator(_MAX_DENOMINATOR)


def _within_bounds(rate: Fraction) -> Fraction:
    """Halved or doubled as a whole, so that every frame kept or repeated still lies on the grid."""
    if rate <= 0:
        return _FALLBACK
    while rate > MAX_RATE * (1 + Fraction(1, 1000)):
        rate /= 2
    while rate < MIN_RATE:
        rate *= 2
    return rate
