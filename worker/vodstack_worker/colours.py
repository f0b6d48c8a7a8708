"""Colours of a source, and the filters that turn its decoded frames into tagged ones of one kind.

docs/adr/0075-one-matrix-for-all-renditions.md. Numbers of primaries, transfers and matrices are those of ITU-T H.273.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from av.video.frame import VideoFrame

_BT709 = 1
_BT601_625 = 5
_BT601_525 = 6
_BT2020 = 9
_BT601 = frozenset({_BT601_625, _BT601_525})
_HDR_TRANSFERS = frozenset({16, 18})  # PQ and HLG
# What encoder, players and zscale know.
_PRIMARIES = frozenset({1, 4, 5, 6, 7, 8, 9, 11, 12})
_WIDE_PRIMARIES = frozenset({8, 9, 11, 12})
_TRANSFERS = frozenset({1, 4, 5, 6, 7, 8, 9, 10, 11, 13, 14, 15}) | _HDR_TRANSFERS
_MATRICES = frozenset({1, 4, 5, 6, 7, 9})
# YCgCo, BT.2020 with constant luminance, and matrices that follow from primaries: swscale fails on them.
_ZSCALE_MATRICES = frozenset({8, 10, 12})
_FULL_RANGE = 2
_SD_WIDTH, _SD_HEIGHT = 1280, 576
_HEIGHTS_OF_625_LINES = frozenset({288, 576})
# Without them, swscale is off by up to 4 of 255 where it changes the matrix.
_SCALE_FLAGS = "bicubic+accurate_rnd+full_chroma_int"
_TONE_MAP = (
    "zscale=t=linear:npl=100:p=bt709",
    "format=gbrpf32le",
    "tonemap=hable:desat=0",
    "zscale=t=bt709:m=bt709:r=tv",
)


@dataclass(frozen=True, kw_only=True)
class Tags:
    """What a decoded frame says of its colours. `is_rgb` counts palettes in."""

    primaries: int
    transfer: int
    matrix: int
    is_rgb: bool
    is_full: bool
    width: int
    height: int


class Colours(Struct, frozen=True, kw_only=True):
    """Those of the output, and how those of the source are read.

    `assumed_matrix` is the one of frames that name none. `zscale_matrix` is the source's where only zscale knows it.
    `is_full` says that the source's numbers use the full range, and are not RGB.
    `hdr_transfer` and `hdr_primaries` are the source's where it has to be mapped to SDR.
    """

    primaries: int = _BT709
    transfer: int = _BT709
    matrix: int = _BT709
    assumed_matrix: int | None = None
    zscale_matrix: int | None = None
    is_full: bool = False
    hdr_transfer: int | None = None
    hdr_primaries: int = _BT2020


def read_tags(frame: "VideoFrame") -> Tags:
    return Tags(
        primaries=int(frame.color_primaries),
        transfer=int(frame.color_trc),
        matrix=int(frame.colorspace),
        is_rgb=frame.format.is_rgb or frame.format.has_palette,
        is_full=int(frame.color_range) == _FULL_RANGE or frame.format.name.startswith("yuvj"),
        width=frame.width,
        height=frame.height,
    )


def choose_colours(frames: Sequence[Tags]) -> Colours:
    """By the first frame that says anything. A source in RGB needs no guess; others are guessed as players do."""
    primaries = _first(frames, lambda frame: frame.primaries, _PRIMARIES)
    transfer = _first(frames, lambda frame: frame.transfer, _TRANSFERS)
    matrix = _first(frames, lambda frame: frame.matrix, _MATRICES | _ZSCALE_MATRICES)
    is_rgb = frames[0].is_rgb
    if transfer in _HDR_TRANSFERS:
        return Colours(
            assumed_matrix=None if is_rgb or matrix in _MATRICES else _BT2020,
            hdr_transfer=transfer,
            hdr_primaries=primaries or _BT2020,
        )
    guess = _guess(frames[0], primaries)
    is_sd = _is_sd(frames[0]) and not is_rgb and (matrix or guess) in _BT601
    output = (matrix or guess) if is_sd else _BT709
    return Colours(
        primaries=primaries or (_BT2020 if matrix in {_BT2020, 10} else output),
        transfer=transfer or (_BT601_525 if is_sd else _BT709),
        matrix=output,
        assumed_matrix=guess if matrix is None and not is_rgb else None,
        zscale_matrix=matrix if matrix in _ZSCALE_MATRICES else None,
        is_full=frames[0].is_full and not is_rgb,
    )


def convert_filters(colours: Colours, width: int | str, height: int | str, bars: str) -> list[str]:
    """Filters that make any decoded frame one of that size, in 4:2:0, 8 bits, limited range and the output's colours.

    Sizes may be expressions, and `bars` pads what they make smaller, before the filters that take no change of size.
    Matrix and range are those of each frame, so both may change on the way.
    """
    scale = f"scale=w='{width}':h='{height}':eval=frame:flags={_SCALE_FLAGS}"
    return [
        *([f"setparams=colorspace={colours.assumed_matrix}"] if colours.assumed_matrix else []),
        *(_by_zscale(colours) if colours.zscale_matrix else ()),
        *(_tone_mapped(colours, scale, bars) if colours.hdr_transfer else _scaled(colours, scale, bars)),
        "format=yuv420p",
        _tagged(colours.primaries, colours.transfer, colours.matrix),
    ]


def jpeg_filters(colours: Colours, width: int | str, height: int | str) -> list[str]:
    """Filters that make a JPEG of our own output: by JFIF in full range and BT.601, and shown as sRGB by browsers."""
    primaries = f":p={_BT709}" if colours.primaries in _WIDE_PRIMARIES else ""
    return [f"zscale=w='{width}':h='{height}':f=bicubic:m={_BT601_625}:r=full{primaries}", "format=yuvj420p"]


def _by_zscale(colours: Colours) -> list[str]:
    """To BT.709 first. What it is not told, zscale refuses to guess."""
    known = f"tin={colours.transfer}:t={colours.transfer}:pin={colours.primaries}:p={colours.primaries}"
    return [f"zscale=min={colours.zscale_matrix}:{known}:m={_BT709}:r=limited"]


def _scaled(colours: Colours, scale: str, bars: str) -> list[str]:
    """From full range by zscale: swscale rounds colour differences up there."""
    if not colours.is_full:
        return [f"{scale}:out_color_matrix={colours.matrix}:out_range=tv", bars]
    return [f"{scale}:out_color_matrix={colours.matrix}:out_range=pc", bars, "zscale=rin=full:r=limited"]


def _tone_mapped(colours: Colours, scale: str, bars: str) -> list[str]:
    """Scaled first, for mapping takes its time with each pixel."""
    tags = _tagged(colours.hdr_primaries, colours.hdr_transfer or 0, _BT2020)
    return [f"{scale}:out_color_matrix={_BT2020}:out_range=tv", "format=yuv420p10le", bars, tags, *_TONE_MAP]


def _tagged(primaries: int, transfer: int, matrix: int) -> str:
    return f"setparams=range=tv:color_primaries={primaries}:color_trc={transfer}:colorspace={matrix}"


def _first(frames: Iterable[Tags], read: Callable[[Tags], int], known: frozenset[int]) -> int | None:
    return next((value for value in map(read, frames) if value in known), None)


def _guess(frame: Tags, primaries: int | None) -> int:
    """By primaries where they settle it, then by size, as mpv and VLC guess."""
    if primaries in _BT601 | {_BT2020, _BT709}:
        return primaries
    if not _is_sd(frame):
        return _BT709
    return _BT601_625 if frame.height in _HEIGHTS_OF_625_LINES else _BT601_525


def _is_sd(frame: Tags) -> bool:
    return frame.width < _SD_WIDTH and frame.height <= _SD_HEIGHT
