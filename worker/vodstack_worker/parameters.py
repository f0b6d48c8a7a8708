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
_SEQUENCE_UNITS = {"h264": (0, 0x1F, 7), "hevc": (1, 0x3F, 33), "mpeg2video": (0, 0xFF, 0xB3)}
# Of MPEG-2's sequence header: size, shape and rate. What follows them may change from one to the next.
_UNIT_BYTES = {"mpeg2video": 5}


class Parameters:
    """Remembers the first parameters that a stream brings along, and the last."""

    def __init__(self, codec: str) -> None:
        self._unit = _SEQUENCE_UNITS.get(codec)
        self._length = _UNIT_BYTES.get(codec)
        self._last: bytes | None = None

    def change(self, packet: "Packet[Any]") -> bool:
        """Whether this packet brings others than those before it."""
        if any(packet.has_sidedata(kind) for kind in _SIDE_DATA):
            return True
        if self._unit is None or not packet.is_keyframe:
            return False
        units = _sequences(bytes(packet)[:_LOOKED_AT_BYTES], self._unit)
        found = b"".join(each[: self._length] for each in units)
        before, self._last = self._last, found or self._last
        return bool(found) and before is not None and found != before


def _sequences(data: bytes, unit: tuple[int, int, int]) -> Iterator[bytes]:
    """The sequence parameters among a packet's first units. Data without start codes has none."""
    shift, mask, kind = unit
    if not data.startswith((b"\x00\x00\x01", b"\x00\x00\x00\x01")):
        return
    starts = [found.end() for found in _START_CODE.finditer(data)]
    for start, stop in pairwise(starts):
        if data[start] >> shift & mask == kind:
            yield data[start : stop - 3].rstrip(b"\x00")
