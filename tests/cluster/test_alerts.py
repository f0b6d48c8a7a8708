"""Every alert before Prometheus's own promtool: when it fires, and when it does not.

Run by `make test-cluster`: the first run builds promtool, which takes minutes.
"""

import hashlib
import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests import queries

MODULE = Path(__file__).parent / "promtool"
CACHE = Path(__file__).parents[2] / ".cache" / "promtool"
RULES = queries.DASHBOARDS / "rules.yaml"
BUILD_SECONDS = 1800

pytestmark = [
    pytest.mark.timeout(BUILD_SECONDS),
    pytest.mark.skipif("TEST_CLUSTER" not in os.environ, reason="run by `make test-cluster`"),
]

Series = dict[str, str]
"""A series and its values minute by minute, as promtool writes them: `0+6x60` adds 6 sixty times."""

WANTED = 'kube_deployment_spec_replicas{namespace="vodstack",deployment="worker"}'
READY = 'kube_deployment_status_replicas_available{namespace="vodstack",deployment="worker"}'
IN_HAND = "vodstack_worker_jobs_in_flight"
REQUESTS, SECONDS = "myapp_http_requests_total", "myapp_http_request_duration_seconds_bucket"
WAITS = "vodstack_worker_queue_wait_seconds_bucket"


def _once(count: int) -> str:
    """A counter that rises after ten minutes. As it began above 0, its increase is reckoned somewhat too large."""
    return f"50x10 {50 + count}x800"


def _encodes(**endings: int) -> Series:
    return {f'vodstack_worker_encodes_total{{ending="{ending}"}}': _once(count) for ending, count in endings.items()}


def _losses(**reasons: int) -> Series:
    name = "vodstack_worker_heartbeats_lost_total"
    return {f'{name}{{reason="{reason}"}}': _once(count) for reason, count in reasons.items()}


def _plans(**ways: int) -> Series:
    return {f'vodstack_worker_plans_total{{way="{way}"}}': _once(count) for way, count in ways.items()}


def _jobs(**outcomes: int) -> Series:
    """So many a minute."""
    return {
        f'vodstack_worker_jobs_total{{outcome="{outcome}"}}': f"0+{count}x120" for outcome, count in outcomes.items()
    }


def _buckets(name: str, path: str = "/videos/{video_id}", **up_to: int) -> Series:
    """A histogram of one path that grows by so many a minute up to each bound."""
    bounds = {bound.removeprefix("le").replace("_", "."): count for bound, count in up_to.items()}
    return {f'{name}{{method="GET",path="{path}",le="{bound}"}}': f"0+{count}x120" for bound, count in bounds.items()}


@dataclass(frozen=True)
class Case:
    """Situations after so many minutes in which an alert fires, and in which it is silent."""

    minutes: int
    fires: list[Series]
    silent: list[Series]
    labels: tuple[tuple[str, str], ...] = ()


