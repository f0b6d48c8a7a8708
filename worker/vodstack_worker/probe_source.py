"""An original as the sandboxed probe opens it: by the one demuxer that its first bytes name, within bounds."""

import os
from typing import NamedTuple

import av
from av.container import InputContainer

from vodstack_contracts.videos import FailureCode
from vodstack_worker.codecs import CODEC_WHITELIST
from vodstack_worker.containers import DEMUXERS, PROTOCOLS
from vodstack_worker.errors import GiveUpError
from vodstack_worker.probed import MAX_PIXELS, MAX_STREAMS, MAX_TRACKS


class Source(NamedTuple):
    """A file, or an address at which the worker serves one."""

    address: str
    demuxer: str

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
    }
    try:
        # What was typed in another encoding is only shown, and never worth a refusal.
        return av.open(source.address, format=source.demuxer, options=options, metadata_errors="replace")
    except MemoryError as error:
        # What libavformat says of one stream more than `max_streams`.
        raise too_many_streams() from error


def too_many_streams() -> GiveUpError:
    return GiveUpError(
        FailureCode.TOO_MANY_STREAMS,
        f"The file holds more than {MAX_TRACKS} tracks, or {MAX_STREAMS} with its attachments. "
        "Export it with one video and one audio track.",
    )
