"""Whatever the timestamps, the parameters and the audio: what is made of random tracks is all of them, in time."""

import tempfile
from dataclasses import dataclass, replace
from itertools import accumulate
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from tests.worker.conftest import Encode
from tests.worker.sources import AUDIO_RATE, Recording, see, set_times, write
from tests.worker.test_timestamps import require_heard, require_shown

SIZES = [(160, 96), (320, 192), (80, 48)]


@dataclass(frozen=True)
class Source:
    """A file's recordings, each of other parameters than the one before, and single timestamps that are wrong."""

    ending: str
    recordings: list[Recording]
    wrong: dict[int, float]

    @property
    def times(self) -> list[float]:
        return [moment for recording in self.recordings for moment in recording.times]


@st.composite
def sources(draw: st.DrawFn) -> Source:
    ending = draw(st.sampled_from(["mp4", "mkv", "ts", "flv"]))
    rate = draw(st.sampled_from([10, 15, 24, 25, 30, 50]))
    steps = draw(st.lists(st.sampled_from([1.0] * 6 + [0.9, 1.1, 2.0]), min_size=20, max_size=50))
    for place, pause in draw(
        st.dictionaries(st.integers(0, 19), st.sampled_from([7.5, 40.0, 300.0]), max_size=2)
    ).items():
        steps[place] = pause
    begin = draw(st.sampled_from([0.0, 0.0, 0.5, 1.4]))
    times = [begin, *(begin + each / rate for each in accumulate(steps))]
    end = times[-1] + 1 / rate
    audio = draw(
        st.one_of(
            st.none(),
            st.tuples(st.sampled_from([0.0, 0.3, 1.7]), st.sampled_from([0.6, 1.0, end, end + 0.5, end + 2.2])),
        )
    )
    if audio and audio[1] < audio[0] + 0.3:
        audio = (0.0, end)
    first = Recording(times=times, audio=audio)
    if ending == "ts" and draw(st.booleans()):
        return Source(ending, _changing(draw, replace(first, audio=(begin, end)), rate), {})
    wrong: dict[int, float] = {}
    if ending == "flv":
        numbers = draw(st.lists(st.integers(3, len(times) - 4), max_size=2, unique=True))
        wrong = {each: draw(st.sampled_from([times[each - 1] - 0.001, 0.0, 500.0])) for each in numbers}
    return Source(ending, [first], wrong)


def _changing(draw: st.DrawFn, first: Recording, rate: int) -> list[Recording]:
    """The same again, once or twice, one after the other on one clock."""
    found, length = [first], first.times[-1] + 1 / rate - first.times[0]
    for number in range(1, draw(st.integers(2, 3))):
        size, layout = draw(st.sampled_from(SIZES)), draw(st.sampled_from(["mono", "stereo", "5.1"]))
        changed = replace(first, first=number * len(first.times), size=size, layout=layout)
        found.append(replace(changed, rate=draw(st.sampled_from([44_100, 48_000]))).shifted(number * length))
    return found


def check(source: Source, encode_whole: Encode) -> None:
    with tempfile.TemporaryDirectory() as name:
        path = write(Path(name) / f"source.{source.ending}", *source.recordings)
        set_times(path, source.wrong)
        made = encode_whole(path)
        seen = see(made.mp4)
    rate = float(made.plan.probe.rate)
    times = source.times
    tracks = [recording.audio for recording in source.recordings if recording.audio]
    begin = min(times[0], *(start for start, _ in tracks)) if tracks else times[0]
    # The encoder of the source works in whole frames of audio, and puts one before the first.
    spare = 3 * 1024 / AUDIO_RATE
    end = max(times[-1], *(end for _, end in tracks)) if tracks else times[-1]
    assert end - begin - 1 / rate - spare <= seen.seconds <= end - begin + 2 / rate + spare + 0.1
    if not source.wrong:
        require_shown(seen, [moment - begin for moment in times], rate, slack=spare)
    if tracks:
        joins = [start - begin for start, _ in tracks[1:]]
        require_heard(seen, tracks[0][0] - begin, tracks[-1][1] - begin, *joins)


@settings(
    max_examples=5,
    phases=[Phase.generate],
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(source=sources())
def test_random_tracks_are_whole_and_in_time(source: Source, encode_whole: Encode):
    check(source, encode_whole)


@pytest.mark.prove
@pytest.mark.timeout(1800)
@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    derandomize=False,
)
@given(source=sources())
def test_many_random_tracks_are_whole_and_in_time(source: Source, encode_whole: Encode):
    check(source, encode_whole)
