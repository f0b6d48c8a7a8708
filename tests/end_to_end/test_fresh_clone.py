"""`make demo` in a fresh clone, in the kinds of folder that people keep clones in."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from .conftest import OF_MAKE, ROOT, footage

pytestmark = [pytest.mark.prove, pytest.mark.timeout(900)]

HIDING = 'umask 077; exec "$@"'
SUDO = ("sudo", "-n", "-E")


def clone(folder: Path) -> Path:
    """What is committed, and what is not yet: a change is to be tried before it lands."""
    subprocess.run(["git", "clone", "--quiet", ROOT, folder], check=True)
    tracked = ["git", "ls-files", "-co", "-z", "--exclude-standard"]
    for name in subprocess.run(tracked, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split("\0")[:-1]:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).exists():
            shutil.copy2(ROOT / name, folder / name)
    return folder


def run_demo(folder: Path, *under: str) -> str:
    """The output of a demo that ended well. It finds nothing of this checkout's environment."""
    inherited = {"UV_PROJECT_ENVIRONMENT", "VIRTUAL_ENV", "UV_RUN_RECURSION_DEPTH", *OF_MAKE}
    environment = {name: value for name, value in os.environ.items() if name not in inherited}
    command = [*under, "make", "demo", f"VIDEO={footage('bikes.mp4')}"]
    ran = subprocess.run(command, cwd=folder, env=environment, check=False, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "\nready: " in ran.stdout
    return ran.stdout


@pytest.fixture
def private(tmp_path: Path) -> Path:
    """A folder that its owner alone may enter, with spaces in its path."""
    folder = tmp_path / "my private films"
    folder.mkdir(mode=0o700)
    return folder


def test_a_path_with_spaces_that_others_may_not_enter_and_an_umask_that_hides_files(private: Path):
    run_demo(clone(private / "vodstack"), "/bin/sh", "-c", HIDING, "-")


@pytest.mark.skipif(os.getuid() != 0 or shutil.which(SUDO[0]) is None, reason="sudo without a password is not there")
def test_sudo(private: Path):
    run_demo(clone(private / "vodstack"), *SUDO)


@pytest.fixture
def read_only(private: Path) -> Iterator[Path]:
    """A clone that is mounted read-only, which not even root may write to."""
    if os.getuid() != 0 or sys.platform != "linux":
        pytest.skip("only root on Linux may mount a folder read-only")
    folder = private / "read only"
    folder.mkdir()
    mounts = [["--bind", clone(private / "vodstack"), folder], ["-o", "remount,ro,bind", folder]]
    try:
        for mount in mounts:
            if subprocess.run(["mount", *mount], check=False, capture_output=True).returncode != 0:
                pytest.skip("mounts are refused here")
        yield folder
    finally:
        subprocess.run(["umount", folder], check=False, capture_output=True)


def test_a_read_only_checkout(read_only: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("UV_CACHE_DIR", uv_cache())
    run_demo(read_only)
    assert list((tmp_path / "cache").rglob("pyvenv.cfg"))


def uv_cache() -> str:
    """Where packages lie that were downloaded already."""
    uv = shutil.which("uv") or str(ROOT / ".tools/bin/uv")
    return subprocess.run([uv, "cache", "dir"], check=True, capture_output=True, text=True).stdout.strip()
