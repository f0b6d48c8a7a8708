"""What `vodstack demo` prints at its end."""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from vodstack_cli.client import Video
from vodstack_cli.verification import Picture
from vodstack_contracts.objects import MP4, MULTIVARIANT_PLAYLIST


@dataclass(kw_only=True)
class Report:
    """Everything the demo saw. `seconds` are by stage in the order they passed; `sizes` in bytes by published path."""

    video: Video
    pictures: Mapping[str, Picture]
    sizes: Mapping[str, int]
    seconds: Mapping[str, float]
    outputs: Mapping[str, object]


def print_report(console: Console, report: Report, *, kept: Path | None, with_outputs: bool) -> None:
    """Print what was found, the result last. `kept` is the folder that holds what was published, if there is one."""
    console.print(_renditions(report))
    _print_pairs(console, "Seconds by stage", {stage: f"{seconds:.1f}" for stage, seconds in report.seconds.items()})
    if with_outputs:
        _print_pairs(console, "Stack outputs", {name: value or "(empty)" for name, value in report.outputs.items()})
    for warning in report.video.warnings:
        console.print(f"warning: {warning.message} ({warning.code})", soft_wrap=True, highlight=False, markup=False)
    console.print("\n[bold green]ready[/]: uploaded, transcoded, decoded from the bucket; everything is stopped")
    console.print(_way_to_watch(kept), soft_wrap=True, highlight=False, markup=False)


def _renditions(report: Report) -> Table:
    table = Table(title="Renditions, decoded from the bucket", title_justify="left", title_style="bold")
    for column in ("rendition", "size", "frames", "length", "bitrate", "stored"):
        table.add_column(column, justify="left" if column == "rendition" else "right")
    for rendition in report.video.renditions:
        picture = report.pictures[rendition.name]
        table.add_row(
            rendition.name,
            f"{picture.width}x{picture.height}",
            str(picture.frames),
            f"{picture.seconds:.2f} s",
            f"{rendition.bitrate / 1000:,.0f} kbit/s",
            _megabytes(rendition.size_bytes),
        )
    mp4 = report.pictures["mp4"]
    table.add_row(
        "mp4",
        f"{mp4.width}x{mp4.height}",
        str(mp4.frames),
        f"{mp4.seconds:.2f} s",
        "",
        _megabytes(report.sizes[MP4]),
    )
    return table


def _way_to_watch(kept: Path | None) -> str:
    if kept:
        mp4, playlist = (shlex.quote(str(kept.absolute() / name)) for name in (MP4, MULTIVARIANT_PLAYLIST))
        return f"kept: open {mp4} in any player, or {playlist} in VLC or mpv"
    return "to watch it: `make demo KEEP=folder` keeps its files, `make up` serves players (docs/examples/player)"


def _print_pairs(console: Console, title: str, pairs: Mapping[str, object]) -> None:
    """One line each, never folded: what stands there is there to be copied."""
    console.print(f"\n[bold]{title}[/]")
    width = max(len(name) for name in pairs) + 2
    for name, value in pairs.items():
        console.print(f"  {name:<{width}}{value}", soft_wrap=True, highlight=False, markup=False)


def _megabytes(size: int) -> str:
    return f"{size / 1_000_000:.2f} MB"
