"""Chunks of whatever cameras and editors write: the very frames of one pass, in time and in sync, across every join."""

import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from io import BytesIO
from pathlib import Path
from typing import Any

import av
import pytest
from msgspec import structs
from tests.worker.running import SMALL_CHUNKS

from vodstack_contracts.objects import rendition_prefix
from vodstack_contracts.videos import Status, Way
from vodstack_worker.arguments import input_arguments
from vodstack_worker.filters import filter_graphs
from vodstack_worker.fragments import read_fragments
from vodstack_worker.media_process import Limits
from vodstack_worker.plans import Chunk, Plan, Share, plan_chunks, plan_encode
from vodstack_worker.probe import probe
from vodstack_worker.scratch import Scratch

CHUNK_SECONDS = 4.0
PERIOD = 7
X264 = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p")
OPEN = (*X264, "-preset", "veryfast", "-bf", "3", "-x264-params", "open-gop=1:keyint=30:scenecut=0")
VP9 = ("-c:v", "libvpx-vp9", "-cpu-used", "8", "-deadline", "realtime", "-g", "25")
AAC = ("-c:a", "aac")
BEEP = f"aevalsrc='if(lt(mod(t-1+{PERIOD}\\,{PERIOD})\\,0.3),0.8*sin(2*PI*1000*t),0)':s=48000"
FLASH = f"drawbox=x=0:y=0:w=96:h=108:t=fill:c=white:enable='lt(mod(t-1+{PERIOD}+0.001\\,{PERIOD})\\,0.299)'"


@dataclass(frozen=True)
class Source:
    """A file, how it is made, and, where it cannot be cut, why."""

    name: str
    encoding: Sequence[str] = (*X264, "-g", "25", *AAC)
    rate: str = "25"
    picture: str = ""
    seconds: int = 16
    cut: str = ""
    reason: str = ""


def hevc(*more: str) -> Sequence[str]:
    return ("-c:v", "libx265", "-preset", "ultrafast", "-x265-params", ":".join(("log-level=none", *more)), *AAC)


SPARSE = r",select='not(between(mod(t\,7)\,3\,5.7))'"
SOURCES = [
    Source("closed.mp4"),
    Source("open.mp4", encoding=(*OPEN, *AAC)),
    Source("open.ts", encoding=(*OPEN, *AAC)),
    Source("cra.mp4", encoding=hevc("keyint=30", "open-gop=1", "bframes=3")),
    Source("variable.mp4", picture=SPARSE, seconds=30, encoding=("-fps_mode", "vfr", *X264, "-g", "12", *AAC)),
    Source("variable.mkv", picture=SPARSE, seconds=30, encoding=("-fps_mode", "vfr", *X264, "-g", "12", *AAC)),
    Source("late_picture.mov", encoding=("-vf", "setpts=PTS+0.4/TB", *X264, "-g", "25", *AAC)),
    Source("edited.mov", cut="0.7"),
    Source("late_start.ts", encoding=(*X264, "-g", "25", *AAC, "-output_ts_offset", "5001")),
    Source("wrap.ts", encoding=(*X264, "-g", "25", *AAC, "-output_ts_offset", f"{2**33 / 90_000 - 6.0}")),
    Source("ten_bit.mp4", rate="30000/1001", encoding=(*X264, "-pix_fmt", "yuv420p10le", "-g", "30", *AAC)),
    Source("ten_bit.mkv", rate="30000/1001", encoding=(*X264, "-pix_fmt", "yuv420p10le", "-g", "30", *AAC)),
    Source("clip.webm", encoding=(*VP9, "-c:a", "libopus")),
    Source("interlaced.ts", encoding=("-c:v", "mpeg2video", "-flags", "+ildct+ilme", "-g", "12", "-c:a", "mp2")),
    Source("camera.avi", encoding=("-c:v", "mjpeg", "-c:a", "pcm_s16le"), reason="avi files cannot be found exactly"),
    Source("one_key.mp4", encoding=(*X264, "-g", "9999", *AAC), reason="one key frame only"),
    Source("long_groups.mp4", encoding=(*X264, "-g", "150", *AAC), reason="key frames lie up to 6 seconds apart"),
]  # fmt: skip
CROSS_SECTION = {"open.mp4", "edited.mov", "wrap.ts"}


def make(ffmpeg: str, folder: Path, source: Source) -> Path:
    path = folder / source.name
    picture = f"testsrc2=s=192x108:r={source.rate}:d={source.seconds},{FLASH}"
    inputs = ["-f", "lavfi", "-i", picture + source.picture, "-f", "lavfi", "-i", f"{BEEP}:d={source.seconds}"]
    subprocess.run([ffmpeg, "-v", "error", "-y", *inputs, *source.encoding, path], check=True)
    if not source.cut:
        return path
    cut = folder / f"cut_{source.name}"
    # A cut by copy keeps the key frame before it, and hides what comes before the cut by an edit list.
    subprocess.run([ffmpeg, "-v", "error", "-ss", source.cut, "-i", path, "-c", "copy", cut], check=True)
    return cut


def marked(sources: list[Source]) -> list[Any]:
    return [
        pytest.param(source, id=source.name, marks=() if source.name in CROSS_SECTION else pytest.mark.prove)
        for source in sources
    ]


def largest_rung(plan: Plan, share: Share) -> list[str]:
    """Filter graphs whose one output, `r0`, is what enters the encoder of the largest rendition."""
    graphs = filter_graphs(structs.replace(plan, rungs=plan.rungs[:1]), share)
    return [word for graph in graphs for word in ("-filter_complex", graph)]


