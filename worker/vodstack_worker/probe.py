"""What is in an original, found by a caged process of its own, never in the worker's."""

import asyncio
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import msgspec
from msgspec import Struct

from vodstack_contracts.videos import Failure, FailureCode, SourceFacts
from vodstack_worker.caption_tracks import CaptionTrack
from vodstack_worker.containers import FileBytes, LocalBytes, demuxer_of
from vodstack_worker.errors import GiveUpError, RetryError
from vodstack_worker.media_process import FileServer, Limits, run_module

SOURCE = "source"
MAX_STREAMS = 64
MAX_SIDE = 8192
MAX_PIXELS = 8192 * 4608
_CPU_SECONDS = 120
_CPU_SECONDS_PER_GIB = 60
_GIB = 1024**3


class Probe(Struct, frozen=True, kw_only=True, tag="probe"):
    """Facts for the client, and what the plan of the encode stands on.

    `grid` holds when timestamps run forward without great gaps: then frame N of the output lies at `origin + N / rate`
    of the source's own clock. `pad` is how long the sound goes on after the last picture.

    `start` is the moment from which players count a source's time; `keys` are the key frames at which decoding may
    begin, as moments of display and of decoding after it, `key_gap` the longest way from one to the next. `obstacle`
    says why the source cannot be taken up in its middle. `picture_bytes` are those of one decoded picture.
    """

    facts: SourceFacts
    demuxer: str
    video_index: int
    audio_index: int | None
    rate_numerator: int
    rate_denominator: int
    origin: float
    grid: bool
    interlaced: bool
    hdr: bool
    pad: float
    start: float
    keys: list[tuple[float, float]]
    key_gap: float
    obstacle: str
    captions: list[CaptionTrack] = []
    captions_left_out: int = 0
    picture_bytes: int = 0

    @property
    def rate(self) -> Fraction:
        return Fraction(self.rate_numerator, self.rate_denominator)


class Refusal(Struct, frozen=True, kw_only=True, tag="refusal"):
    """The probe's word that the file is no use."""

    failure: Failure


_decoder = msgspec.json.Decoder(Probe | Refusal)


async def probe(
    folder: Path, limits: Limits, *, max_duration: int, relay: FileServer | None = None, remote: FileBytes | None = None
) -> Probe:
    """Probe `folder`'s source, or the `remote` one that `relay` serves.

    Raises GiveUpError for what can never be played, RetryError for a killed probe.
    """
    file = remote or LocalBytes(folder / SOURCE)
    demuxer = await asyncio.to_thread(demuxer_of, file)
    cpu = int(_CPU_SECONDS + _CPU_SECONDS_PER_GIB * file.size / _GIB)
    limits = replace(limits, cpu_seconds=cpu, wall_seconds=4.0 * cpu)
    arguments = [demuxer, str(max_duration), relay.url(SOURCE) if relay else SOURCE]
    ending = await run_module("vodstack_worker.probe_entry", arguments, folder, limits, relay=relay)
    if ending.exceeded:
        raise GiveUpError(
            FailureCode.LIMIT_EXCEEDED, f"Reading the file took more {ending.exceeded} than a video may. Re-encode it."
        )
    if ending.killed:
        raise RetryError(f"the probe was killed by signal {-ending.code}: {ending.stderr}")
    if ending.code != 0:
        raise RetryError(f"the probe failed with {ending.code}: {ending.stderr}")
    found = _decoder.decode(ending.stdout)
    if isinstance(found, Refusal):
        raise GiveUpError(found.failure.code, found.failure.message)
    return found
