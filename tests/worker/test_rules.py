"""Rules that need no process: ladder, frame rate, pulse, and the docs that tell of them."""

from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vodstack_worker.extent import Extent
from vodstack_worker.frame_rate import choose_rate
from vodstack_worker.ladder import plan_ladder
from vodstack_worker.metrics import Metrics
from vodstack_worker.pulse import LONGEST_SILENCE_SECONDS, Pulse
from vodstack_worker.settings import Settings, SettingsError, read_settings

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("size", "rungs"),
    [
        ((1920, 1080), "1080p 1920x1080, 720p 1280x720, 480p 854x480, 360p 640x360, 240p 426x240"),
        ((3840, 2160), "1080p 1920x1080, 720p 1280x720, 480p 854x480, 360p 640x360, 240p 426x240"),
        ((1080, 1920), "1080p 1080x1920, 720p 720x1280, 480p 480x854, 360p 360x640, 240p 240x426"),
        ((1920, 800), "1080p 1920x800, 720p 1280x534, 480p 854x356, 360p 640x266, 240p 426x178"),
        ((3840, 1600), "1080p 1920x800, 720p 1280x534, 480p 854x356, 360p 640x266, 240p 426x178"),
        ((640, 272), "360p 640x272, 240p 426x182"),
        ((856, 480), "480p 856x480, 360p 640x358, 240p 426x238"),
        ((1366, 768), "768p 1366x768, 480p 854x480, 360p 640x360, 240p 426x240"),
        ((1200, 480), "675p 1200x480, 480p 854x342, 360p 640x256, 240p 426x170"),
        ((720, 576), "576p 720x576, 480p 600x480, 360p 450x360, 240p 300x240"),
        ((1440, 1080), "1080p 1440x1080, 720p 960x720, 480p 640x480, 360p 480x360, 240p 320x240"),
        ((1080, 1080), "1080p 1080x1080, 720p 720x720, 480p 480x480, 360p 360x360, 240p 240x240"),
        ((160, 120), "120p 160x120"),
        ((8192, 256), "1080p 1920x60"),
        ((256, 8192), "1080p 60x1920"),
        ((5120, 640), "1080p 1920x240, 720p 1280x160, 480p 854x106, 360p 640x80"),
        ((8192, 2), "1080p 1920x2"),
        ((321, 241), "240p 320x240"),
    ],
)
def test_a_picture_is_fitted_into_boxes_and_keeps_its_own_size(size: tuple[int, int], rungs: str):
    assert ", ".join(f"{rung.name} {rung.width}x{rung.height}" for rung in plan_ladder(*size, 30)) == rungs


