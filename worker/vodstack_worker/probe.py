"""What is in an original, found by a caged process of its own, never in the worker's."""

import asyncio
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import msgspec
from msgspec import Struct

from vodstack_contracts.videos import Failure, FailureCode, SourceFacts
from vodstack_worker.containers import demuxer_of
from vodstack_worker.errors import GiveUpError, RetryError
from vodstack_worker.media_process import Limits, run_module

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

    @property
    def rate(self) -> Fraction:
        return Fraction(self.rate_numerator, self.rate_denominator)


class Refusal(Struct, frozen=True, kw_only=True, tag="refusal"):
    """The probe's word that the file is no use."""

    failure: Failure


_decoder = msgspec.json.Decoder(Probe | Refusal)


async def probe(folder: Path, limits: Limits, *, max_duration: int) -> Probe:
    """Probe `folder`'s source. Raises GiveUpError for what can never be played, RetryError for a killed probe."""
    demuxer = await asyncio.to_thread(demuxer_of, folder / SOURCE)
    gib = (folder / SOURCE).stat().st_size / _GIB
    cpu = int(_CPU_SECONDS + _CPU_SECONDS_PER_GIB * gib)
    limits = replace(limits, cpu_seconds=cpu, wall_seconds=4.0 * cpu)
    ending = await run_module("vodstack_worker.probe_entry", [demuxer, str(max_duration)], folder, limits)
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
