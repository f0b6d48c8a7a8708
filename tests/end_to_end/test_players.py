"""Players that people embed show a film of several chunks, with sound and captions, on a page of another origin."""

import json
import queue
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
import yaml
from tests.films import make_film
from tests.worker.media_cases import AC3, joined, recorded
from tests.worker.sources import Recording, steady

from .conftest import ROOT, free_port

# A whole number of segments: the last piece of sound has but a moment left for a segment of its own.
SECONDS = 12
CHUNK_SECONDS = 4
JOBS = SECONDS // CHUNK_SECONDS + 1  # the sound is one as well
PATIENCE_SECONDS = 120
PLAYERS = Path(__file__).parent / "players"

pytestmark = [pytest.mark.prove, pytest.mark.timeout(600)]


class Page(SimpleHTTPRequestHandler):
    """Serves a folder, and takes what the page has to say."""

    told: "queue.Queue[dict[str, Any]]" = queue.Queue()

    def do_POST(self) -> None:
        self.told.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the base class's
        """A word a request would bury the tests' own."""


@pytest.fixture(scope="module")
def page(browser: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The origin of the page, with the players' code as their makers publish it."""
    if shutil.which("npm") is None:
        pytest.skip("no npm is on PATH to fetch players, so none is tried here")
    root = tmp_path_factory.mktemp("page")
    for name in ("package.json", "package-lock.json"):
        shutil.copy(PLAYERS / name, root)
    subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=root, check=True)
    shutil.copy(PLAYERS / "page.html", root)
    (root / "node_modules").rename(root / "players")
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Page, directory=str(root)))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(scope="module")
def project(page: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ours, where pages of the one origin are welcome."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "stacks").symlink_to(ROOT / "stacks")
    shutil.copy(ROOT / "Pulumi.yaml", folder)
    stack = yaml.safe_load((ROOT / "Pulumi.local.yaml").read_text())
    services = stack["config"]["vodstack:services"]
    services["api"]["corsOrigins"] = [page]
    services["worker"]["chunkSeconds"] = CHUNK_SECONDS
    stack["config"]["vodstack:foundation"]["bucket"]["corsOrigins"] = [page]
    (folder / "Pulumi.local.yaml").write_text(yaml.safe_dump(stack))
    return folder


@pytest.fixture(scope="module")
def film(ffmpeg: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    text = "1\n00:00:01,000 --> 00:00:04,000\nfirst\n\n2\n00:00:08,000 --> 00:00:11,500\nlast\n"
    return make_film(ffmpeg, tmp_path_factory.mktemp("film") / "film.mp4", seconds=SECONDS, text=text)


Upload = Callable[[Path], dict[str, Any]]


@pytest.fixture(scope="module")
def upload(start_vodstack: Any, project: Path) -> Upload:
    """Uploads a source; returns what the API says of it once it is ready."""
    port = free_port()
    running = start_vodstack("up", "--project", project, "--port", port, "--metrics-port", free_port())
    running.wait_for("Ctrl-C stops everything")

    def run(source: Path) -> dict[str, Any]:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as api:
            created = api.post("/videos", files={"file": (source.name, source.read_bytes())}, data={"title": "Film"})
            path = f"/videos/{created.json()['videoId']}"
            end = time.monotonic() + PATIENCE_SECONDS
            while (seen := api.get(path).json())["status"] != "ready":
                assert seen["status"] != "failed", seen
                assert time.monotonic() < end, running.output
                time.sleep(0.5)
        return {**seen, "log": running.output}

    return run


@pytest.fixture(scope="module")
def video(upload: Upload, film: Path) -> dict[str, Any]:
    seen = upload(film)
    assert seen["log"].count("chunk encoded") == JOBS, seen["log"]
    return seen


ODD = {
    "short_audio.mp4": (recorded(Recording(times=steady(360), audio=(0.0, 4.0))), 12.0),
    "late_audio.mp4": (recorded(Recording(times=steady(300), audio=(4.0, 10.0))), 10.0),
    "late_video.mp4": (recorded(Recording(times=steady(210, start=3.3), audio=(0.0, 10.0))), 10.3),
    "slides.mp4": (recorded(Recording(times=[0.0, 4.0, 8.0], audio=(0.0, 12.0))), 12.0),
    "change.ts": (joined(*AC3), 10.0),
}


@pytest.fixture(scope="module")
def odd_videos(upload: Upload, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("odd")
    for name, (make, _) in ODD.items():
        make(folder / name)
    return {name: upload(folder / name) for name in ODD}


@pytest.mark.parametrize(("player", "manifest"), [("hls", "hls"), ("dash", "hls"), ("dash", "dash"), ("native", "mp4")])
@pytest.mark.parametrize("name", ODD)
def test_an_odd_source_plays_to_its_end(
    name: str, player: str, manifest: str, *, page: str, odd_videos: Any, browser: str, tmp_path: Path
):
    """Audio that ended before the video let hls.js wait for ever, and Shaka end too early."""
    seconds = ODD[name][1]
    seen = watch(browser, tmp_path, page, player=player, source=odd_videos[name]["playback"][manifest])
    assert seen["troubles"] == []
    assert seen["ended"]
    assert seen["times"] == sorted(seen["times"])
    assert seen["times"][-1] == pytest.approx(seconds, abs=0.2)


@pytest.mark.parametrize(
    ("player", "manifest", "cues"),
    [("hls", "hls", ["first", "last"]), ("dash", "dash", ["first", "last"]), ("native", "hls", [])],
)
def test_a_player_shows_the_whole_film_without_a_stall(
    player: str, manifest: str, cues: list[str], *, page: str, video: dict[str, Any], browser: str, tmp_path: Path
):
    """Chromium's own player knows no captions."""
    seen = watch(browser, tmp_path, page, player=player, source=video["playback"][manifest])
    assert seen["troubles"] == []
    assert seen["times"] == sorted(seen["times"])
    assert seen["times"][-1] == pytest.approx(SECONDS, abs=0.2)
    assert seen["ranges"] == 1
    assert seen["cues"] == cues
    assert seen["sound"] > 0


@pytest.mark.parametrize(("player", "manifest"), [("hls", "hls"), ("dash", "dash"), ("dash", "hls")])
def test_a_player_switches_to_another_language_and_plays_on_to_the_end(
    player: str, manifest: str, *, page: str, video: dict[str, Any], browser: str, tmp_path: Path
):
    """440 Hz are English, 1320 Hz German."""
    source = video["playback"][manifest]
    seen = watch(browser, tmp_path, page, player=player, source=source, language="de")
    assert seen["troubles"] == []
    assert sorted(seen["offered"]) == ["de", "en"]
    assert seen["times"][-1] == pytest.approx(SECONDS, abs=0.2)
    before = [pitch for moment, pitch in seen["pitches"] if 1 < moment < 4]
    after = [pitch for moment, pitch in seen["pitches"] if 8 < moment < SECONDS - 0.5]
    assert before == pytest.approx([440] * len(before), abs=15)
    assert after == pytest.approx([1320] * len(after), abs=15)
    assert len(before) > 3
    assert len(after) > 3


def watch(browser: str, folder: Path, page: str, **query: str) -> dict[str, Any]:
    """What the page has to say at the end of the video."""
    flags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--autoplay-policy=no-user-gesture-required"]
    command = [browser, *flags, f"--user-data-dir={folder}", f"{page}/page.html?{urlencode(query)}"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as running:
        try:
            return Page.told.get(timeout=PATIENCE_SECONDS)
        finally:
            running.kill()
