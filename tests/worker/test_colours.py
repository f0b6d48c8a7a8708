"""Red stays red: what comes out is tagged, and its numbers mean by their tags what those of the source meant."""

import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.frame import VideoFrame
from av.video.plane import VideoPlane
from tests.worker.conftest import Transcode

from vodstack_worker.thumbnails import plan_sheets

Colour = tuple[int, int, int]
PATCHES: tuple[Colour, ...] = ((255, 0, 0), (0, 255, 0), (0, 128, 0), (128, 128, 128))
GREYS: tuple[Colour, ...] = ((0, 0, 0), (64, 64, 64), (128, 128, 128), (255, 255, 255))
NEAR = 2
# Of a JPEG: its own quantization comes on top.
NEAR_IN_JPEG = 4
# Shares of red and of blue in luma, by the number that ITU-T H.273 gives the matrix.
LUMA = {
    1: (0.2126, 0.0722),
    4: (0.30, 0.11),
    5: (0.299, 0.114),
    6: (0.299, 0.114),
    7: (0.212, 0.087),
    9: (0.2627, 0.0593),
}
LIMITED, FULL = 1, 2
YCGCO = 8


@dataclass(frozen=True)
class Patches:
    """A source of four patches. `matrix` makes its numbers of RGB, None leaves them; `tags` are said of its frames.

    `out` is the matrix that is expected, `primaries` those.
    """

    name: str
    encoding: Sequence[str] = ("-c:v", "ffv1")
    matrix: int | None = None
    pixels: str = "yuv420p"
    bits: int = 8
    full: bool = False
    tags: str = ""
    size: tuple[int, int] = (1280, 64)
    patches: tuple[Colour, ...] = PATCHES
    out: int = 1
    primaries: int = 1


X264 = ("-c:v", "libx264", "-preset", "ultrafast", "-qp", "0")
SD, PAL = (320, 96), (320, 288)
BT2020 = "colorspace=bt2020nc:color_primaries=bt2020:color_trc=bt2020-10"
QUICK = [
    Patches("h264rgb.mp4", ("-c:v", "libx264rgb", "-qp", "0"), pixels="bgr24"),
    Patches("qtrle.mov", ("-c:v", "qtrle"), pixels="rgb24"),
    Patches("rgb_sd.mkv", pixels="gbrp", size=SD),
    Patches("untagged_hd.mp4", X264, matrix=1),
    Patches("untagged_sd.mp4", X264, matrix=6, size=SD, out=6, primaries=6),
    Patches("untagged_pal.mp4", X264, matrix=5, size=PAL, out=5, primaries=5),
    Patches("tagged_601_hd.mp4", X264, matrix=6, tags="colorspace=smpte170m"),
    Patches("full_709.mp4", X264, matrix=1, full=True, tags="colorspace=bt709"),
    Patches("camera.avi", ("-c:v", "mjpeg", "-q:v", "1"), matrix=5, full=True, pixels="yuvj422p"),
    Patches("bt2020.mkv", matrix=9, pixels="yuv420p10le", bits=10, tags=BT2020, primaries=9),
    Patches("gbr_matrix.mp4", (*X264, "-bsf:v", "h264_metadata=matrix_coefficients=0"), matrix=1),
    Patches("grey.mkv", pixels="gray", patches=GREYS),
]
SLOW = [
    Patches("png.mov", ("-c:v", "png"), pixels="rgb24"),
    Patches("utvideo.mkv", ("-c:v", "utvideo"), pixels="gbrp"),
    Patches("raw.avi", ("-c:v", "rawvideo"), pixels="bgr24", size=SD),
    Patches("deep_rgb.mkv", pixels="gbrp10le"),
    Patches("alpha.mov", ("-c:v", "png"), pixels="rgba", size=SD),
    Patches("tagged_601_sd.mkv", matrix=6, tags="colorspace=smpte170m", size=SD, out=6, primaries=6),
    Patches("tagged_709_sd.mkv", matrix=1, tags="colorspace=bt709", size=SD),
    Patches("full_601.mp4", X264, 6, full=True, tags="colorspace=smpte170m", size=SD, out=6, primaries=6),
    Patches("deep_444.mkv", matrix=9, pixels="yuv444p12le", bits=12, tags="colorspace=bt2020nc", primaries=9),
    Patches("p3.mkv", matrix=6, tags="colorspace=smpte170m:color_primaries=smpte432", primaries=12),
    Patches("smpte240m.mkv", matrix=7, pixels="yuv422p10le", bits=10, tags="colorspace=smpte240m"),
    Patches("fcc.mkv", matrix=4, tags="colorspace=fcc"),
    Patches("vp8.webm", ("-c:v", "libvpx", "-qmin", "0", "-qmax", "4", "-b:v", "5M"), matrix=6),
    Patches("hevc.mp4", ("-c:v", "libx265", "-x265-params", "lossless=1:log-level=none"), matrix=1),
    Patches("mpeg2.ts", ("-c:v", "mpeg2video", "-qscale:v", "1", "-r", "25"), matrix=1),
    Patches("prores.mov", ("-c:v", "prores_ks"), matrix=1, pixels="yuv422p10le", bits=10),
    Patches("ycgco.mkv", matrix=YCGCO, pixels="yuv444p", tags="colorspace=ycgco"),
    Patches("grey_png.mov", ("-c:v", "png"), pixels="gray", size=SD, patches=GREYS, out=6, primaries=6),
]


