"""Every frame is shown at its time and audio lasts as long as the video, however unevenly the source came."""

import subprocess
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import av
import pytest
from tests.worker.conftest import Encode, Probed
from tests.worker.sources import AUDIO_RATE, Recording, Seen, see, set_times, steady, write

AAC_SECONDS = 1024 / AUDIO_RATE


def require_shown(seen: Seen, times: Sequence[float], rate: float, slack: float = 0.002) -> None:
    """Each frame stays from its time to the next one's, to half a frame of the grid and some `slack`."""
    most = 0.5 / rate + slack
    for moment, number in seen.frames:
        assert not number or times[number] <= moment + most
        assert number + 1 == len(times) or times[number + 1] >= moment - most


def require_heard(seen: Seen, start: float, end: float, *joins: float) -> None:
    """A decoder that begins anew needs a frame of audio to be heard: after `joins` there may be silence."""
    for moment, heard in seen.audio:
        if any(abs(moment - join) < 4 * AAC_SECONDS for join in (start, end, *joins)):
            continue
        assert heard == (start < moment < end), f"{'heard' if heard else 'silent'} at {moment}"


SLIDES = [0.0, 5.0, 10.0, 11.0, 23.5]
GAP = [*steady(20), *steady(20, start=13.0)]
UNEVEN = {
    "slides": (Recording(times=SLIDES, audio=(0.0, 25.0)), 25.0),
    "gap": (Recording(times=GAP, audio=(0.0, GAP[-1])), GAP[-1] + 1 / 30),
    "gap without audio": (Recording(times=GAP), GAP[-1] + 1 / 30),
    "short audio": (Recording(times=steady(90), audio=(0.0, 1.0)), 3.0),
    "half a second of silence": (Recording(times=steady(90), audio=(0.0, 2.5)), 3.0),
    "late audio": (Recording(times=steady(90), audio=(1.5, 3.0)), 3.0),
    "long audio": (Recording(times=steady(30), audio=(0.0, 3.0)), 3.0),
    "half a second of audio alone": (Recording(times=steady(75), audio=(0.0, 3.0)), 3.0),
    "late video": (Recording(times=steady(45, start=1.5), audio=(0.0, 3.0)), 3.0),
}


@pytest.mark.parametrize("ending", ["mp4", pytest.param("mkv", marks=pytest.mark.prove)])
@pytest.mark.parametrize("name", UNEVEN)
def test_uneven_sources_keep_their_length_and_their_times(name: str, ending: str, tmp_path: Path, encode_whole: Encode):
    recording, seconds = UNEVEN[name]
    made = encode_whole(write(tmp_path / f"source.{ending}", recording))
    rate = float(made.plan.probe.rate)
    seen = see(made.mp4)
    assert seen.seconds == pytest.approx(seconds, abs=1 / rate + 0.002)
    require_shown(seen, recording.times, rate)
    if recording.audio:
        require_heard(seen, *recording.audio)
        assert seen.audio[-1][0] + AAC_SECONDS == pytest.approx(seen.seconds, abs=AAC_SECONDS)


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param({30: 0.999}, id="a millisecond back"),
        pytest.param({30: 0.3}, id="back"),
        pytest.param({30: 40.0}, id="far ahead"),
        pytest.param({30: 0.2, 31: 0.2, 50: 90.0, 51: 91.0}, id="several"),
    ],
)
def test_single_timestamps_that_are_wrong_cost_no_more_than_their_frames(
    wrong: dict[int, float], tmp_path: Path, encode_whole: Encode
):
    times = steady(90)
    path = write(tmp_path / "source.flv", Recording(times=times, audio=(0.0, 3.0)))
    set_times(path, wrong)
    made = encode_whole(path)
    seen = see(made.mp4)
    assert seen.seconds == pytest.approx(3.0, abs=0.035)
    assert set(range(90)) - {number for _, number in seen.frames} <= {each + more for each in wrong for more in (-1, 0)}
    for moment, number in seen.frames:
        assert abs(times[number] - moment) < 0.1


def test_a_clock_that_begins_anew_goes_on(tmp_path: Path, encode_whole: Encode):
    one = Recording(times=steady(60), audio=(0.0, 2.0))
    made = encode_whole(write(tmp_path / "source.flv", one, replace(one, first=60)))
    seen = see(made.mp4)
    assert seen.seconds == pytest.approx(4.0, abs=0.1)
    assert {number for _, number in seen.frames} >= set(range(119)) - {59, 60}
    require_heard(seen, 0.0, 4.0, 2.0)


@pytest.mark.parametrize("hours", [-2.0, 26.0])
def test_a_transmission_whose_clock_jumps_goes_on(hours: float, tmp_path: Path, encode_whole: Encode):
    one = Recording(times=steady(60, start=10_000.0), audio=(10_000.0, 10_002.0))
    made = encode_whole(write(tmp_path / "source.ts", one, replace(one, first=60).shifted(hours * 3600)))
    seen = see(made.mp4)
    assert seen.seconds == pytest.approx(4.0, abs=0.1)
    assert {number for _, number in seen.frames} >= set(range(120)) - {59, 60}
    require_heard(seen, 0.0, 4.0, 2.0)


