"""Rules that need no process: ladder, frame rate, pulse, and the docs that tell of them."""

from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vodstack_worker.frame_rate import choose_rate
from vodstack_worker.ladder import plan_ladder
from vodstack_worker.metrics import Metrics
from vodstack_worker.pulse import LONGEST_SILENCE_SECONDS, Pulse
from vodstack_worker.settings import Settings, SettingsError, read_settings

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("size", "rungs"),
    [
        ((3840, 2160), ["1080p", "720p", "480p", "360p", "240p"]),
        ((1080, 1920), ["1080p", "720p", "480p", "360p", "240p"]),
        ((720, 576), ["576p", "480p", "360p", "240p"]),
        ((640, 360), ["360p", "240p"]),
        ((160, 120), ["120p"]),
    ],
)
def test_rungs_follow_the_short_side_and_the_sources_own_size(size: tuple[int, int], rungs: list[str]):
    assert [rung.name for rung in plan_ladder(*size, 30)] == rungs


@given(width=st.integers(2, 8192), height=st.integers(2, 8192))
def test_no_rung_is_larger_than_the_source_or_odd(width: int, height: int):
    for rung in plan_ladder(width, height, 30):
        assert rung.width <= width
        assert rung.height <= height
        assert rung.width % 2 == rung.height % 2 == 0
        assert min(rung.width, rung.height) > 0


def test_a_higher_frame_rate_gets_more_bits():
    assert plan_ladder(1280, 720, 60)[0].max_bitrate > plan_ladder(1280, 720, 30)[0].max_bitrate


@pytest.mark.parametrize(
    ("declared", "measured", "interval", "rate"),
    [
        (Fraction(30000, 1001), Fraction(29.97), 0.0334, Fraction(30000, 1001)),
        (Fraction(120), Fraction(120), 1 / 120, Fraction(60)),
        (Fraction(90000), Fraction(17), 0.033, Fraction(30)),
        (None, None, None, Fraction(25)),
        (Fraction(1), Fraction(1), 1.0, Fraction(16)),
        (Fraction(25), Fraction(25), 0.04, Fraction(25)),
        (Fraction(50), Fraction(25), 0.04, Fraction(25)),
    ],
)
def test_the_grid_is_the_sources_own_rate_within_bounds(
    declared: Fraction | None, measured: Fraction | None, interval: float | None, rate: Fraction
):
    assert choose_rate(declared, measured, interval) == rate


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