def to_numbers(colour: Colour, matrix: int, bits: int, *, full: bool) -> list[int]:
    """Y, Cb and Cr by the standard's own arithmetic."""
    red, green, blue = (part / 255 for part in colour)
    if matrix == YCGCO:
        luma, first, second = (red + 2 * green + blue) / 4, (2 * green - red - blue) / 4, (red - blue) / 2
    else:
        of_red, of_blue = LUMA[matrix]
        luma = of_red * red + (1 - of_red - of_blue) * green + of_blue * blue
        first, second = (blue - luma) / (2 - 2 * of_blue), (red - luma) / (2 - 2 * of_red)
    depth = 1 << (bits - 8)
    largest = 256 * depth - 1
    scale, zero, chroma = (largest, 0, largest) if full else (219 * depth, 16 * depth, 224 * depth)
    numbers = zero + scale * luma, 128 * depth + chroma * first, 128 * depth + chroma * second
    return [min(largest, round(number)) for number in numbers]


def to_colour(luma: float, blue: float, red: float, matrix: int, *, full: bool) -> Colour:
    of_red, of_blue = LUMA[matrix]
    zero, scale, chroma = (0, 255, 255) if full else (16, 219, 224)
    bright = (luma - zero) / scale
    r = bright + (2 - 2 * of_red) * (red - 128) / chroma
    b = bright + (2 - 2 * of_blue) * (blue - 128) / chroma
    g = (bright - of_red * r - of_blue * b) / (1 - of_red - of_blue)
    r, g, b = (round(255 * min(1.0, max(0.0, part))) for part in (r, g, b))
    return r, g, b


