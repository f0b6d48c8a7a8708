"""A media tool that was taken over reaches nothing: tried as root, and as a pod's user without namespaces."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.worker.refusals import POD_USER
from tests.worker.running import WorkerProcess, wait_for
from tests.worker.sandboxed import ATTACKS, PYTHON

from vodstack_worker.sandbox_report import Layer

HERE = Path(__file__).parent
REFUSALS = (sys.executable, "-I", "-S", str(HERE / "refusals.py"))
SANDBOXED = str(HERE / "sandboxed.py")
# Neither is to be had in a pod; the others do for them.
SPARED = {"own_user", "own_network"}
NEEDS_SECCOMP = {"processes", "relay", "sockets", "system_calls"}

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or os.getuid() != 0 or not Path(PYTHON).exists(),
    reason="only root of a Linux with a Python of its own may become a pod's user and filter system calls",
)


@pytest.fixture
def folder() -> Iterator[Path]:
    """One that a pod's user may reach and write to, as pytest's own are root's alone."""
    made = Path(tempfile.mkdtemp(prefix="vodstack-sandbox-"))
    made.chmod(0o755)
    os.chown(made, POD_USER, POD_USER)
    yield made
    shutil.rmtree(made)


@pytest.fixture(scope="module")
def pod_python() -> Iterator[str]:
    """A Python with our packages that a pod's user may run. Skips where there is none."""
    home = Path(tempfile.mkdtemp(prefix="vodstack-python-"))
    home.chmod(0o755)
    yield make_python(home)
    shutil.rmtree(home)


def make_python(home: Path) -> str:
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    site = home / f"lib/python{version}/site-packages"
    site.mkdir(parents=True)
    (home / "bin").mkdir()
    (home / "bin/python").symlink_to(PYTHON)
    (home / "pyvenv.cfg").write_text("home = /usr/bin\n")
    packages = [path for path in sys.path if path.endswith("site-packages")]
    lines = [f"import site; site.addsitedir({path!r})" for path in packages]
    (site / "installed.pth").write_text("\n".join(lines))
    python = str(home / "bin/python")
    tried = subprocess.run(
        [*REFUSALS, "pod", python, "-I", "-c", "import vodstack_worker.media_process, av"],
        check=False,
        capture_output=True,
    )
    if tried.returncode:
        pytest.skip(f"our packages cannot be imported by another user and Python {version}: {tried.stderr[-200:]!r}")
    return python


def run(command: list[str], folder: Path, what: str) -> dict[str, Any]:
    done = subprocess.run([*command, SANDBOXED, folder, what], check=True, capture_output=True, timeout=60)
    return json.loads(done.stdout)


@pytest.fixture(params=["root", "pod"])
def command(request: pytest.FixtureRequest) -> list[str]:
    """What runs Python as the worker's user."""
    if request.param == "root":
        return [sys.executable]
    return [*REFUSALS, "pod", request.getfixturevalue("pod_python")]


@pytest.mark.parametrize("what", ["attacks", "relay"])
def test_a_tool_that_was_taken_over_reaches_nothing(what: str, command: list[str], folder: Path):
    found = run(command, folder, what)
    outcomes = found["outcomes"]
    # A tool that reads by the relay is given a socket that leads there, whatever address it asks for.
    given = {"call_by_tcp"} if what == "relay" else set[str]()
    assert {name for name, outcome in outcomes.items() if outcome == "succeeded"} == given, outcomes
    assert found["called"] == []
    assert found["intact"]
    # The last attack, threads without end, ends the tool or is refused.
    attacks = ATTACKS.read_text().count("@attack\n")
    assert len(outcomes) == attacks or (found["exceeded"], len(outcomes)) == ("threads", attacks - 1), found


def test_a_tool_that_makes_its_answers_wait_holds_nothing_else(command: list[str], folder: Path):
    found = run(command, folder, "held")
    assert found["exceeded"] == "wall time", found
    assert found["longest"] < 0.3, found


def test_each_layer_stands_around_a_pods_tools_but_those_that_root_alone_makes(command: list[str], folder: Path):
    found = run(command, folder, "layers")
    assert found["said"] == ""
    missing = set(Layer) - set(found["layers"])
    assert missing == (SPARED if "pod" in command else set())


def test_a_worker_that_needs_the_sandbox_says_what_is_missing_and_what_to_do(folder: Path):
    found = run([*REFUSALS, "old", sys.executable], folder, "layers")
    assert set(Layer) - set(found["layers"]) - SPARED == NEEDS_SECCOMP | {"files"}
    assert "lacks files, processes, relay, sockets, system_calls" in found["said"]
    for advice in ("landlock", "seccomp", "RuntimeDefault", "services.worker.cage"):
        assert advice in found["said"]


@pytest.mark.parametrize("kernel", ["old", ""], ids=["processes allowed", "processes refused"])
def test_no_process_outlives_its_tool_however_that_ends(kernel: str, folder: Path):
    found = run([*REFUSALS, kernel, sys.executable] if kernel else [sys.executable], folder, "daemons")
    assert {end: told["left"] for end, told in found.items()} == dict.fromkeys(found, 0)
    for told in found.values():
        # What keeps the pipes open is not waited for.
        assert told["seconds"] < 5
    if kernel:
        assert [found[end]["code"] for end in ("success", "failure", "wall time")] == [0, 7, -9]


def test_a_worker_tells_its_layers_and_hides_from_processes_of_its_own_user(folder: Path, pod_python: str):
    log_path = folder / "log"
    environment = {
        "AWS_ACCESS_KEY_ID": "x",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
        "AWS_REGION": "us-east-1",
        "AWS_SECRET_ACCESS_KEY": "x",
        "DYNAMODB_TABLE": "none",
        "S3_BUCKET": "none",
        "SQS_QUEUE_URL": "http://127.0.0.1:9/queue",
        "VODSTACK_HOST": "127.0.0.1",
        "VODSTACK_METRICS_PORT": "0",
        "VODSTACK_SCRATCH_DIR": str(folder / "scratch"),
        "VODSTACK_WORK_TABLE": "none",
    }
    with log_path.open("wb") as log:
        command = [*REFUSALS, "pod", pod_python, "-m", "vodstack_worker"]
        process = subprocess.Popen(command, env=environment, stderr=log)
    worker = WorkerProcess(process, 0, log_path, folder / "scratch")
    try:
        told = wait_for(lambda: [line for line in worker.log().splitlines() if '"started"' in line], worker.log())
        port = json.loads(told[0])["port"]
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
            lines = answer.read().decode().splitlines()
        figures = dict(line.rsplit(" ", 1) for line in lines if line.startswith("vodstack_worker_sandbox{"))
        expected = {f'vodstack_worker_sandbox{{layer="{layer}"}}': f"{layer not in SPARED:d}.0" for layer in Layer}
        assert figures == expected
        # The kernel gives to root what no other process of the user may read.
        assert Path(f"/proc/{process.pid}/environ").stat().st_uid == 0
    finally:
        worker.kill()
