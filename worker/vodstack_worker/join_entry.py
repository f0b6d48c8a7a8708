"""The sandboxed process that joins segments to one MP4: pieces of it go to a descriptor, counts to stdout, as JSON.

`python -I -m vodstack_worker.join_entry SANDBOX DESCRIPTOR INDEX_BYTES PLAYLIST...`, each served by the worker.
"""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from heapq import merge
from typing import Protocol, cast

import av
from av.container import InputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.stream import Stream

from vodstack_worker.confine import PORT, confine, read_sandbox
from vodstack_worker.containers import DEMUXERS, PROTOCOLS
from vodstack_worker.late_imports import import_all
from vodstack_worker.pieces import LARGEST_PIECE_BYTES, PIECE

# A second of one track follows a second of the other: an index of such runs is half as long as one of single samples.
_RUN_MICROSECONDS = 1_000_000


class _Muxer(Protocol):
    """An av.container.OutputContainer, whose own types leave much open."""

    def add_stream_from_template(self, template: Stream) -> Stream: ...

    def mux(self, packets: "Packet[Stream]") -> None: ...


class Outlet:
    """The file that libavformat writes to, as far as it has one."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._at = 0

    def write(self, data: bytes) -> int:
        piece = memoryview(PIECE.pack(self._at, len(data)) + data)
        while piece:
            piece = piece[os.write(self._descriptor, piece) :]
        self._at += len(data)
        return len(data)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        if whence != os.SEEK_SET:
            raise OSError(f"only places are known here, no way from another: {whence}")
        self._at = offset
        return offset

    def tell(self) -> int:
        return self._at


def main() -> None:
    """Confine, join, print."""
    sandbox, descriptor, index_bytes, *playlists = sys.argv[1:]
    import_all()
    port = confine(read_sandbox(sandbox))
    addresses = [playlist.replace(PORT, str(port)) for playlist in playlists]
    try:
        counts = _join(addresses, Outlet(int(descriptor)), int(index_bytes))
    except FFmpegError as error:
        raise SystemExit(repr(error)[:500]) from error
    sys.stdout.write(json.dumps(counts))


def _join(addresses: list[str], outlet: Outlet, index_bytes: int) -> list[int]:
    """How many packets of each playlist went in."""
    counts = [0] * len(addresses)
    options = {"moov_size": str(index_bytes), "chunk_duration": str(_RUN_MICROSECONDS), "flush_packets": "0"}
    with ExitStack() as files:
        inputs = [files.enter_context(_open(address)) for address in addresses]
        opened = av.open(outlet, "w", format="mp4", container_options=options, buffer_size=LARGEST_PIECE_BYTES)
        output = cast("_Muxer", files.enter_context(opened))
        streams = [output.add_stream_from_template(each.streams[0]) for each in inputs]
        packets = [_packets(each, number) for number, each in enumerate(inputs)]
        for _, number, packet in merge(*packets, key=lambda found: found[:2]):
            packet.stream = streams[number]
            output.mux(packet)
            counts[number] += 1
    return counts


def _open(address: str) -> InputContainer:
    options = {"protocol_whitelist": PROTOCOLS, "format_whitelist": f"hls,{DEMUXERS['mov']}"}
    return av.open(address, format="hls", options=options)


def _packets(source: InputContainer, number: int) -> "Iterator[tuple[float, int, Packet[Stream]]]":
    """In the order of decoding. The empty one, with which PyAV ends, is left out."""
    for packet in source.demux(source.streams[0]):
        if packet.dts is not None and packet.size:
            yield float(packet.dts * packet.time_base), number, packet


if __name__ == "__main__":
    main()