CASES = {
    "ApiAbsent": Case(
        10,
        fires=[{READY.replace("worker", "api"): "0x60"}],
        silent=[{READY.replace("worker", "api"): "1x60"}, {READY: "0x60"}],
        labels=(("namespace", "vodstack"),),
    ),
    "ApiFailing": Case(
        30,
        fires=[{f'{REQUESTS}{{status="200"}}': "0+90x60", f'{REQUESTS}{{status="503"}}': "0+10x60"}],
        silent=[
            {f'{REQUESTS}{{status="200"}}': "0+99x60", f'{REQUESTS}{{status="503"}}': "0+1x60"},
            {f'{REQUESTS}{{status="404"}}': "0+10x60"},
        ],
    ),
    "ApiSlow": Case(
        40,
        fires=[_buckets(SECONDS, le1=98, le2_5=100, leInf=100)],
        silent=[
            _buckets(SECONDS, le1=100, le2_5=100, leInf=100),
            _buckets(SECONDS, path="/videos/{video_id}/events", le1=0, le2_5=0, leInf=100),
        ],
    ),
    "WorkersAbsent": Case(
        20,
        fires=[{WANTED: "2x60", READY: "0x60"}],
        silent=[
            {WANTED: "2x60", READY: "1x60"},
            {WANTED: "0x60", READY: "0x60"},
            {name.replace("vodstack", "others"): value for name, value in ((WANTED, "2x60"), (READY, "0x60"))},
        ],
        labels=(("namespace", "vodstack"),),
    ),
    "MessagesNotTaken": Case(
        15,
        fires=[
            {'vodstack_queue_messages{state="waiting"}': "3x60", f'{IN_HAND}{{pod="a"}}': "0x60"},
            {
                'vodstack_queue_messages{state="waiting"}': "0x60",
                'vodstack_chunk_queue_messages{state="waiting"}': "3x60",
                f'{IN_HAND}{{pod="a"}}': "0x60",
            },
        ],
        silent=[
            {
                'vodstack_queue_messages{state="waiting"}': "3x60",
                f'{IN_HAND}{{pod="a"}}': "0x60",
                f'{IN_HAND}{{pod="b"}}': "1x60",
            },
            {'vodstack_queue_messages{state="delayed"}': "3x60", f'{IN_HAND}{{pod="a"}}': "0x60"},
        ],
    ),
    "VideosStartLate": Case(
        60,
        fires=[_buckets(WAITS, le900=1, le3600=4, leInf=4)],
        silent=[_buckets(WAITS, le900=3, le3600=4, leInf=4), _buckets(WAITS, le900=0, le3600=0, leInf=0)],
    ),
    "VideosForgotten": Case(
        725,
        fires=[{"vodstack_worker_arrivals_resent_total": _once(4)}],
        silent=[{"vodstack_worker_arrivals_resent_total": _once(3)}],
    ),
    "WorkerErrors": Case(40, fires=[{"worker_errors_total": "0+4x60"}], silent=[{"worker_errors_total": "0+2x60"}]),
    "UnexpectedErrors": Case(
        30,
        fires=[{'vodstack_worker_retries_total{reason="unexpected"}': _once(1)}],
        silent=[
            {'vodstack_worker_retries_total{reason="counted"}': _once(9)},
            {'vodstack_worker_retries_total{reason="unexpected"}': "0x60"},
        ],
    ),
    "HeartbeatsLost": Case(
        65,
        fires=[_losses(taken=2, unreachable=2)],
        silent=[_losses(taken=3), _losses(ended=9)],
    ),
    "VideosFailing": Case(
        60, fires=[_jobs(failed=1, ready=3)], silent=[_jobs(failed=1, ready=9), _jobs(dropped=9, ready=1)]
    ),
    "EncodesKilled": Case(
        65,
        fires=[_encodes(killed=4, done=20), _encodes(killed=2, limit=2, done=20, stopped=100)],
        silent=[_encodes(killed=3, done=1), _encodes(killed=4, done=96), _encodes(stopped=9, failed=9)],
    ),
    "ChunksFallBack": Case(
        365,
        fires=[_plans(fallen_back=4, chunks=12)],
        silent=[_plans(fallen_back=3, chunks=1), _plans(fallen_back=4, chunks=20), _plans(one_pass=9)],
    ),
}


def _build() -> Path:
    """Promtool, built unless the cache has it; without the service discoveries, which are most of it."""
    sources = [MODULE / name for name in ("go.mod", "go.sum")]
    program = CACHE / hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()[:12] / "promtool"
    program.parent.mkdir(parents=True, exist_ok=True)
    if not program.exists():
        unfinished = program.with_suffix(f".{os.getpid()}")
        package = "github.com/prometheus/prometheus/cmd/promtool"
        command = ["go", "build", "-tags", "remove_all_sd", "-ldflags", "-s -w", "-o", unfinished, package]
        subprocess.run(command, cwd=MODULE, check=True)
        unfinished.rename(program)
    return program


@pytest.fixture(scope="module")
def promtool() -> Path:
    if not shutil.which("go"):
        pytest.skip("SKIPPED: Go is not on PATH, so promtool was not built")
    return _build()


def _expected(rule: dict[str, Any], labels: dict[str, str]) -> dict[str, Any]:
    """The alert as Prometheus would send it."""
    annotations = rule["annotations"]
    for name, value in labels.items():
        annotations = {each: text.replace(f"{{{{ $labels.{name} }}}}", value) for each, text in annotations.items()}
    return {"exp_labels": rule["labels"] | labels, "exp_annotations": annotations}


def _tests(name: str, case: Case) -> list[dict[str, Any]]:
    (rule,) = [rule for rule in queries.rules() if rule.get("alert") == name]
    fired = [_expected(rule, dict(case.labels))]
    situations = [(series, fired) for series in case.fires] + [(series, []) for series in case.silent]
    return [
        {
            "interval": "1m",
            "input_series": [{"series": name, "values": values} for name, values in series.items()],
            "alert_rule_test": [{"eval_time": f"{case.minutes}m", "alertname": name, "exp_alerts": expected}],
        }
        for series, expected in situations
    ]


def test_every_alert_has_cases_in_which_it_fires_and_in_which_it_does_not():
    assert CASES.keys() == {rule["alert"] for rule in queries.rules() if "alert" in rule}
    assert all(case.fires and case.silent for case in CASES.values())


def test_the_rules_are_well_formed(promtool):
    ended = subprocess.run([promtool, "check", "rules", RULES], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr


@pytest.mark.parametrize("name", CASES)
def test_an_alert_fires_when_it_should_and_only_then(promtool, tmp_path, name):
    written = tmp_path / "tests.json"
    tests = _tests(name, CASES[name])
    written.write_text(json.dumps({"rule_files": [str(RULES)], "evaluation_interval": "1m", "tests": tests}))
    ended = subprocess.run([promtool, "test", "rules", written], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
