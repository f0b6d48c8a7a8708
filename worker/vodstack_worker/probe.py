"""What is in an original, found by a caged process of its own, never in the worker's."""

import asyncio
from dataclasses import replace
from pathlib import Path

import msgspec

from vodstack_contracts.videos import FailureCode
from vodstack_worker.containers import FileBytes, LocalBytes, demuxer_of
from vodstack_worker.errors import GiveUpError, RetryError, ToolError
from vodstack_worker.media_process import FileServer, Limits, run_module
from vodstack_worker.probed import SOURCE, Probe, Refusal

_CPU_SECONDS = 120
_CPU_SECONDS_PER_GIB = 60
_GIB = 1024**3


_decoder = msgspec.json.Decoder(Probe | Refusal)


async def probe(
    folder: Path, limits: Limits, *, max_duration: int, relay: FileServer | None = None, remote: FileBytes | None = None
) -> Probe:
    """Probe `folder`'s source, or the `remote` one that `relay` serves.

    Raises GiveUpError for what can never be played, RetryError for a killed probe, ToolError for one that broke off.
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
        raise ToolError(f"the probe failed with {ending.code}: {ending.stderr}")
    found = _decoder.decode(ending.stdout)
    if isinstance(found, Refusal):
        raise GiveUpError(found.failure.code, found.failure.message)
    return found
