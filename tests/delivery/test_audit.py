"""`make audit` over the real uv, with advisories of the test's own in place of those at osv.dev."""

import json
import shutil
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ADVISORY = {"id": "PYSEC-2026-1", "modified": "2026-01-01T00:00:00Z", "summary": "it lets strangers in", "affected": []}


class Advisories(BaseHTTPRequestHandler):
    """Says of the first package that is asked for whatever the server's `known` holds."""

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["queries"]
        known: list[dict[str, object]] = self.server.known  # type: ignore[attr-defined]
        self._answer({"results": [{"vulns": known} if known else {}] + [{}] * (len(asked) - 1)})

    def do_GET(self) -> None:
        self._answer(ADVISORY)

    def _answer(self, body: object) -> None:
        content = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the base class's
        """The test's own output is enough."""


@pytest.fixture
def advisories() -> Iterator[ThreadingHTTPServer]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Advisories) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def _audit(url: str) -> subprocess.CompletedProcess[str]:
    command = ["make", "--silent", "audit", f"ARGS=--service-url {url}"]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not on PATH")
@pytest.mark.parametrize(("known", "status", "says"), [([ADVISORY], 2, "PYSEC-2026-1"), ([], 0, "no known vulner")])
def test_a_known_vulnerability_fails_the_check_and_none_passes(advisories, known, status, says):
    advisories.known = known
    done = _audit(f"http://127.0.0.1:{advisories.server_port}")
    assert done.returncode == status, done.stderr
    assert says in done.stdout


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not on PATH")
def test_where_no_advisories_can_be_reached_it_says_so_and_goes_on():
    done = _audit("http://127.0.0.1:9")
    assert (done.returncode, "SKIPPED" in done.stdout) == (0, True), done.stderr


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not on PATH")
def test_anything_else_that_goes_wrong_is_no_reason_to_go_on():
    assert _audit("nonsense").returncode == 2


def test_the_check_looks_up_vulnerabilities_and_judges_the_workflows():
    recipe = (ROOT / "Makefile").read_text().partition("\ncheck: setup")[2].partition("\n\n")[0]
    assert "audit" in recipe
    assert "zizmor --offline --quiet .github/workflows" in recipe
