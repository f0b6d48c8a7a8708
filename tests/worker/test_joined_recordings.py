"""Tracks that come up in the middle of a file: audio that begins late, recordings that were joined."""

import subprocess
from pathlib import Path

import pytest
from tests.worker.conftest import Encode, Probed, Transcode
from tests.worker.sources import Recording, see, steady, write
from tests.worker.test_timestamps import require_heard, require_shown

from vodstack_contracts.videos import FailureCode, WarningCode
from vodstack_worker.errors import GiveUpError

FIRST = Recording(times=steady(90), audio=(0.0, 3.0))
SECOND = Recording(times=steady(90, start=3.0), audio=(3.0, 6.0), first=90)
OTHER_TRACKS = ("-streamid", "0:400", "-streamid", "1:401")
OTHER_AUDIO = ("-streamid", "0:256", "-streamid", "1:401")
OTHER_TABLE = ("-mpegts_pmt_start_pid", "500")


def joined(ffmpeg: str, folder: Path, *options: str) -> Path:
    """Two recordings in one transport stream, the second with tracks of its own."""
    data = b""
    for name, recording, given in (("first.ts", FIRST, ()), ("second.ts", SECOND, options)):
        whole = write(folder / f"whole-{name}", recording)
        copy = ["-copyts", "-i", whole, "-c", "copy", "-muxdelay", "0", "-muxpreload", "0", *given]
        subprocess.run([ffmpeg, "-v", "error", *copy, folder / name], check=True)
        data += (folder / name).read_bytes()
    path = folder / "source.ts"
    path.write_bytes(data)
    return path


# A bit rate that is filled up with nothing: more than libavformat reads by itself in search of tracks.
FILLED = ("-c:v", "libx264", "-preset", "ultrafast", "-bf", "0", "-b:v", "20M", "-maxrate", "20M", "-bufsize", "1M")


@pytest.mark.parametrize(("ending", "head_bytes"), [("ts", 0), ("flv", 13)])
def test_audio_that_begins_late_in_the_file_is_heard(
    ending: str, head_bytes: int, ffmpeg: str, tmp_path: Path, encode_whole: Encode
):
    silent = write(tmp_path / "silent.mp4", Recording(times=steady(90)))
    filled = tmp_path / f"filled.{ending}"
    encoding = [*FILLED, "-x264-params", "nal-hrd=cbr", "-muxdelay", "0", "-muxpreload", "0"]
    subprocess.run([ffmpeg, "-v", "error", "-i", silent, *encoding, filled], check=True)
    spoken = write(tmp_path / f"spoken.{ending}", SECOND)
    path = tmp_path / f"source.{ending}"
    path.write_bytes(filled.read_bytes() + spoken.read_bytes()[head_bytes:])
    made = encode_whole(path)
    seen = see(made.mp4)
    assert seen.seconds == pytest.approx(6.0, abs=0.04)
    require_shown(seen, steady(180), float(made.plan.probe.rate))
    require_heard(seen, 3.0, 6.0)


def test_a_recording_that_goes_on_with_new_track_numbers_is_whole(ffmpeg: str, tmp_path: Path, encode_whole: Encode):
    made = encode_whole(joined(ffmpeg, tmp_path, *OTHER_TRACKS))
    seen = see(made.mp4)
    assert seen.seconds == pytest.approx(6.0, abs=0.07)
    # The last frame of the first recording is known to be whole at the end of the file alone.
    assert set(range(180)) - {number for _, number in seen.frames} <= {88, 89}


def test_a_video_that_goes_on_in_another_track_is_never_ready(ffmpeg: str, tmp_path: Path, probed: Probed):
    with pytest.raises(GiveUpError) as raised:
        probed(joined(ffmpeg, tmp_path, *OTHER_TRACKS, *OTHER_TABLE))
    assert raised.value.failure.code is FailureCode.INCOMPLETE
    assert "one has 3.0 seconds of the video, others have 3.0" in raised.value.failure.message


def test_audio_that_goes_on_in_another_track_is_told(ffmpeg: str, tmp_path: Path, probed: Probed):
    found = probed(joined(ffmpeg, tmp_path, *OTHER_AUDIO, *OTHER_TABLE))
    assert found.facts.duration_seconds == pytest.approx(6.0, abs=0.07)
    (warning,) = found.warnings
    assert warning.code is WarningCode.AUDIO_DAMAGED
    assert warning.message.startswith("3.0 seconds of the audio are in another audio track")


def test_a_source_over_which_ffmpeg_crashes_is_encoded_another_way(tmp_path: Path, transcode: Transcode):
    before = Recording(times=steady(90, start=5000.0))
    after = Recording(times=steady(90, start=7.0), audio=(7.0, 10.0), first=90)
    made = transcode(write(tmp_path / "source.ts", before, after))
    assert see(made.mp4).seconds == pytest.approx(6.0, abs=0.07)