@pytest.mark.parametrize(
    ("first", "second", "heard"),
    [
        pytest.param((0.0, 1.0), (0.0, 4.0), [(0.0, 1.0), (3.0, 7.0)], id="audio that ends early"),
        pytest.param((0.0, 3.0), (2.0, 4.0), [(0.0, 3.0), (5.0, 7.0)], id="audio that begins late"),
        pytest.param(None, (0.0, 4.0), [(3.0, 7.0)], id="audio in the second alone"),
    ],
)
def test_recordings_are_joined_in_sync_whatever_of_them_is_heard(
    first: tuple[float, float] | None,
    second: tuple[float, float],
    heard: list[tuple[float, float]],
    tmp_path: Path,
    encode_whole: Encode,
):
    one = Recording(times=steady(90), audio=first)
    two = Recording(times=steady(120), audio=second, first=90)
    made = encode_whole(write(tmp_path / "source.flv", one, two))
    seen = see(made.mp4)
    assert seen.seconds == pytest.approx(7.0, abs=0.1)
    for moment, loud in seen.audio:
        if all(abs(moment - edge) > 6 * AAC_SECONDS for each in heard for edge in each):
            assert loud == any(start < moment < end for start, end in heard), moment


@pytest.mark.parametrize("ending", ["mp4", "mkv"])
def test_with_b_frames_the_last_frame_stays_no_longer_than_its_own_length(
    ending: str, ffmpeg: str, tmp_path: Path, probed: Probed
):
    path = tmp_path / f"slides.{ending}"
    slides = [
        "-f",
        "lavfi",
        "-i",
        "testsrc2=size=160x96:rate=30:duration=2",
        "-vf",
        "setpts='if(gte(N,50),PTS+20/TB,PTS)'",
    ]
    encoding = ["-fps_mode", "passthrough", "-c:v", "libx264", "-preset", "veryfast", "-bf", "3", "-g", "600"]
    subprocess.run([ffmpeg, "-v", "error", *slides, *encoding, path], check=True)
    assert probed(path).facts.duration_seconds == pytest.approx(22.0, abs=0.04)


def test_parameters_may_change_on_the_way(tmp_path: Path, encode_whole: Encode):
    one = Recording(times=steady(45), audio=(0.0, 1.5))
    two = Recording(times=steady(45), audio=(0.0, 1.5), first=45, size=(320, 192), layout="mono", rate=44_100)
    made = encode_whole(write(tmp_path / "source.ts", one, two.shifted(1.5), replace(one, first=90).shifted(3.0)))
    seen = see(made.mp4)
    assert (made.plan.probe.facts.width, made.plan.probe.facts.height) == (320, 192)
    assert seen.seconds == pytest.approx(4.5, abs=0.04)
    require_shown(seen, steady(135), 30, slack=AAC_SECONDS)
    require_heard(seen, 0.0, 4.5, 1.5, 3.0)


@pytest.mark.parametrize("fields", [(), ("-flags", "+ildct+ilme")], ids=["progressive", "interlaced"])
def test_the_shape_may_change_at_the_same_size(
    fields: Sequence[str], ffmpeg: str, tmp_path: Path, encode_whole: Encode
):
    data = b""
    for start, shape in ((0, "4:3"), (2, "16:9")):
        part = tmp_path / f"{start}.ts"
        picture = ["-f", "lavfi", "-i", f"color=white:size=352x288:rate=25:duration={2 + 2 * start}"]
        encoding = ["-c:v", "mpeg2video", *fields, "-aspect", shape, "-output_ts_offset", str(start)]
        subprocess.run([ffmpeg, "-v", "error", *picture, *encoding, "-muxdelay", "0", part], check=True)
        data += part.read_bytes()
    source = tmp_path / "source.ts"
    source.write_bytes(data)
    made = encode_whole(source)
    assert (made.plan.probe.facts.width, made.plan.probe.facts.height) == (512, 288)
    with av.open(str(made.mp4)) as container:
        shown = {round(frame.time or 0, 2): frame.to_ndarray(format="gray") for frame in container.decode(video=0)}
    for moment, white in ((1.0, 384), (1.92, 384), (2.04, 512), (4.0, 512)):
        assert abs(int((shown[moment][144] > 128).sum()) - white) <= 4, moment


def test_bursts_of_frames_in_hours_of_nothing_cost_little(tmp_path: Path, probed: Probed):
    times = [start + step / 60 for start in range(0, 3 * 3600, 9) for step in range(3)]
    found = probed(write(tmp_path / "source.mp4", Recording(times=times)))
    assert found.facts.duration_seconds == pytest.approx(times[-1], abs=1)
    assert found.grid.frames < 12 * len(times)
