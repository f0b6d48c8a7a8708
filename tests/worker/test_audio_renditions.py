"""Audio tracks in several languages become renditions that players choose from, each as long as the video."""

import subprocess
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from msgspec import structs
from tests.worker.conftest import Transcode
from tests.worker.test_ends import plan_of

from vodstack_contracts.videos import Audio, AudioRole
from vodstack_worker.encode_log import EncodeLog
from vodstack_worker.errors import MismatchError
from vodstack_worker.plans import ChunkPlan
from vodstack_worker.playlists import playlist_text
from vodstack_worker.segments import check_audio
from vodstack_worker.tracks import Sound, further_sound, name_sound

MAIN, COMMENTARY, DESCRIPTION = AudioRole.MAIN, AudioRole.COMMENTARY, AudioRole.DESCRIPTION
SECONDS = 3
# Pitch and length of each track.
TONES = [(440, 3), (660, 1), (880, 5), (1100, 3), (1320, 3), (1540, 3)]


@pytest.fixture
def languages(ffmpeg: str, tmp_path: Path) -> Path:
    path = tmp_path / "languages.mkv"
    picture = ["-f", "lavfi", "-i", f"testsrc2=size=64x64:rate=25:duration={SECONDS}"]
    tones = [word for pitch, length in TONES for word in ("-f", "lavfi", "-i", f"sine={pitch}:duration={length}")]
    maps = [word for number in range(len(TONES) + 1) for word in ("-map", str(number))]
    words = [
        *("language=eng", 'language=ger;title=Für "Alle" <b>', "language=eng;title=Commentary"),
        *("", "language=fre", "language=jpn"),
    ]
    named = [
        word
        for number, each in enumerate(words)
        for pair in filter(None, each.split(";"))
        for word in (f"-metadata:s:a:{number}", pair)
    ]
    flags = ["-disposition:a:0", "default", "-disposition:a:4", "visual_impaired"]
    encoding = ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-c:a", "aac"]
    subprocess.run([ffmpeg, "-v", "error", *picture, *tones, *maps, *encoding, *named, *flags, path], check=True)
    return path


def heard(path: Path) -> np.ndarray[Any, Any]:
    """Samples of one channel, and their rate is 48 kHz."""
    with av.open(str(path)) as container:
        assert len(container.streams.audio) == 1
        return np.concatenate([frame.to_ndarray()[0] for frame in container.decode(audio=0)])


def pitch(samples: np.ndarray[Any, Any]) -> int:
    spectrum = np.abs(np.fft.rfft(samples[:24_000]))
    return round(int(spectrum.argmax()) * 48_000 / 24_000)


def test_every_language_is_a_rendition_as_long_as_the_video(languages: Path, transcode: Transcode):
    made = transcode(languages)
    assert made.published.playback.audio == [
        Audio(language="en", label="en", role=MAIN, default=True),
        Audio(language="de", label="Für 'Alle' <b>", role=MAIN, default=False),
        Audio(language="ja", label="ja", role=MAIN, default=False),
        Audio(language="fr", label="fr (description)", role=DESCRIPTION, default=False),
    ]
    names = ["audio", "audio-1", "audio-2", "audio-3"]
    assert sorted(path.name for path in made.hls.glob("audio*")) == names
    samples = [heard(made.hls / name / "index.m3u8") for name in names]
    assert [pitch(each) for each in samples] == [440, 660, 1540, 1320]
    assert {len(each) for each in samples} == {len(samples[0])}
    assert len(samples[0]) == pytest.approx(SECONDS * 48_000, abs=2048)
    # The German track is a second long, and silent from there on.
    assert np.abs(samples[1][60_000:]).max() < 0.001
    master = (made.hls / "master.m3u8").read_text()
    assert master.count("TYPE=AUDIO") == len(names)
    assert master.count("DEFAULT=YES") == 1
    assert pitch(heard(made.mp4)) == 440


@pytest.mark.parametrize("second", [4.0, 3.9], ids=["alike", "shorter"])
def test_tracks_that_are_not_cut_alike_are_not_taken(second: float, tmp_path: Path):
    plan = plan_of(8.0)
    plan = structs.replace(plan, probe=structs.replace(plan.probe, audios=2 * plan.probe.audios))
    made = ChunkPlan(plan_id="p", video_id="v", size=1, etag="e", plan=plan, chunks=[])
    segments = [made.segment_name(number) for number in range(2)]
    for name, length in (("audio", 4.0), ("audio-1", second)):
        home = tmp_path / "out/hls" / name
        home.mkdir(parents=True)
        init = f"{made.prefix}init.mp4"
        (home / init).write_bytes(b"init")
        (home / "index.m3u8").write_text(playlist_text(init, segments, [4.0, length]))
    sent = dict.fromkeys(plan.audio_names, segments)
    if second == 4.0:
        result = check_audio(tmp_path, made, sent, EncodeLog(), 1.0)
        assert (sorted(result.inits), result.lengths) == (["audio", "audio-1"], [4.0, 4.0])
    else:
        with pytest.raises(MismatchError):
            check_audio(tmp_path, made, sent, EncodeLog(), 1.0)


def sound(index: int, language: str, role: AudioRole = MAIN, title: str = "") -> Sound:
    return Sound(index=index, codec="aac", language=language, role=role, title=title)


def test_new_languages_and_roles_go_before_what_is_there_already_and_commentary_last():
    ranked = [
        sound(1, "en"),
        sound(2, "en", title="Stereo"),
        sound(3, "en", COMMENTARY),
        sound(4, "und"),
        sound(5, "de"),
        sound(6, "en", DESCRIPTION),
        sound(7, "de"),
    ]
    assert [each.index for each in further_sound(ranked)] == [5, 6, 3, 2, 7]
    assert further_sound([]) == []


def test_tracks_have_labels_of_their_own():
    sounds = [
        sound(1, "und"),
        sound(2, "en"),
        sound(3, "en"),
        sound(4, "en", COMMENTARY),
        sound(5, "und", DESCRIPTION),
        sound(6, "de", title='"Deutsch"\n'),
    ]
    labels = ["Audio", "en", "en 2", "en (commentary)", "Audio (description)", "'Deutsch'"]
    assert [choice.label for choice in name_sound(sounds)] == labels
