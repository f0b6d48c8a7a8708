"""Jumps of a clock, and how they are corrected: recordings that were joined, and single timestamps that are wrong."""

from array import array
from bisect import bisect_right
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
# How far apart two tracks of one recording begin and end.
_SKEW_SECONDS = 5.0
_SAMPLE = 2000
# So many corrections ffmpeg can look through at each packet without losing time over it.
MOST_JUMPS = 500


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
class Clock:
    """When the packets of a track are decoded, NaN where that is not known, and their places in the file."""

    moments: "array[float]"
    places: "array[int]"

    def follow(self, place: int) -> int | None:
        """The first packet with a time that comes after a `place` in the file."""
        begin = bisect_right(self.places, place)
        return next((number for number in range(begin, len(self.places)) if not isnan(self.moments[number])), None)


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


def find_corrections(tracks: Sequence[Clock], *, joined: bool) -> list[Corrections]:
    """Corrections for tracks of one file, by their decoding times, so that each runs on and they keep their sync.

    `joined` tells that the container may hold several recordings, one after the other. The first track is the one
    whose jumps count; where another runs on meanwhile, the first overlaps itself or pauses, and is left as it is.
    """
    read = [_read_track(track.moments, joined=joined) for track in tracks]
    jumps = [found for _, found in read]
    shifts: list[list[_Jump]] = [[] for _ in tracks]
    for jump in jumps[0]:
        place = tracks[0].places[jump.packet]
        alike = [_alike(jump, found, track, place) for found, track in zip(jumps, tracks, strict=True)]
        if None in alike:
            continue
        made = [each for each in alike if each]
        seconds = max(each.seconds for each in made)
        for shift, each in zip(shifts, made, strict=True):
            shift.append(_Jump(each.packet, each.before, each.moment, seconds))
    return [_corrections(wrong, shift) for (wrong, _), shift in zip(read, shifts, strict=True)]


def _alike(jump: _Jump, found: list[_Jump], track: Clock, place: int) -> _Jump | None:
    """How a track makes the same jump; None where it runs on without.

    One that has nothing at that moment, for audio begins late or ends early, follows with its next packet.
    """
    own = next((each for each in found if _is_alike(jump, each)), None)
    after = track.follow(place)
    if own or after is None:
        return own or _Jump(len(track.places), jump.before, jump.moment, jump.seconds)
    if not _is_beyond(jump, track.moments[after]):
        return None
    # Tracks are interleaved loosely: some of its packets may come before the other's jump.
    while after and _is_beyond(jump, track.moments[after - 1]):
        after -= 1
    return _Jump(after, jump.before, jump.moment, jump.seconds)


def _is_beyond(jump: _Jump, moment: float) -> bool:
    return abs(moment - jump.moment) < abs(moment - jump.before)


def _is_alike(one: _Jump, other: _Jump) -> bool:
    return abs(one.seconds - other.seconds) < _SKEW_SECONDS and abs(one.moment - other.moment) < _SKEW_SECONDS


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
        if run := _wrong_run(moments, at):
            errors += _replaced(moments, *run, interval)
            at = max(at, run[1])
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


def _wrong_run(moments: "array[float]", at: int) -> tuple[int, int] | None:
    """The few packets around `at`, the end left out, without which time runs on, and within which it does not."""
    for length in range(1, _LONGEST_ERROR + 1):
        for begin in range(max(1, at - length), at + 1):
            end = begin + length
            if end >= len(moments) or not moments[begin - 1] <= moments[end]:
                continue
            if not any(moments[begin - 1] <= moment <= moments[end] for moment in moments[begin:end]):
                return begin, end
    return None
