"""Fragments of an MP4: when a segment begins, how many samples it holds, and how long they last. No media is read."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

_HEAD_BYTES = 8
_LARGE_HEAD_BYTES = 16
_LARGEST_MOOF_BYTES = 16 * 1024 * 1024
_LARGEST_BOX_BYTES = 1024**4
_WORD = 4
_TFHD_DEFAULT_DURATION = 0x8
# Optional fields of a track fragment's header that come before the default duration, by their flags, in bytes.
_TFHD_BEFORE = {0x1: 8, 0x2: 4}
_TRUN_BEFORE = {0x1: 4, 0x4: 4}
_TRUN_DURATION = 0x100
# Fields of each sample in a run, the duration first.
_TRUN_FIELDS = (0x100, 0x200, 0x400, 0x800)


@dataclass(frozen=True, kw_only=True)
class Fragments:
    """Of one segment and one track. `begins` and `duration` are in units of the track's timescale."""

    begins: int
    samples: int
    duration: int


def read_fragments(file: BinaryIO) -> Fragments:
    """What a segment says of its samples. One without any has none; what is no segment raises ValueError."""
    begins, samples, duration = -1, 0, 0
    for moof in _moofs(file):
        default = 0
        for kind, content in _boxes(moof, inside=frozenset({b"traf"})):
            if kind == b"tfhd":
                default = _default_duration(content)
            elif kind == b"tfdt" and begins < 0:
                begins = int.from_bytes(content[4:12] if content[:1] == b"\1" else content[4:8])
            elif kind == b"trun":
                count = int.from_bytes(content[4:8])
                samples += count
                duration += _run_duration(content, count, default)
    return Fragments(begins=begins, samples=samples, duration=duration)


def _moofs(file: BinaryIO) -> Iterator[bytes]:
    """The content of each `moof`; media between them is passed over."""
    while len(head := file.read(_HEAD_BYTES)) == _HEAD_BYTES:
        size, kind, length = int.from_bytes(head[:_WORD]), head[_WORD:], _HEAD_BYTES
        if size == 1:
            size, length = int.from_bytes(file.read(_HEAD_BYTES)), _LARGE_HEAD_BYTES
        if not length <= size <= _LARGEST_BOX_BYTES:
            raise ValueError(f"a box of {size} bytes")
        if kind == b"moof" and size <= _LARGEST_MOOF_BYTES:
            yield file.read(size - length)
        else:
            file.seek(size - length, 1)


def _boxes(data: bytes, *, inside: frozenset[bytes]) -> Iterator[tuple[bytes, bytes]]:
    at = 0
    while at + _HEAD_BYTES <= len(data):
        size, kind = int.from_bytes(data[at : at + _WORD]), data[at + _WORD : at + _HEAD_BYTES]
        if size < _HEAD_BYTES:
            return
        content = data[at + _HEAD_BYTES : at + size]
        if kind in inside:
            yield from _boxes(content, inside=inside)
        else:
            yield kind, content
        at += size


def _default_duration(tfhd: bytes) -> int:
    flags = int.from_bytes(tfhd[1:4])
    if not flags & _TFHD_DEFAULT_DURATION:
        return 0
    at = 8 + sum(length for flag, length in _TFHD_BEFORE.items() if flags & flag)
    return int.from_bytes(tfhd[at : at + _WORD])


def _run_duration(trun: bytes, count: int, default: int) -> int:
    flags = int.from_bytes(trun[1:4])
    if not flags & _TRUN_DURATION:
        return count * default
    start = 8 + sum(length for flag, length in _TRUN_BEFORE.items() if flags & flag)
    step = _WORD * sum(1 for flag in _TRUN_FIELDS if flags & flag)
    return sum(int.from_bytes(trun[at : at + _WORD]) for at in range(start, min(start + count * step, len(trun)), step))
