"""Whatever cameras, phones and editors write becomes a stream that plays, in time and in sync.

Each source shows a white flash and sounds a beep at one and the same moment.
"""

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import pytest

FLASH_SECONDS = 1.0
LOUD = 0.1
WHITE = 128
H264 = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p")
AAC = ("-c:a", "aac")
BEEP = f"if(between(t,{FLASH_SECONDS},1.3),0.8*sin(2*PI*1000*t),0)"


@dataclass(frozen=True)
class Odd:
    """A source: its name, how it is encoded, and what is expected of it."""

    name: str
    encoding: Sequence[str] = (*H264, *AAC)
    size: str = "320x240"
    rate: str = "30"
    seconds: float = 2.0
    sound: str | None = f"aevalsrc='{BEEP}':s=48000:d=2"
    picture: str = ""
    displayed: tuple[int, int] = (320, 240)


def mono(rate: int) -> str:
    return f"aevalsrc='{BEEP}':s={rate}:d=2"


def hdr(tags: str) -> Sequence[str]:
    return (
        "-c:v",
        "libx265",
        "-preset",
        "ultrafast",
        "-pix_fmt",
        "yuv420p10le",
        "-x265-params",
        f"log-level=none:{tags}",
        *AAC,
    )


SURROUND = f"aevalsrc='{'|'.join([BEEP] * 6)}':c=5.1:s=48000:d=2"
TWO_TRACKS = ("-map", "0:v", "-map", "1:a", "-map", "1:a")

SOURCES = [
    Odd("plain.mp4"),
    Odd("silent.mp4", encoding=H264, sound=None),
    Odd("odd_size.mkv", size="321x241", encoding=("-c:v", "ffv1", "-c:a", "flac"), displayed=(321, 241)),
    Odd("tiny.mp4", size="66x50", displayed=(66, 50)),
    Odd("ten_bit_422.mov", encoding=("-c:v", "prores_ks", "-profile:v", "2", "-c:a", "pcm_s16le")),
    Odd("interlaced.ts", rate="25", encoding=("-c:v", "mpeg2video", "-flags", "+ildct+ilme", "-c:a", "mp2")),
    Odd("clip.webm", encoding=("-c:v", "libvpx-vp9", "-cpu-used", "8", "-deadline", "realtime", "-c:a", "libopus")),
    Odd("clip.mkv", encoding=(*H264, "-c:a", "libvorbis")),
    Odd("camera.avi", encoding=("-c:v", "mjpeg", "-c:a", "pcm_s16le")),
    Odd("clip.flv", encoding=(*H264, *AAC)),
    Odd("clip.mpg", rate="25", encoding=("-c:v", "mpeg2video", "-c:a", "mp2")),
    Odd("clip.ogv", encoding=("-c:v", "libtheora", "-c:a", "libvorbis")),
    Odd("clip.wmv", encoding=("-c:v", "wmv2", "-c:a", "wmav2")),
    Odd("hevc.mp4", encoding=("-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=none", *AAC)),
    Odd("hdr.mkv", encoding=hdr("colorprim=bt2020:transfer=smpte2084:colormatrix=bt2020nc")),
    Odd("half_tagged_hdr.mkv", encoding=hdr("transfer=arib-std-b67")),
    Odd("wrap.ts", encoding=(*H264, *AAC, "-output_ts_offset", f"{2**33 / 90_000 - 1.0}")),
    Odd("late_start.ts", encoding=(*H264, *AAC, "-output_ts_offset", "5001")),
    Odd("telephone.mp4", sound=mono(8000)),
    Odd("surround.mp4", sound=SURROUND),
    Odd("two_tracks.mp4", encoding=(*H264, *AAC, *TWO_TRACKS)),
    Odd("fast.mp4", rate="120"),
    Odd("film.mp4", rate="24000/1001", seconds=48 * 1001 / 24000),
    Odd("wide_pixels.mp4", picture=",setsar=4/3", displayed=(427, 240)),
    Odd("tall_pixels.mp4", picture=",setsar=1/2", displayed=(320, 480)),
    Odd("variable.mp4", picture=r",select='not(mod(n\,3))+gt(t\,1.5)'", encoding=("-fps_mode", "vfr", *H264, *AAC)),
    Odd("pause.mkv", picture=r",select='lt(t\,1.1)+gt(t\,1.9)'", encoding=("-fps_mode", "vfr", *H264, *AAC)),
]