def make(ffmpeg: str, folder: Path, source: Patches, *, offset: float = 0) -> Path:
    """Raw pixels of our own arithmetic go in; ffmpeg changes their packing and tags, never what they mean."""
    path = folder / source.name
    width, height = source.size
    if source.matrix is None:
        form = "gray" if source.pixels == "gray" else "rgb24"
        pixels = [colour[: 1 if form == "gray" else 3] for colour in source.patches]
        raw = np.repeat(np.array(pixels, np.uint8), width // 4, axis=0)
        data = np.broadcast_to(raw, (height, *raw.shape)).tobytes()
        tags = ""
    else:
        form = "yuv444p" if source.bits == 8 else f"yuv444p{source.bits}le"
        numbers = [to_numbers(colour, source.matrix, source.bits, full=source.full) for colour in source.patches]
        rows = np.repeat(np.array(numbers, np.uint16 if source.bits > 8 else np.uint8), width // 4, axis=0).T
        data = np.repeat(rows, height, axis=0).tobytes()
        tags = f"setparams=range={'pc' if source.full else 'tv'},"
    said = f",setparams={source.tags}" if source.tags else ""
    filters = f"{tags}format={source.pixels}{said}"
    raw_input = ["-f", "rawvideo", "-pix_fmt", form, "-s", f"{width}x{height}", "-r", "10", "-i", "-"]
    later = ("-output_ts_offset", str(offset)) if offset else ()
    command = [ffmpeg, "-v", "error", "-y", *raw_input, "-vf", filters, *source.encoding, *later, path]
    subprocess.run(command, input=2 * data, check=True)
    return path


def last_frame(path: Path) -> VideoFrame:
    with av.open(str(path)) as container:
        return list(container.decode(video=0))[-1]


def shown(frame: VideoFrame, matrix: int, *, full: bool, size: tuple[int, int] | None = None) -> list[Colour]:
    """The colour of each patch of a frame in 4:2:0, or of its corner of that size, by its numbers."""
    width, height = size or (frame.width, frame.height)
    luma, blue, red = frame.planes
    parts = middles(luma, width, height), middles(blue, width // 2, height // 2), middles(red, width // 2, height // 2)
    return [to_colour(*numbers, matrix, full=full) for numbers in zip(*parts, strict=True)]


def middles(plane: VideoPlane, width: int, height: int) -> list[float]:
    """The mean of a plane's numbers around the middle of each patch, for an encoder keeps no single one."""
    numbers = np.frombuffer(bytes(plane), np.uint8).reshape(-1, plane.line_size)
    rows = numbers[height // 4 : height - height // 4]
    eighth = width // 8
    return [
        float(rows[:, place * eighth - eighth // 2 : place * eighth + eighth // 2].mean()) for place in (1, 3, 5, 7)
    ]


def distance(found: Iterable[Colour], right: Iterable[Colour]) -> int:
    return max(abs(a - b) for pair in zip(found, right, strict=True) for a, b in zip(*pair, strict=True))


def told(frame: VideoFrame) -> tuple[int, int, int]:
    return int(frame.color_primaries), int(frame.colorspace), int(frame.color_range)


@pytest.mark.parametrize(
    "source",
    [*QUICK, *(pytest.param(source, marks=pytest.mark.prove) for source in SLOW)],
    ids=lambda source: source.name,
)
def test_colours_are_right_by_the_tags_of_what_comes_out(
    source: Patches, ffmpeg: str, tmp_path: Path, transcode: Transcode
):
    made = transcode(make(ffmpeg, tmp_path, source))
    smallest = made.hls / made.plan.rungs[-1].name / "index.m3u8"
    for path in (made.mp4, smallest):
        frame = last_frame(path)
        assert told(frame) == (source.primaries, source.out, LIMITED)
        assert int(frame.color_trc) in {1, 6, 14}
        found = shown(frame, source.out, full=False)
        assert distance(found, source.patches) <= NEAR, found
    # A JPEG is in sRGB, to which wider primaries are converted.
    if source.primaries in {1, 5, 6}:
        out = made.folder
        sheets = plan_sheets(made.plan, made.plan.rungs[-1], 0.2)
        for path, size in ((out / "poster.jpg", None), (out / "thumbnails/000.jpg", (sheets.width, sheets.height))):
            found = shown(last_frame(path), 5, full=True, size=size)
            assert distance(found, source.patches) <= NEAR_IN_JPEG, found


def test_colours_stay_right_when_matrix_and_range_change_on_the_way(ffmpeg: str, tmp_path: Path, transcode: Transcode):
    pieces = [
        Patches("first.ts", X264, matrix=1, tags="colorspace=bt709"),
        Patches("second.ts", X264, matrix=6, full=True, tags="colorspace=smpte170m"),
    ]
    spliced = tmp_path / "spliced.ts"
    paths = [make(ffmpeg, tmp_path, piece, offset=0.2 * number) for number, piece in enumerate(pieces)]
    spliced.write_bytes(b"".join(path.read_bytes() for path in paths))
    made = transcode(spliced)
    with av.open(str(made.mp4)) as container:
        frames = list(container.decode(video=0))
    for frame in (frames[0], frames[-1]):
        assert told(frame) == (1, 1, LIMITED)
        found = shown(frame, 1, full=False)
        assert distance(found, PATCHES) <= NEAR, found


@pytest.mark.prove
@pytest.mark.parametrize("transfer", ["smpte2084", "arib-std-b67"])
def test_hdr_comes_out_as_bt709_with_neutral_greys(transfer: str, ffmpeg: str, tmp_path: Path, transcode: Transcode):
    tags = f"colorspace=bt2020nc:color_primaries=bt2020:color_trc={transfer}"
    source = Patches("hdr.mkv", matrix=9, pixels="yuv420p10le", bits=10, tags=tags, patches=GREYS)
    made = transcode(make(ffmpeg, tmp_path, source))
    frame = last_frame(made.mp4)
    assert (*told(frame), int(frame.color_trc)) == (1, 1, LIMITED, 1)
    found = shown(frame, 1, full=False)
    assert all(max(colour) - min(colour) <= NEAR for colour in found), found
    assert found == sorted(found)
