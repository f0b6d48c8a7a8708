"""`make pictures`: draws the architecture from its text, and takes the pictures of what runs.

architecture.d2 -> architecture-light.svg, architecture-dark.svg
vodstack demo   -> demo.svg
vodstack up     -> api-docs.png, player.png, uppy.png
"""

import hashlib
import io
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx
from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text
from tests.chromium import Page, find_chromium, open_page
from tests.examples import served_example

from vodstack_cli.clip import ready_clip
from vodstack_platform.embedded.emulator import LOOPBACK

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
COMMAND = (sys.executable, "-P", "-m", "vodstack_cli")
# Numbers of D2's own themes.
THEMES = {"light": "0", "dark": "200"}
DEMO_COLUMNS = 106
SIZE = (1000, 720)
START_SECONDS = 120
READY_SECONDS = 120
API_PORT, METRICS_PORT = 18490, 18491


def main() -> int:
    """Draw all of them, or those that are named."""
    draw = {"architecture": draw_architecture, "demo": draw_demo, "pages": draw_pages}
    for name in sys.argv[1:] or draw:
        draw[name](HERE)
    return 0


def draw_architecture(folder: Path) -> None:
    """Write the picture in a light and a dark form. Each tells by a digest which text it is of."""
    text = HERE / "architecture.d2"
    for name, theme in THEMES.items():
        command = ["d2", "--layout", "elk", "--theme", theme, "--pad", "0", str(text), "-"]
        drawn = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        (folder / f"architecture-{name}.svg").write_text(f"{drawn.rstrip()}\n<!-- {digest(text, drawn)} -->\n")


def digest(text: Path, drawn: str) -> str:
    return hashlib.sha256(text.read_bytes() + drawn.rstrip().encode()).hexdigest()


def draw_demo(folder: Path) -> None:
    """Write what `make demo` prints, as it prints it, in its colours."""
    # Colours without animation: each bar is printed once, when it has come to its end.
    terminal = {"TTY_COMPATIBLE": "1", "TTY_INTERACTIVE": "0", "COLUMNS": str(DEMO_COLUMNS), "TERM": "xterm-256color"}
    ended = subprocess.run(
        [*COMMAND, "demo"], cwd=ROOT, env={**os.environ, **terminal}, stdout=subprocess.PIPE, check=True
    )
    console = Console(record=True, width=DEMO_COLUMNS, file=io.StringIO(), force_terminal=True)
    console.print(Text("$ make demo", "bold"))
    console.print(Text.from_ansi(ended.stdout.decode()))
    picture = console.export_svg(title="vodstack", theme=MONOKAI)
    # Viewers of a repository load no fonts from elsewhere: each takes its own.
    (folder / "demo.svg").write_text(re.sub(r"@font-face \{.*?\}\s*", "", picture, flags=re.DOTALL))


def draw_pages(folder: Path) -> None:
    """Take pictures of the API's own page and of the examples, in Chromium, against a stack that runs for it."""
    program = find_chromium()
    if program is None:
        raise SystemExit("error: Chromium takes these pictures: install it (apt-get install chromium)")
    with tempfile.TemporaryDirectory() as scratch, _running_stack() as api:
        _upload(api, ready_clip(Path(scratch)))
        _take(program, f"{api}/docs", folder / "api-docs.png", "document.querySelector('h1')")
        for name in ("player", "uppy"):
            with served_example(name, Path(scratch) / name) as origin:
                ready, prepare = PAGES[name]
                _take(program, f"{origin}/?api={api}", folder / f"{name}.png", ready, prepare)


def _show_frame(page: Page) -> None:
    page.evaluate("document.querySelector('video').currentTime = 7")
    page.wait_for("!document.querySelector('video').seeking && document.querySelector('video').readyState > 2")


def _choose_film(page: Page) -> None:
    with tempfile.TemporaryDirectory() as folder, (Path(folder) / "harbour.mp4").open("wb") as film:
        film.truncate(1_200_000_000)
        page.choose_file(".uppy-Dashboard-input", Path(film.name))
        page.wait_for("document.querySelector('.uppy-StatusBar button')")
        page.limit_upload(16 * 1024 * 1024)
        page.evaluate("document.querySelector('.uppy-StatusBar button').click()")
        page.wait_for("/Uploading: [2-9]%/.test(document.body.innerText)")
        page.evaluate("new Promise((done) => setTimeout(done, 1500))")


PAGES: Mapping[str, tuple[str, Callable[[Page], None]]] = {
    "player": ("document.querySelector('video').readyState > 2", _show_frame),
    "uppy": ("document.querySelector('.uppy-Dashboard-input')", _choose_film),
}


def _take(program: str, url: str, path: Path, ready: str, prepare: Callable[[Page], None] = lambda _page: None) -> None:
    with open_page(program) as page:
        page.open(url)
        page.wait_for(ready, READY_SECONDS)
        prepare(page)
        path.write_bytes(page.picture(*SIZE))


@contextmanager
def _running_stack() -> Generator[str]:
    command = [*COMMAND, "up", "--port", str(API_PORT), "--metrics-port", str(METRICS_PORT)]
    api = f"http://{LOOPBACK}:{API_PORT}"
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL) as stack:
        try:
            _wait(lambda: stack.poll() is None and httpx.get(f"{api}/readyz").is_success, START_SECONDS, "the API")
            yield api
        finally:
            stack.terminate()


def _upload(api: str, clip: Path) -> None:
    title = {"title": "Harbour at dawn", "tags": "harbour,dawn"}
    created = httpx.post(f"{api}/videos", files={"file": (clip.name, clip.read_bytes())}, data=title, timeout=60)
    video = f"{api}/videos/{created.json()['videoId']}"
    _wait(lambda: httpx.get(video).json()["status"] == "ready", READY_SECONDS, "the video")


def _wait(is_so: Callable[[], bool], seconds: float, what: str) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            if is_so():
                return
        except httpx.TransportError:
            pass
        time.sleep(0.5)
    raise SystemExit(f"error: {what} is not there after {seconds:g} s")


if __name__ == "__main__":
    sys.exit(main())