def make(ffmpeg: str, folder: Path, odd: Odd) -> Path:
    path = folder / odd.name
    flash = f"drawbox=t=fill:c=white:enable='between(t,{FLASH_SECONDS - 0.001},1.299)'"
    picture = f"color=c=black:s={odd.size}:r={odd.rate}:d={odd.seconds},{flash}{odd.picture}"
    inputs = ["-f", "lavfi", "-i", picture, *(("-f", "lavfi", "-i", odd.sound) if odd.sound else ())]
    subprocess.run([ffmpeg, "-v", "error", "-y", *inputs, *odd.encoding, path], check=True)
    return path


def first_flash(path: Path) -> float:
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            plane = bytes(frame.planes[0])
            if plane[frame.planes[0].line_size * (frame.height // 2) + frame.width // 2] > WHITE:
                return float(frame.time or 0)
    raise AssertionError("no flash")


def first_beep(path: Path) -> float:
    with av.open(str(path)) as container:
        for frame in container.decode(audio=0):
            levels = memoryview(bytes(frame.planes[0])).cast("f")[: frame.samples]
            loud = next((index for index, level in enumerate(levels) if abs(level) > LOUD), None)
            if loud is not None:
                return float(frame.time or 0) + loud / frame.sample_rate
    raise AssertionError("no beep")


def complaints(ffmpeg: str, path: Path) -> str:
    """What a player would stumble over."""
    command = [ffmpeg, "-v", "warning", "-xerror", "-i", path, "-f", "null", "-"]
    return subprocess.run(command, check=False, capture_output=True, text=True).stderr


@pytest.mark.parametrize("odd", SOURCES, ids=lambda odd: odd.name)
def test_an_odd_source_plays_in_time_and_in_sync(odd: Odd, ffmpeg: str, tmp_path: Path, transcode: Any):
    made = transcode(make(ffmpeg, tmp_path, odd))
    facts, rate = made.probe.facts, made.probe.rate
    frame = 1 / rate + 0.001
    assert (facts.width, facts.height) == odd.displayed
    assert facts.duration_seconds == pytest.approx(odd.seconds, abs=frame)

    rung = made.published.renditions[0]
    playlist = made.hls / rung.name / "index.m3u8"
    with av.open(str(playlist)) as video:
        assert (video.duration or 0) / 1e6 == pytest.approx(odd.seconds, abs=frame)
    assert complaints(ffmpeg, playlist) == ""
    with av.open(str(made.mp4)) as mp4:
        (picture,) = mp4.streams.video
        assert float((picture.duration or 0) * (picture.time_base or 0)) == pytest.approx(odd.seconds, abs=frame)
    assert complaints(ffmpeg, made.mp4) == ""
    assert first_flash(playlist) == pytest.approx(FLASH_SECONDS, abs=1.5 * frame)
    if odd.sound:
        sound = made.hls / "audio/index.m3u8"
        assert complaints(ffmpeg, sound) == ""
        assert first_beep(sound) == pytest.approx(first_flash(playlist), abs=0.005)
        assert first_beep(made.mp4) == pytest.approx(first_flash(made.mp4), abs=0.005)
    else:
        assert not (made.hls / "audio/index.m3u8").exists()
        assert "AUDIO" not in (made.hls / "master.m3u8").read_text()


def test_a_portrait_recorded_sideways_is_shown_upright(ffmpeg: str, tmp_path: Path, transcode: Any):
    upright = tmp_path / "upright.mp4"
    turn = ["-display_rotation", "90", "-i", make(ffmpeg, tmp_path, Odd("sideways.mp4")), "-c", "copy"]
    subprocess.run([ffmpeg, "-v", "error", *turn, upright], check=True)
    made = transcode(upright)
    assert (made.probe.facts.width, made.probe.facts.height) == (240, 320)
    rendition = made.published.renditions[0]
    assert (rendition.width, rendition.height) == (240, 320)
    with av.open(str(made.mp4)) as mp4:
        frame = next(mp4.decode(video=0))
        assert (frame.width, frame.height, frame.rotation) == (240, 320, 0)


def test_an_edit_list_in_a_file_with_capitals_and_its_index_at_the_end_is_obeyed(
    ffmpeg: str, tmp_path: Path, transcode: Any
):
    whole = make(ffmpeg, tmp_path, Odd("whole.mp4", encoding=(*H264, "-g", "30", "-bf", "2", *AAC)))
    cut = tmp_path / "CUT.MOV"
    # A cut by copy keeps the key frame before it, and hides what comes before the cut by an edit list.
    subprocess.run([ffmpeg, "-v", "error", "-ss", "0.5", "-i", whole, "-c", "copy", "-f", "mov", cut], check=True)
    assert cut.read_bytes().index(b"moov") > cut.read_bytes().index(b"mdat")
    made = transcode(cut)
    assert made.probe.facts.duration_seconds == pytest.approx(1.5, abs=0.035)
    assert first_flash(made.mp4) == pytest.approx(FLASH_SECONDS - 0.5, abs=0.035)
    assert first_beep(made.mp4) == pytest.approx(first_flash(made.mp4), abs=0.005)


def test_a_single_frame_is_a_video(ffmpeg: str, tmp_path: Path, transcode: Any):
    one = Odd("one.mp4", encoding=("-frames:v", "1", *H264), sound=None)
    made = transcode(make(ffmpeg, tmp_path, one))
    with av.open(str(made.mp4)) as mp4:
        assert len(list(mp4.decode(video=0))) == 1


def test_the_picture_stays_while_the_sound_goes_on(ffmpeg: str, tmp_path: Path, transcode: Any):
    made = transcode(make(ffmpeg, tmp_path, Odd("podcast.mp4", picture=",trim=end=1.2")))
    with av.open(str(made.mp4)) as mp4:
        (picture,) = mp4.streams.video
        assert float((picture.duration or 0) * (picture.time_base or 0)) == pytest.approx(2.0, abs=0.07)


def test_sixty_frames_a_second_are_enough(ffmpeg: str, tmp_path: Path, transcode: Any):
    made = transcode(make(ffmpeg, tmp_path, Odd("fast.mp4", rate="120")))
    assert made.probe.facts.frame_rate == 120
    with av.open(str(made.mp4)) as mp4:
        assert len(list(mp4.decode(video=0))) == 120


def test_segments_of_all_renditions_begin_at_the_same_key_frames(ffmpeg: str, tmp_path: Path, transcode: Any):
    source = Odd("long.mp4", size="640x480", seconds=9.0, sound=f"aevalsrc='{BEEP}':s=48000:d=9")
    made = transcode(make(ffmpeg, tmp_path, source))
    assert [rendition.name for rendition in made.published.renditions] == ["480p", "360p", "240p"]
    for rendition in made.published.renditions:
        lines = (made.hls / rendition.name / "index.m3u8").read_text().splitlines()
        assert [line for line in lines if line.startswith("#EXTINF")] == [
            "#EXTINF:4.000000,",
            "#EXTINF:4.000000,",
            "#EXTINF:1.000000,",
        ]
        init = (made.hls / rendition.name / "init.mp4").read_bytes()
        for segment in sorted((made.hls / rendition.name).glob("*.m4s")):
            alone = tmp_path / "alone.mp4"
            alone.write_bytes(init + segment.read_bytes())
            assert complaints(ffmpeg, alone) == ""
            with av.open(str(alone)) as container:
                assert next(container.decode(video=0)).key_frame


@pytest.mark.parametrize("offset", ["0", "40000"], ids=["back", "on by hours"])
def test_a_recording_whose_clock_jumps_plays_through(offset: str, ffmpeg: str, tmp_path: Path, transcode: Any):
    encoding = (*H264, *AAC, "-muxdelay", "0")
    first = make(ffmpeg, tmp_path, Odd("first.ts", encoding=(*encoding, "-output_ts_offset", "100")))
    second = make(ffmpeg, tmp_path, Odd("second.ts", encoding=(*encoding, "-output_ts_offset", offset)))
    spliced = tmp_path / "spliced.ts"
    spliced.write_bytes(first.read_bytes() + second.read_bytes())
    made = transcode(spliced)
    with av.open(str(made.mp4)) as mp4:
        assert (mp4.duration or 0) / 1e6 == pytest.approx(4.0, abs=0.2)
    assert complaints(ffmpeg, made.mp4) == ""


def test_a_recording_that_begins_in_the_middle_plays_from_its_first_whole_picture(
    ffmpeg: str, tmp_path: Path, transcode: Any
):
    whole = make(ffmpeg, tmp_path, Odd("whole.ts", encoding=(*H264, "-g", "15", *AAC)))
    data = whole.read_bytes()
    middle = tmp_path / "middle.ts"
    middle.write_bytes(data[len(data) // 3 // 188 * 188 :])
    made = transcode(middle)
    assert complaints(ffmpeg, made.mp4) == ""
    assert made.published.renditions[0].size_bytes > 0.5
