"""Jumps of a clock, and how they are corrected: recordings that were joined, and single timestamps that are wrong."""

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import inf, isnan
from statistics import median

from msgspec import Struct

# Longer pauses between two frames, in all tracks at once, are no pauses but the end of one recording and the beginning
# of another, where the container may hold several.
_LONGEST_PAUSE_SECONDS = 600.0
_SHORTEST_JUMP_SECONDS = 0.1
_JUMP_INTERVALS = 2.0
# How many timestamps in a row may be wrong before they are taken for a clock that begins anew.
_LONGEST_ERROR = 3
_ERROR_INTERVALS = 4.0
# How far apart two tracks of one recording begin and end.
_SKEW_SECONDS = 5.0
_SAMPLE = 2000


class Corrections(Struct, frozen=True):
    """From which packet on how many seconds are added to the timestamps, each piece in place of the one before."""

    pieces: list[tuple[int, float]] = []

    def applied(self, moments: "array[float]") -> Iterator[float]:
        rest = list(reversed(self.pieces))
        shift = 0.0
        for number, moment in enumerate(moments):
            while rest and number >= rest[-1][0]:
                shift = rest.pop()[1]
            yield moment + shift


@dataclass(frozen=True)
class _Jump:
    """The packet at which time goes on from elsewhere: after `before`, at `moment`; `seconds` too early, or late."""

    packet: int
    before: float
    moment: float
    seconds: float


@dataclass(frozen=True)
class _Error:
    """A packet whose timestamps alone are wrong by `seconds`."""

    packet: int
    seconds: float


def find_corrections(tracks: Sequence["array[float]"], *, joined: bool) -> list[Corrections]:
    """Corrections for tracks of one file, by their decoding times, so that each runs on and they keep their sync.

    `joined` tells that the container may hold several recordings, one after the other. The first track is the one
    whose jumps count; where another runs on meanwhile, the first overlaps itself or pauses, and is left as it is.
    """
    errors, jumps = zip(*(_read_track(moments, joined=joined) for moments in tracks), strict=True)
    shifts: list[list[_Jump]] = [[] for _ in tracks]
    for jump in jumps[0] or max(jumps, key=len):
        alike = [next((each for each in found if _is_alike(jump, each)), None) for found in jumps]
        if any(other is None and _runs_on(moments, jump) for other, moments in zip(alike, tracks, strict=True)):
            continue
        seconds = max(each.seconds for each in alike if each)
        for shift, each in zip(shifts, alike, strict=True):
            if each:
                shift.append(_Jump(each.packet, each.before, each.moment, seconds))
    return [_corrections(wrong, shift) for wrong, shift in zip(errors, shifts, strict=True)]


def _is_alike(one: _Jump, other: _Jump) -> bool:
    return abs(one.seconds - other.seconds) < _SKEW_SECONDS and abs(one.moment - other.moment) < _SKEW_SECONDS


def _runs_on(moments: "array[float]", jump: _Jump) -> bool:
    """Whether a track without this jump has packets where it would have to have made it."""
    if jump.seconds > 0:
        return any(moment > jump.before + _SKEW_SECONDS for moment in moments)
    return any(jump.before + _SKEW_SECONDS < moment < jump.moment - _SKEW_SECONDS for moment in moments)


def _corrections(errors: Sequence[_Error], jumps: Sequence[_Jump]) -> Corrections:
    """Shifts add up from jump to jump; a wrong timestamp has one of its own."""
    shift = 0.0
    pieces: list[tuple[int, float]] = []
    for event in sorted([*errors, *jumps], key=lambda each: each.packet):
        packet = event.packet
        if isinstance(event, _Jump):
            shift += event.seconds
            pieces.append((packet, shift))
        else:
            if pieces and pieces[-1][0] == packet:
                pieces.pop()
            pieces += [(packet, shift + event.seconds), (packet + 1, shift)]
    return Corrections(pieces)


def _read_track(moments: "array[float]", *, joined: bool) -> tuple[list[_Error], list[_Jump]]:
    interval = _interval(moments)
    least = max(_SHORTEST_JUMP_SECONDS, _JUMP_INTERVALS * interval)
    most = _LONGEST_PAUSE_SECONDS if joined else inf
    errors: list[_Error] = []
    jumps: list[_Jump] = []
    last = at = next((number for number, moment in enumerate(moments) if not isnan(moment)), len(moments))
    while (at := at + 1) < len(moments):
        step = moments[at] - moments[last]
        # Also false for a packet without a time.
        if not (step < -least or step > most):
            last = last if isnan(step) else at
            continue
        if step < 0 and (begin := _ahead(moments, last, moments[at], interval)) is not None:
            errors += _replaced(moments, begin, at, interval)
        elif (after := _behind(moments, at, moments[last], interval)) is not None:
            errors += _replaced(moments, at, after, interval)
            at = after
        else:
            jumps.append(_Jump(at, moments[last], moments[at], moments[last] + interval - moments[at]))
        last = at
    return errors, jumps


def _replaced(moments: "array[float]", begin: int, end: int, interval: float) -> list[_Error]:
    """Packets from `begin` on, `end` left out, put an interval apart after the one before."""
    return [
        _Error(number, moments[begin - 1] + (number - begin + 1) * interval - moments[number])
        for number in range(begin, end)
    ]


def _interval(moments: "array[float]") -> float:
    """The usual time from one packet to the next."""
    steps = [after - before for before, after in pairwise(moments[:_SAMPLE])]
    forward = [step for step in steps if step > 0]
    return median(forward) if forward else 0.0


def _ahead(moments: "array[float]", last: int, moment: float, interval: float) -> int | None:
    """The first of the few packets before this `moment` that were too late, if it goes on where those before ended."""
    for begin in range(last, max(0, last - _LONGEST_ERROR), -1):
        step = moment - moments[begin - 1]
        if 0 <= step <= (last - begin + 2) * _ERROR_INTERVALS * interval:
            return begin
    return None


def _behind(moments: "array[float]", at: int, before: float, interval: float) -> int | None:
    """The packet after the few from `at` on that are wrong, if it goes on where time stood `before`."""
    for after in range(at + 1, min(len(moments), at + 1 + _LONGEST_ERROR)):
        if 0 <= moments[after] - before <= (after - at + 1) * _ERROR_INTERVALS * interval:
            return after
    return None