def frames(ffmpeg: str, plan: Plan, folder: Path, chunk: Chunk | None) -> list[tuple[Fraction, str]]:
    """When each frame enters the encoder, and its hash."""
    share = Share(chunk=chunk, audio=False)
    command = [ffmpeg, "-v", "error", *input_arguments(plan, share), *largest_rung(plan, share)]
    output = [
        "-map",
        "[r0]",
        "-fps_mode",
        "passthrough",
        "-avoid_negative_ts",
        "disabled",
        "-f",
        "framehash",
        "-hash",
        "md5",
        "-",
    ]
    made = subprocess.run([*command, *output], cwd=folder, check=True, capture_output=True, text=True)
    (clock,) = [line.split()[-1] for line in made.stdout.splitlines() if line.startswith("#tb")]
    rows = [line.split(",") for line in made.stdout.splitlines() if not line.startswith("#")]
    return [(Fraction(clock) * int(row[2]), row[-1].strip()) for row in rows]


@pytest.mark.parametrize("source", marked(SOURCES))
async def test_the_frames_of_all_chunks_are_those_of_one_pass(
    source: Source, ffmpeg: str, tmp_path: Path, scratch: Scratch, limits: Limits
):
    path = make(ffmpeg, tmp_path, source)
    with scratch.job() as folder:
        path.rename(folder / "source")
        plan = plan_encode(await probe(folder, limits, max_duration=60), threads=2)
        chunks = plan_chunks(plan, CHUNK_SECONDS)
        if source.reason:
            assert isinstance(chunks, str)
            assert source.reason in chunks
            return
        assert isinstance(chunks, list)
        assert len(chunks) > 1
        whole = frames(ffmpeg, plan, folder, None)
        pieces = [frames(ffmpeg, plan, folder, chunk) for chunk in chunks]
        assert [len(piece) for piece in pieces[:-1]] == [chunk.end - chunk.first for chunk in chunks[:-1]]
        assert [frame for piece in pieces for frame in piece] == whole
        assert len({when for when, _ in whole}) == len(whole)


def onsets(path: Path, kind: str) -> list[float]:
    """When each flash or beep begins."""
    found: list[float] = []
    with av.open(str(path)) as container:
        quiet = True
        for frame in container.decode(**{kind: 0}):
            for moment, loud in bright(frame) if kind == "video" else audible(frame):
                if loud and quiet:
                    found.append(moment)
                # A tone crosses zero: only half a second of silence ends a beep.
                quiet = not loud and (quiet or not found or moment - found[-1] > 0.5)
    return found


def bright(frame: Any) -> Iterator[tuple[float, bool]]:
    """The left half is black but for the flash; its corner is looked at."""
    plane = frame.to_ndarray(format="gray")
    yield float(frame.time), float(plane[40:60, 20:60].mean()) > 235


def audible(frame: Any) -> Iterator[tuple[float, bool]]:
    levels = abs(frame.to_ndarray()[0])
    for index in range(0, len(levels), 24):
        yield float(frame.time) + index / frame.sample_rate, bool(levels[index : index + 24].max() > 0.1)


def vmaf(ffmpeg: str, plan: Plan, folder: Path, made: Path) -> float:
    """How like the source a result looks, frame by frame."""
    share = Share(audio=False)
    filters = "[r0]setpts=N[source];[1:v]setpts=N[made];[made][source]libvmaf=n_threads=2"
    graphs = [*largest_rung(plan, share), "-filter_complex", filters]
    command = [ffmpeg, *input_arguments(plan, share), "-i", made, *graphs, "-f", "null", "-"]
    said = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stderr
    return float(said.rpartition("VMAF score: ")[2].split()[0])


@pytest.mark.prove
@pytest.mark.parametrize("source", [source for source in SOURCES if not source.reason], ids=lambda source: source.name)
def test_what_was_joined_from_chunks_plays_as_one(
    source: Source, ffmpeg: str, tmp_path: Path, *, videos: Any, workers: Any, transcode: Any
):
    path = make(ffmpeg, tmp_path, source)
    worker = workers.start(**SMALL_CHUNKS)
    video_id = videos.upload(path)
    record = videos.wait_until(video_id, Status.READY, Status.FAILED)
    assert record.status is Status.READY, worker.log()
    assert record.plan.way is Way.CHUNKS, record.plan
    folder = videos.fetch(rendition_prefix(video_id), tmp_path / "published")
    whole = transcode(path)

    playlist = folder / "hls/108p/index.m3u8"
    assert playlist.read_text().count("EXT-X-MAP") == 1
    assert "DISCONTINUITY" not in playlist.read_text()
    with av.open(str(playlist)) as stream:
        times = [float(frame.time or 0) for frame in stream.decode(video=0)]
    assert times == pytest.approx([number / float(whole.plan.probe.rate) for number in range(len(times))], abs=0.0005)
    with av.open(str(whole.mp4)) as mp4:
        assert len(times) == len(list(mp4.decode(video=0)))
    sound = sorted((folder / "hls/audio").glob("*.m4s"))
    begins = [read_fragments(BytesIO(each.read_bytes())).begins for each in sound]
    assert begins[0] == 0
    assert begins == sorted(set(begins))

    made = folder / "video.mp4"
    flashes, beeps = onsets(made, "video"), onsets(made, "audio")
    assert len(flashes) == len(beeps) >= 3
    offsets = [flash - beep for flash, beep in zip(flashes, beeps, strict=True)]
    usual = [flash - beep for flash, beep in zip(onsets(whole.mp4, "video"), onsets(whole.mp4, "audio"), strict=True)]
    assert offsets == pytest.approx(usual, abs=0.005)
    assert abs(vmaf(ffmpeg, whole.plan, whole.job, made) - vmaf(ffmpeg, whole.plan, whole.job, whole.mp4)) <= 0.5
