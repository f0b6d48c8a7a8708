"""`make` around the command, on a terminal as its user has it."""

import os
import pty
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from .conftest import OF_MAKE, ROOT, free_port, is_held

# `make test` hands its own variables down to every make below it.
SECONDS = 120


class Terminal:
    """A make whose keyboard and screen are a terminal's."""

    def __init__(self, *arguments: str) -> None:
        self.output = ""
        self.process_id, self._screen = pty.fork()
        if self.process_id == 0:
            for name in OF_MAKE:
                os.environ.pop(name, None)
            os.chdir(ROOT)
            os.execvp("make", ["make", *arguments])  # noqa: S606 - found on PATH, as its user would

    def read_until(self, words: str) -> None:
        while words not in self.output:
            assert self._read(), self.output

    def press_ctrl_c(self) -> None:
        os.write(self._screen, b"\x03")

    def wait(self) -> int:
        while self._read():
            pass
        _, status = os.waitpid(self.process_id, 0)
        return os.waitstatus_to_exitcode(status)

    def _read(self) -> bool:
        try:
            block = os.read(self._screen, 4096)
        except OSError:
            return False
        self.output += block.decode(errors="replace")
        return bool(block)


@pytest.fixture
def terminal() -> Iterator[list[Terminal]]:
    started: list[Terminal] = []
    yield started
    for each in started:
        try:
            os.kill(each.process_id, signal.SIGKILL)
        except ProcessLookupError:
            continue


@pytest.mark.prove
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_make_without_noise(number, terminal):
    port, metrics_port = free_port(), free_port()
    make = Terminal("up", f"PORT={port}", f"METRICS_PORT={metrics_port}")
    terminal.append(make)
    make.read_until("Ctrl-C stops everything")
    make.press_ctrl_c() if number is signal.SIGINT else os.kill(make.process_id, number)
    assert make.wait() == -number, make.output
    _, _, end = make.output.partition("stopping ...")
    assert end.rstrip().endswith("stopped: everything has ended, and what was stored is gone")
    for noise in ("Aborted", "Error", "Interrupt", "Traceback"):
        assert noise not in end
    deadline = time.monotonic() + SECONDS
    while is_held(port) or is_held(metrics_port):
        assert time.monotonic() < deadline, "a process lives on"
        time.sleep(0.1)


def test_a_path_reaches_the_command_whole(tmp_path: Path):
    name = """it's a $HOME of "quotes" & `spaces`.mp4"""
    environment = {key: value for key, value in os.environ.items() if key not in OF_MAKE}
    ended = subprocess.run(
        ["make", "demo", f"VIDEO={tmp_path}/{name}"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert f"error: {tmp_path}/{name} is not there" in ended.stderr
