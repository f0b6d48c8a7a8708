"""Whether a codec's parameters change in the middle of a stream, read from packets without decoding them."""

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from av.packet import Packet

_SIDE_DATA = ("new_extradata", "param_change")
_START_CODE = re.compile(rb"\x00\x00\x01")
_LOOKED_AT_BYTES = 4096
# How each codec marks its sequence parameters behind a start code: shift and mask of the unit's type, and the type.
_SEQUENCE_UNITS = {"h264": (0, 0x1F, 7), "hevc": (1, 0x3F, 33)}


class Parameters:
    """Remembers the first parameters that a stream brings along."""

    def __init__(self, codec: str) -> None:
        self._unit = _SEQUENCE_UNITS.get(codec)
        self._first: bytes | None = None

    def change(self, packet: "Packet[Any]") -> bool:
        """Whether this packet brings others than the first."""
        if any(packet.has_sidedata(kind) for kind in _SIDE_DATA):
            return True
        if self._unit is None or not packet.is_keyframe:
            return False
        found = b"".join(_sequences(bytes(packet)[:_LOOKED_AT_BYTES], self._unit))
        if found and self._first is None:
            self._first = found
        return bool(found) and found != self._first


def _sequences(data: bytes, unit: tuple[int, int, int]) -> Iterator[bytes]:
    """The sequence parameters among a packet's first units. Data without start codes has none."""
    shift, mask, kind = unit
    if not data.startswith((b"\x00\x00\x01", b"\x00\x00\x00\x01")):
        return
    starts = [found.end() for found in _START_CODE.finditer(data)]
    for start, stop in pairwise(starts):
        if data[start] >> shift & mask == kind:
            yield data[start : stop - 3].rstrip(b"\x00")
