"""Captions: the source's tracks of text as WebVTT on the output's timeline, each with its playlist."""

import asyncio
from dataclasses import replace
from pathlib import Path

import imageio_ffmpeg
import structlog

from vodstack_contracts.objects import CAPTIONS
from vodstack_worker.arguments import OUTPUT, QUIET, protocols_for
from vodstack_worker.caption_tracks import CaptionFile
from vodstack_worker.codecs import CAPTION_WHITELIST
from vodstack_worker.confine import CANNOT_RUN
from vodstack_worker.containers import DEMUXERS
from vodstack_worker.cues import read_cues, write_cues
from vodstack_worker.errors import RetryError, ToolError
from vodstack_worker.media_process import Ending, FileServer, Limits, run_tool
from vodstack_worker.plans import Plan
from vodstack_worker.playlists import caption_playlist
from vodstack_worker.probed import MAX_STREAMS
from vodstack_worker.scratch import make_folder, require_disk
from vodstack_worker.tool_files import JobFiles

_RAW = "raw-captions"
_MOST_BYTES = 2 * 1024 * 1024
_MAX_ALLOCATION_BYTES = 64 * 1024 * 1024
_WALL_SECONDS = 600.0
_STOPPED_BY_SIGNAL = 255
# WebVTT knows no negative times, and the muxer would move a whole track to lose them: all is read later by so much.
_LEAD_SECONDS = 86_400


async def make_captions(
    folder: Path, plan: Plan, limits: Limits, source: str, *, relay: FileServer | None = None
) -> list[CaptionFile]:
    """Write them below `folder`. What cannot be read is left out: a video plays without. Raises RetryError."""
    probe = plan.probe
    log = structlog.get_logger()
    if not probe.captions:
        return []
    if probe.corrections.pieces:
        log.warning("captions left out", count=len(probe.captions), reason="timestamps jump")
        return []
    make_folder(folder, f"{OUTPUT}/{_RAW}", limits.uid)
    wall = _WALL_SECONDS + probe.facts.duration_seconds
    bounded = replace(limits, wall_seconds=wall, cpu_seconds=int(wall))
    arguments = caption_arguments(plan, source, bounded.cpu_seconds)
    ending = await run_tool(imageio_ffmpeg.get_ffmpeg_exe(), arguments, folder, bounded, relay=relay)
    _require_end(ending, folder, limits)
    if ending.exceeded or ending.code == _STOPPED_BY_SIGNAL:
        log.warning("captions left out", count=len(probe.captions), reason=ending.exceeded or "CPU time")
        return []
    made = await asyncio.to_thread(_write, folder, plan)
    if ending.code or len(made) < len(probe.captions):
        missing = len(probe.captions) - len(made)
        log.warning("captions left out", count=missing, reason="empty or unreadable", error=ending.stderr[-500:])
    return made


def caption_arguments(plan: Plan, source: str, cpu_seconds: int) -> list[str]:
    """One run, that copies nothing and decodes text alone."""
    probe = plan.probe
    # The packets of a text are moved to their neighbours' times where libavformat itself obeys an edit list.
    edits = ["-advanced_editlist", "0"] if probe.demuxer == "mov" else []
    return [
        *QUIET,
        *("-max_alloc", str(_MAX_ALLOCATION_BYTES), "-timelimit", str(cpu_seconds)),
        *("-protocol_whitelist", protocols_for(source), "-format_whitelist", DEMUXERS[probe.demuxer]),
        *("-codec_whitelist", CAPTION_WHITELIST, "-max_streams", str(MAX_STREAMS)),
        *("-copyts", "-itsoffset", f"{_LEAD_SECONDS - probe.grid.origin:.9f}"),
        *edits,
        *("-f", probe.demuxer, "-i", source),
        *(word for number, track in enumerate(probe.captions) for word in _output(number, track.index)),
    ]


def _output(number: int, index: int) -> list[str]:
    return [
        *("-map", f"0:{index}", "-map_metadata", "-1", "-map_chapters", "-1", "-c:s", "webvtt"),
        # A byte more than is taken, so that a track that was cut off is told from one that just fits.
        *(
            "-avoid_negative_ts",
            "disabled",
            "-fs",
            str(_MOST_BYTES + 1),
            "-f",
            "webvtt",
            f"{OUTPUT}/{_RAW}/{number}.vtt",
        ),
    ]


def _require_end(ending: Ending, folder: Path, limits: Limits) -> None:
    require_disk(ending.code, ending.stderr, "captions", folder, limits.scratch_bytes)
    if ending.killed or ending.code == CANNOT_RUN:
        raise ToolError(f"captions: ffmpeg ended with {ending.code}: {ending.stderr}")


def _write(folder: Path, plan: Plan) -> list[CaptionFile]:
    files = JobFiles(folder)
    duration = plan.probe.facts.duration_seconds
    made: list[CaptionFile] = []
    for number, track in enumerate(plan.probe.captions):
        try:
            raw = files.read(f"{_RAW}/{number}.vtt", _MOST_BYTES)
        except RetryError:
            continue
        found = read_cues(raw.decode("utf-8", "replace"), before=_LEAD_SECONDS, length=duration)
        text = write_cues(found).encode()
        if not found or len(text) > _MOST_BYTES:
            continue
        file = CaptionFile(track=track, name=str(number), size_bytes=len(text))
        files.write(f"{CAPTIONS}/{file.name}.vtt", text)
        files.write(f"{CAPTIONS}/{file.name}.m3u8", caption_playlist(file, duration).encode())
        made.append(file)
    return made
