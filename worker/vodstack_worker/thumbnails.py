"""Small pictures for a player's seek bar: sheets of them, and the WebVTT file that says which is where."""

from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path, PurePosixPath

import imageio_ffmpeg

from vodstack_contracts.objects import THUMBNAILS
from vodstack_worker.arguments import OUTPUT, QUIET, protocols_for
from vodstack_worker.colours import jpeg_filters
from vodstack_worker.errors import RetryError
from vodstack_worker.ladder import Rung
from vodstack_worker.media_process import FileServer, Limits, run_tool
from vodstack_worker.plans import Plan
from vodstack_worker.scratch import make_folder
from vodstack_worker.tool_files import JobFiles
from vodstack_worker.transcode import require_success

_COLUMNS = 10
_ROWS = 10
_LONG_SIDE = 160
_MOST = 1000
_WALL_SECONDS = 600.0
_HOME = PurePosixPath(THUMBNAILS).parent.as_posix()


@dataclass(frozen=True, kw_only=True)
class Sheets:
    """How a video's pictures are cut: one for every `groups` key frames, each `width` by `height`."""

    groups: int
    interval: Fraction
    width: int
    height: int
    duration: float

    @property
    def count(self) -> int:
        return max(1, -(-Fraction(self.duration).limit_denominator(1_000_000) // self.interval))

    @property
    def files(self) -> int:
        """How many sheets they fill."""
        return -(-self.count // (_COLUMNS * _ROWS))


async def make_thumbnails(
    folder: Path, plan: Plan, limits: Limits, playlist: str, duration: float, *, relay: FileServer | None = None
) -> None:
    """Write sheets and WebVTT. Key frames of the smallest rendition, the `playlist`, are decoded. Raises RetryError."""
    rung = plan.rungs[-1]
    sheets = plan_sheets(plan, rung, duration)
    home = f"{OUTPUT}/{_HOME}"
    make_folder(folder, home, limits.uid)
    wall = _WALL_SECONDS + sheets.duration
    bounded = replace(limits, wall_seconds=wall, cpu_seconds=int(wall))
    arguments = _arguments(plan, sheets, playlist, home)
    ending = await run_tool(imageio_ffmpeg.get_ffmpeg_exe(), arguments, folder, bounded, relay=relay)
    require_success(ending, "thumbnails", folder, limits)
    files = JobFiles(folder)
    written = [name for name in files.names(_HOME) if name.endswith(".jpg")]
    if len(written) != sheets.files:
        raise RetryError(f"{len(written)} sheets of thumbnails were written for {sheets.count} pictures")
    files.write(THUMBNAILS, cues(sheets).encode())


def sheet_names(plan: Plan, duration: float) -> list[str]:
    """The files of the sheets of a video whose smallest rendition is so long."""
    sheets = plan_sheets(plan, plan.rungs[-1], duration)
    return [f"{_HOME}/{number:03d}.jpg" for number in range(sheets.files)]


def plan_sheets(plan: Plan, rung: Rung, duration: float) -> Sheets:
    """A picture for every key frame, or for every so many of them where there would be more than a thousand."""
    group = Fraction(plan.group) / plan.probe.rate
    groups = max(1, -int(-duration // float(group * _MOST)))
    scale = _LONG_SIDE / max(rung.width, rung.height)
    return Sheets(
        groups=groups,
        interval=group * groups,
        width=_even(rung.width * scale),
        height=_even(rung.height * scale),
        duration=duration,
    )


def cues(sheets: Sheets) -> str:
    """The WebVTT file: each cue names a sheet and the place of a picture on it."""
    lines = ["WEBVTT", ""]
    for number in range(sheets.count):
        sheet, place = divmod(number, _COLUMNS * _ROWS)
        row, column = divmod(place, _COLUMNS)
        end = min(float((number + 1) * sheets.interval), sheets.duration)
        lines += [
            f"{_clock(float(number * sheets.interval))} --> {_clock(end)}",
            f"{sheet:03d}.jpg#xywh={column * sheets.width},{row * sheets.height},{sheets.width},{sheets.height}",
            "",
        ]
    return "\n".join(lines)


def _arguments(plan: Plan, sheets: Sheets, playlist: str, home: str) -> list[str]:
    filters = [
        f"select='not(mod(n,{sheets.groups}))'",
        *jpeg_filters(plan.probe.colours, sheets.width, sheets.height),
        f"tile={_COLUMNS}x{_ROWS}",
    ]
    return [
        *QUIET,
        *("-skip_frame", "nokey", "-protocol_whitelist", protocols_for(playlist), "-f", "hls", "-i", playlist),
        *("-map", "0:v:0", "-vf", ",".join(filters), "-fps_mode", "passthrough", "-q:v", "5"),
        *("-f", "image2", "-start_number", "0", f"{home}/%03d.jpg"),
    ]


def _even(length: float) -> int:
    return max(2, round(length / 2) * 2)


def _clock(seconds: float) -> str:
    milliseconds = round(seconds * 1000)
    minutes, rest = divmod(milliseconds, 60_000)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{rest // 1000:02d}.{rest % 1000:03d}"
