"""One stack for every page, and a shell in which their lines run (docs/adr/0078-pages-run-by-sybil.md)."""

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from tests.end_to_end.conftest import Running, free_port

ROOT = Path(__file__).parents[2]
PRINTED_ADDRESS = "localhost:8080"
LINE_SECONDS = 170
# `make test` hands its own variables down to every make below it, and its PATH has what a reader's has not.
_OF_THIS_RUN = re.compile(r"MAKE.*|MFLAGS|ARGS|VIDEO|KEEP|PORT|METRICS_PORT|VIRTUAL_ENV|PYTEST.*|PYTHON.*|COLUMNS")
_SCRIPT = """
set -aeo pipefail
trap 'echo "this line failed: $BASH_COMMAND" >&2' ERR
{lines}
{save}
"""
# In Python, for not every system's `env` tells variables of several lines apart.
_SAVE = "import json, os, pathlib; pathlib.Path(os.environ['VARIABLES']).write_text(json.dumps(dict(os.environ)))"


class Shell:
    """Runs blocks in a checkout's folder, as bash does a reader's lines; variables last from one to the next.

    curl fails where the API answers with an error, which it tells of with status 0 otherwise.
    """

    def __init__(self, address: str, variables: Mapping[str, str], folder: Path) -> None:
        self.output = ""
        self._address = address
        self._saved = folder / "variables"
        (folder / ".curlrc").write_text("fail-with-body\nsilent\nshow-error\n")
        path = [entry for entry in os.environ["PATH"].split(":") if not entry.startswith(str(ROOT))]
        kept = {name: value for name, value in os.environ.items() if not _OF_THIS_RUN.fullmatch(name)}
        own = {"PATH": ":".join(path), "CURL_HOME": str(folder), "VARIABLES": str(self._saved)}
        self._variables = {**kept, **variables, **own}

    def run(self, lines: str) -> str | None:
        """Return None, or the reason why a line failed."""
        lines = lines.replace(PRINTED_ADDRESS, self._address)
        script = _SCRIPT.format(lines=lines, save=shlex.join([sys.executable, "-c", _SAVE]))
        ended = subprocess.run(
            ["bash", "-c", script],
            cwd=ROOT,
            env=self._variables,
            capture_output=True,
            text=True,
            check=False,
            timeout=LINE_SECONDS,
        )
        self.output = ended.stdout
        if ended.returncode:
            return f"status {ended.returncode}\n{ended.stderr}{ended.stdout}"
        self._variables = json.loads(self._saved.read_text())
        return None


@pytest.fixture(scope="module")
def stack() -> Iterator[Running]:
    """What `make up` starts, on free ports."""
    port, metrics_port = free_port(), free_port()
    running = Running("up", "--port", str(port), "--metrics-port", str(metrics_port), environment={})
    try:
        running.wait_for("Ctrl-C stops everything")
        yield running
        running.interrupt()
    finally:
        running.kill()


@pytest.fixture(scope="module")
def address(stack: Running) -> str:
    (url,) = re.findall(r"  API +http://(\S+)", stack.output)
    return url


@pytest.fixture(scope="module")
def variables(stack: Running) -> dict[str, str]:
    """Those of the line that `make up` prints for them."""
    (line,) = (line for line in stack.lines if line.startswith("  export "))
    return dict(entry.split("=", 1) for entry in line.split()[1:])
