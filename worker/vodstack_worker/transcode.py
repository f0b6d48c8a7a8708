"""One ffmpeg run that decodes the original once and writes every rendition; then the MP4 and the poster from those."""

import asyncio
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import imageio_ffmpeg

from vodstack_contracts.videos import FailureCode
from vodstack_worker.arguments import (
    OUTPUT,
    PLAYLIST,
    encode_arguments,
    folders_of,
    mp4_arguments,
    poster_arguments,
)
from vodstack_worker.confine import CANNOT_RUN
from vodstack_worker.encode_log import EncodeLog
from vodstack_worker.errors import CrashError, GiveUpError, RetryError, ToolError
from vodstack_worker.media_process import Ending, FileServer, Limits, run_tool
from vodstack_worker.plans import Plan, Share
from vodstack_worker.scratch import make_folder, require_disk
from vodstack_worker.tails import join_tail
from vodstack_worker.tool_files import JobFiles

WHOLE = Share()
_WALL_SECONDS = 600.0
_WALL_SECONDS_PER_SECOND = 60.0
# How ffmpeg ends when a signal asks it to; here the only one is that of the CPU limit.
_STOPPED_BY_SIGNAL = 255
_CRASHES = frozenset({signal.SIGSEGV, signal.SIGABRT, signal.SIGILL, signal.SIGFPE, signal.SIGBUS})


async def encode(
    folder: Path,
    plan: Plan,
    limits: Limits,
    on_progress: Callable[[float], None],
    *,
    share: Share = WHOLE,
    relay: FileServer | None = None,
) -> EncodeLog:
    """Write renditions below `folder`; return what ffmpeg told of it. Raises GiveUpError or RetryError."""
    start, duration = _interval(plan, share)
    for name in folders_of(plan, share):
        make_folder(folder, f"{OUTPUT}/hls/{name}", limits.uid)

    def on_line(line: str) -> None:
        key, _, value = line.partition("=")
        if key == "out_time_us" and value.lstrip("-").isdigit():
            done = (int(value) / 1_000_000 - start) / max(duration, 0.001)
            on_progress(min(1.0, max(0.0, done)))

    wall = _WALL_SECONDS + _WALL_SECONDS_PER_SECOND * duration
    bounded = replace(limits, wall_seconds=wall, cpu_seconds=int(wall * max(1, plan.threads)))
    arguments = encode_arguments(plan, share, bounded.cpu_seconds)
    log = EncodeLog()
    ffmpeg = imageio_ffmpeg.get_ffmpeg_exe()
    ending = await run_tool(ffmpeg, arguments, folder, bounded, on_line, relay=relay, on_log=log.read)
    require_success(ending, "encode", folder, limits)
    for name in plan.audio_names if share.audio else ():
        await asyncio.to_thread(join_tail, JobFiles(folder), f"hls/{name}", share.names)
    return log


def _interval(plan: Plan, share: Share) -> tuple[float, float]:
    """Where a run begins and how long it goes on, in seconds of the output."""
    if share.chunk is None:
        return 0.0, plan.probe.facts.duration_seconds
    rate = plan.probe.rate
    return float(share.chunk.first / rate), float((share.chunk.end - share.chunk.first) / rate)


async def make_mp4(folder: Path, plan: Plan, limits: Limits) -> None:
    """The progressive MP4, by copy of the largest rendition and the sound. Raises GiveUpError or RetryError."""
    names = [plan.rungs[0].name, *plan.audio_names[:1]]
    arguments = mp4_arguments([f"{OUTPUT}/hls/{name}/{PLAYLIST}" for name in names])
    ending = await run_tool(imageio_ffmpeg.get_ffmpeg_exe(), arguments, folder, _bounded(plan, limits))
    require_success(ending, "mp4", folder, limits)


async def make_poster(folder: Path, plan: Plan, limits: Limits, video: str, *, relay: FileServer | None = None) -> None:
    """A picture of `video`, an MP4 or a playlist. Raises GiveUpError or RetryError."""
    make_folder(folder, OUTPUT, limits.uid)
    arguments = poster_arguments(plan, video)
    ending = await run_tool(imageio_ffmpeg.get_ffmpeg_exe(), arguments, folder, _bounded(plan, limits), relay=relay)
    require_success(ending, "poster", folder, limits)


def _bounded(plan: Plan, limits: Limits) -> Limits:
    wall = _WALL_SECONDS + plan.probe.facts.duration_seconds
    return replace(limits, wall_seconds=wall, cpu_seconds=int(wall))


def require_success(ending: Ending, step: str, folder: Path, limits: Limits) -> None:
    """Raises GiveUpError or RetryError, by how a step ended."""
    exceeded = "CPU time" if ending.code == _STOPPED_BY_SIGNAL else ending.exceeded
    if exceeded == "memory":
        raise GiveUpError(
            FailureCode.LIMIT_EXCEEDED,
            "Processing took more memory than there is for a video. Export it with a smaller picture and upload that.",
        )
    if exceeded:
        raise GiveUpError(
            FailureCode.LIMIT_EXCEEDED,
            f"Processing took more {exceeded} than a video of this length may. Re-encode it, smaller, and upload that.",
        )
    if ending.code == CANNOT_RUN:
        raise ToolError(f"{step}: {ending.stderr}")
    if -ending.code in _CRASHES:
        raise CrashError(f"{step}: ffmpeg crashed by signal {-ending.code}: {ending.stderr}")
    if ending.killed:
        raise RetryError(f"{step}: ffmpeg was killed by signal {-ending.code}: {ending.stderr}")
    require_disk(ending.code, ending.stderr, step, folder, limits.scratch_bytes)
    if "Cannot allocate memory" in ending.stderr:
        raise RetryError(f"{step}: {ending.stderr}")
    if ending.code != 0 and step == "encode":
        raise GiveUpError(FailureCode.CORRUPT, "The video cannot be decoded. Export it again and upload that.")
    if ending.code != 0:
        raise ToolError(f"{step}: ffmpeg ended with {ending.code}: {ending.stderr}")
