"""An original as the sandboxed probe opens it: by the one demuxer that its first bytes name, within bounds."""

import os
import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, cast

import av
from av import logging
from av.container import InputContainer
from av.packet import Packet
from av.stream import Stream

from vodstack_contracts.videos import FailureCode
from vodstack_worker.codecs import CODEC_WHITELIST
from vodstack_worker.containers import DEMUXER_OPTIONS, DEMUXERS, PROTOCOLS
from vodstack_worker.errors import GiveUpError
from vodstack_worker.probed import ANALYZE_MICROSECONDS, MAX_PIXELS, MAX_STREAMS, MAX_TRACKS

_LISTED_TRACK = re.compile(r"Stream #0:(\d+).*: (?:Video|Audio): ")


class Source(NamedTuple):
    """A file, or an address at which the worker serves one.

    `probe_bytes` are read in search of its tracks, 0 for as many as libavformat reads by itself.
    """

    address: str
    demuxer: str
    probe_bytes: int = 0

    @property
    def is_remote(self) -> bool:
        return self.address.startswith("http://")


def require_readable(source: Source) -> None:
    """Raise OSError where a file is there and cannot be read: that says nothing about the video."""
    if not source.is_remote:
        os.close(os.open(source.address, os.O_RDONLY))


def open_source(source: Source) -> InputContainer:
    """Raises GiveUpError or what PyAV raises."""
    options = {
        "protocol_whitelist": PROTOCOLS if source.is_remote else "file",
        "format_whitelist": DEMUXERS[source.demuxer],
        "codec_whitelist": CODEC_WHITELIST,
        "max_streams": str(MAX_STREAMS),
        "max_pixels": str(MAX_PIXELS),
        **DEMUXER_OPTIONS.get(source.demuxer, {}),
    }
    if source.probe_bytes:
        options |= {"probesize": str(source.probe_bytes), "analyzeduration": str(ANALYZE_MICROSECONDS)}
    try:
        # What was typed in another encoding is only shown, and never worth a refusal.
        return av.open(source.address, format=source.demuxer, options=options, metadata_errors="replace")
    except MemoryError as error:
        # What libavformat says of one stream more than `max_streams`.
        raise too_many_streams() from error


def demux(container: InputContainer, streams: Sequence[Stream]) -> "Iterator[Packet[Any]]":
    """The packets of these streams."""
    try:
        yield from container.demux(streams)
    except IndexError:
        # At the end of the file PyAV counts tracks anew, and stumbles over those that came up after it was opened.
        return


def has_late_tracks(container: InputContainer) -> bool:
    """Whether reading the file brought up video or audio that opening it did not show: PyAV tells in a list alone."""
    level = logging.get_level()
    logging.set_level(logging.INFO)
    try:
        # PyAV's types do not name it.
        listed: str = cast("Any", container).dumps_format()
    finally:
        logging.set_level(level)
    return any(int(found[1]) >= len(container.streams) for found in _LISTED_TRACK.finditer(listed))


def too_many_streams() -> GiveUpError:
    return GiveUpError(
        FailureCode.TOO_MANY_STREAMS,
        f"The file holds more than {MAX_TRACKS} tracks, or {MAX_STREAMS} with its attachments. "
        "Export it with one video and one audio track.",
    )