@given(width=st.integers(2, 65_536), height=st.integers(2, 65_536))
def test_rungs_are_even_distinct_and_never_above_the_source(width: int, height: int):
    rungs = plan_ladder(width, height, 30)
    for rung in rungs:
        assert rung.width <= width
        assert rung.height <= height
        assert rung.width % 2 == rung.height % 2 == 0
        assert max(rung.width, rung.height) <= 1920
        assert 2 <= min(rung.width, rung.height) <= 1080
    assert len({rung.name for rung in rungs}) == len(rungs)
    for above, below in pairwise(rungs):
        assert below.width <= above.width
        assert below.height <= above.height
        assert below.max_bitrate < above.max_bitrate
    if max(width, height) <= 1920 and min(width, height) <= 1080:
        assert (rungs[0].width, rungs[0].height) == (width // 2 * 2, height // 2 * 2)


def test_bits_go_with_the_pixels():
    wide, full = plan_ladder(1920, 800, 30)[0], plan_ladder(1920, 1080, 30)[0]
    assert full.max_bitrate == 5_000_000
    assert wide.max_bitrate / full.max_bitrate == pytest.approx(800 / 1080, abs=0.06)
    assert plan_ladder(8192, 256, 30)[0].max_bitrate < plan_ladder(640, 360, 30)[0].max_bitrate


def test_a_higher_frame_rate_gets_more_bits():
    assert plan_ladder(1280, 720, 60)[0].max_bitrate > plan_ladder(1280, 720, 30)[0].max_bitrate


def extent(packets: int, seconds: float, interval: float | None) -> Extent:
    """A track whose last packet is shown after so many seconds."""
    return Extent(start=0.0, last=seconds, end=seconds, packets=packets, interval=interval)


@pytest.mark.parametrize(
    ("declared", "video", "rate"),
    [
        pytest.param(Fraction(30000, 1001), extent(300, 299 / 29.97, 0.0334), Fraction(30000, 1001), id="ntsc"),
        pytest.param(Fraction(120), extent(601, 5, 1 / 120), Fraction(60), id="halved"),
        pytest.param(Fraction(90000), extent(171, 10, 0.033), Fraction(30), id="a clock declared"),
        pytest.param(None, extent(1, 0, None), Fraction(25), id="one frame"),
        pytest.param(Fraction(1), extent(11, 10, 1.0), Fraction(16), id="doubled"),
        pytest.param(Fraction(25), extent(251, 10, 0.04), Fraction(25), id="pal"),
        pytest.param(Fraction(50), extent(251, 10, 0.04), Fraction(25), id="fields declared"),
        pytest.param(None, extent(900, 10, 1 / 60), Fraction(60), id="a short burst"),
        pytest.param(None, extent(16_000, 10_800, 1 / 60), Fraction(15, 2), id="bursts for hours"),
        pytest.param(None, extent(36_000, 3600, 1 / 30), Fraction(30), id="a screen that mostly stands still"),
    ],
)
def test_the_grid_is_the_sources_own_rate_within_bounds(declared: Fraction | None, video: Extent, rate: Fraction):
    assert choose_rate(declared, video, video.end) == rate


def test_a_loop_that_falls_silent_is_noticed():
    now = 0.0
    pulse = Pulse(clock=lambda: now)
    pulse.beat("slot-0")
    pulse.beat("slot-1")
    now = LONGEST_SILENCE_SECONDS
    pulse.beat("slot-1")
    assert pulse.silent() == []
    now += 1
    assert pulse.silent() == ["slot-0"]
    pulse.forget("slot-0")
    assert pulse.silent() == []


def test_the_docs_name_every_setting_with_its_default_and_meaning():
    text = (ROOT / "docs/worker.md").read_text()
    for setting in Settings.model_fields.values():
        told = "required" if setting.is_required() else "see text" if setting.default_factory else ""
        shown = told or f"`{setting.default}`"
        assert f"| `{setting.validation_alias!s}` | {shown} | {setting.description} |" in text


def test_the_docs_name_every_metric():
    text = (ROOT / "docs/worker.md").read_text()
    for family in Metrics().registry.collect():
        assert f"`{family.name}" in text


def test_whatever_is_counted_begins_at_0():
    """An increase from nothing to 1 is none to Prometheus: the first of each kind would never be seen."""
    counted = [family for family in Metrics().registry.collect() if family.type in {"counter", "histogram"}]
    assert counted
    for family in counted:
        assert {sample.value for sample in family.samples if not sample.name.endswith("_created")} == {0}, family.name


def test_the_docs_name_every_value_of_a_label():
    text = (ROOT / "docs/worker.md").read_text()
    for family in Metrics().registry.collect():
        values = {value for sample in family.samples for name, value in sample.labels.items() if name != "le"}
        assert family.name.endswith("_failures") or all(f"`{value}`" in text for value in values), family.name


def test_a_variable_that_nothing_reads_stops_the_start(monkeypatch):
    required = [setting for setting in Settings.model_fields.values() if setting.is_required()]
    for setting in required:
        monkeypatch.setenv(str(setting.validation_alias), "somewhere")
    monkeypatch.setenv("VODSTACK_JOB", "2")
    with pytest.raises(
        SettingsError, match=r"^the worker cannot start: VODSTACK_JOB is .+ did you mean VODSTACK_JOBS\?$"
    ):
        read_settings()
    monkeypatch.delenv(str(required[0].validation_alias))
    with pytest.raises(SettingsError, match=r"set AWS_REGION in the environment; VODSTACK_JOB is read by nothing"):
        read_settings()
