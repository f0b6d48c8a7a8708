"""What is in an original, found by a sandboxed process of its own, never in the worker's."""

import asyncio
import os
from dataclasses import replace
from pathlib import Path

from msgspec import structs

from vodstack_contracts.videos import FailureCode, WarningCode
from vodstack_worker.boxes import FileBytes
from vodstack_worker.containers import LocalBytes, demuxer_of
from vodstack_worker.dolby_vision import require_common_colours
from vodstack_worker.encryption import require_clear
from vodstack_worker.errors import GiveUpError, RetryError, ToolError
from vodstack_worker.media_process import FileServer, Limits, run_module
from vodstack_worker.probe_check import read_answer
from vodstack_worker.probed import MAX_FRAMES, SOURCE, Probe
from vodstack_worker.truncation import find_cut, is_whole, warn_of_cut

_CPU_SECONDS = 120
_CPU_SECONDS_PER_GIB = 60
_GIB = 1024**3


async def probe(
    folder: Path,
    limits: Limits,
    *,
    max_duration: int,
    max_frames: int = MAX_FRAMES,
    relay: FileServer | None = None,
    remote: FileBytes | None = None,
) -> Probe:
    """Probe `folder`'s source, or the `remote` one that `relay` serves.

    Raises GiveUpError for what can never be played, RetryError for a killed probe, ToolError for one that broke off or
    lies.
    """
    file = remote or LocalBytes(folder / SOURCE)
    demuxer = await asyncio.to_thread(demuxer_of, file)
    await asyncio.to_thread(require_clear, file, demuxer)
    await asyncio.to_thread(require_common_colours, file, demuxer)
    cut = await asyncio.to_thread(find_cut, file, demuxer, remote=remote is not None)
    if cut and remote is None:
        os.truncate(folder / SOURCE, cut.readable_bytes)
    cpu = int(_CPU_SECONDS + _CPU_SECONDS_PER_GIB * file.size / _GIB)
    limits = replace(limits, cpu_seconds=cpu, wall_seconds=4.0 * cpu)
    arguments = [demuxer, str(max_duration), str(max_frames), relay.url(SOURCE) if relay else SOURCE]
    ending = await run_module("vodstack_worker.probe_entry", arguments, folder, limits, relay=relay)
    if ending.exceeded:
        raise GiveUpError(
            FailureCode.LIMIT_EXCEEDED, f"Reading the file took more {ending.exceeded} than a video may. Re-encode it."
        )
    if ending.killed:
        raise RetryError(f"the probe was killed by signal {-ending.code}: {ending.stderr}")
    if ending.code != 0:
        raise ToolError(f"the probe failed with {ending.code}: {ending.stderr}")
    found = read_answer(ending.stdout, demuxer, max_duration=max_duration, max_frames=max_frames)
    others = [warning for warning in found.warnings if warning.code is not WarningCode.SOURCE_TRUNCATED]
    if cut:
        # The end that the bytes tell of is the one that the timestamps miss.
        warnings = [*others, warn_of_cut(cut, found.facts.duration_seconds)]
        return structs.replace(found, warnings=warnings, readable_bytes=cut.readable_bytes)
    if len(others) < len(found.warnings) and await asyncio.to_thread(is_whole, file, demuxer):
        return structs.replace(found, warnings=others)
    return found
