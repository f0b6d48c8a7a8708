"""The constant frame rate of what comes out."""

from fractions import Fraction

MAX_RATE = Fraction(60)
MIN_RATE = Fraction(10)
_FALLBACK = Fraction(25)
_NEAR = 0.005
_CLOCK_SECONDS = 0.0011
_MAX_DENOMINATOR = 1001
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


def choose_rate(declared: Fraction | None, measured: Fraction | None, interval: float | None) -> Fraction:
    """The rate of the grid.

    `declared` is the container's word and `measured` frames by time: where they agree the rate is constant. Otherwise
    the grid has to be as fine as the usual `interval` between two frames.
    """
    if declared and (_agree(1 / declared, interval) or (measured and abs(declared - measured) <= _NEAR * measured)):
        rate = declared
    elif interval and interval > 0:
        rate = Fraction(1 / interval)
    else:
        rate = measured or declared or _FALLBACK
    return _within_bounds(_snapped(rate))


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
