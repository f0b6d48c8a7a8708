"""A headless Chromium, driven by its DevTools protocol (docs/adr/0074-chromium-is-driven-by-its-own-protocol.md)."""

import base64
import itertools
import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from websockets.sync.client import ClientConnection, connect

PROGRAMS = (
    "chromium",
    "chromium-browser",
    "google-chrome",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
)
# A container's /dev/shm is small, and its root may open no sandbox.
FLAGS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars")
START_SECONDS = 60
ANSWER_SECONDS = 60


def find_chromium() -> str | None:
    return next(filter(None, map(shutil.which, PROGRAMS)), None)


class Page:
    """A tab. `faults` holds what its console says of errors, `requests` what it asks of the network."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._numbers = itertools.count(1)
        self.faults: list[str] = []
        self.requests: list[tuple[str, str]] = []
        for domain in ("Page", "Runtime", "Log", "Network", "DOM"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call a method of the protocol. Raises RuntimeError where Chromium refuses it."""
        number = next(self._numbers)
        self._socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while (answer := json.loads(self._socket.recv(ANSWER_SECONDS))).get("id") != number:
            self._note(answer)
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']['message']}")
        return answer["result"]

    def open(self, url: str) -> None:
        self.call("Page.navigate", url=url)
        self.wait_for("location.href !== 'about:blank' && document.readyState === 'complete'")

    def evaluate(self, script: str) -> Any:
        answer = self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(f"{script}: {answer['exceptionDetails']['exception'].get('description')}")
        return answer["result"].get("value")

    def wait_for(self, condition: str, seconds: float = 60) -> None:
        """Raises TimeoutError where the condition stays false."""
        end = time.monotonic() + seconds
        while not self.evaluate(f"Boolean({condition})"):
            if time.monotonic() > end:
                raise TimeoutError(f"{condition} within {seconds} s; {self.faults} on {self.text}")
            time.sleep(0.1)

    @property
    def text(self) -> str:
        return self.evaluate("document.body.innerText")

    def choose_file(self, selector: str, path: Path) -> None:
        document = self.call("DOM.getDocument")["root"]["nodeId"]
        node = self.call("DOM.querySelector", nodeId=document, selector=selector)["nodeId"]
        self.call("DOM.setFileInputFiles", nodeId=node, files=[str(path)])

    def limit_upload(self, bytes_per_second: int) -> None:
        """-1 for no limit."""
        self.call(
            "Network.emulateNetworkConditions",
            offline=False,
            latency=0,
            downloadThroughput=-1,
            uploadThroughput=bytes_per_second,
        )

    def picture(self, width: int, height: int) -> bytes:
        """A window's content of that size, as PNG."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        return base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"])

    def _note(self, event: dict[str, Any]) -> None:
        told = event.get("params", {})
        match event.get("method"):
            case "Runtime.exceptionThrown":
                self.faults.append(str(told["exceptionDetails"].get("exception", {}).get("description")))
            case "Log.entryAdded" if told["entry"]["level"] == "error":
                self.faults.append(f"{told['entry']['text']} {told['entry'].get('url', '')}")
            case "Network.requestWillBeSent":
                self.requests.append((told["request"]["method"], told["request"]["url"]))
            case _:
                pass


@contextmanager
def open_page(program: str, *flags: str) -> Generator[Page]:
    """A new tab of a browser of its own, which ends with the context."""
    with tempfile.TemporaryDirectory(prefix="chromium-", ignore_cleanup_errors=True) as profile:
        command = [program, *FLAGS, *flags, f"--user-data-dir={profile}", "--remote-debugging-port=0", "about:blank"]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as browser:
            try:
                port = _port(Path(profile) / "DevToolsActivePort")
                (tab,) = [each for each in httpx.get(f"http://127.0.0.1:{port}/json").json() if each["type"] == "page"]
                with connect(tab["webSocketDebuggerUrl"], max_size=None, proxy=None) as socket:
                    yield Page(socket)
            finally:
                browser.terminate()


def _port(told: Path) -> int:
    end = time.monotonic() + START_SECONDS
    while not (told.is_file() and told.read_text()):
        if time.monotonic() > end:
            raise TimeoutError(f"Chromium did not start within {START_SECONDS} s")
        time.sleep(0.05)
    return int(told.read_text().split()[0])
