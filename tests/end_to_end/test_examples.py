"""The pages of docs/examples, run as their READMEs say, in Chromium against the stack of `make up` as it is."""

import json
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from tests.chromium import Page, open_page
from tests.examples import served_example

from .conftest import ROOT, free_port

SECONDS = 2
PART_BYTES = 8 * 1024 * 1024
SLOW_BYTES_PER_SECOND = 4 * 1024 * 1024
PATIENCE_SECONDS = 120

pytestmark = [pytest.mark.prove, pytest.mark.timeout(400)]


@pytest.fixture(scope="module")
def film(ffmpeg: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Short and large: noise, hardly compressed, with audio in two languages."""
    path = tmp_path_factory.mktemp("film") / "noise.mkv"
    noise = f"testsrc2=size=640x360:rate=25:duration={SECONDS},noise=alls=100:allf=t+u,format=yuv444p"
    command = [ffmpeg, "-v", "error", "-f", "lavfi", "-i", noise, "-f", "lavfi", "-i", f"sine=duration={SECONDS}"]
    languages = [
        "-metadata:s:a:0",
        "language=eng",
        "-metadata:s:a:1",
        "language=ger",
        "-map",
        "0",
        "-map",
        "1",
        "-map",
        "1",
    ]
    subprocess.run([*command, *languages, "-c:v", "ffv1", "-c:a", "flac", str(path)], check=True)
    return path


@pytest.fixture(scope="module")
def api(browser: str, start_vodstack: Callable[..., Any]) -> str:
    if shutil.which("npm") is None:
        pytest.skip("no npm is on PATH to fetch what the examples need, so none is tried")
    port = free_port()
    running = start_vodstack("up", "--project", ROOT, "--port", port, "--metrics-port", free_port())
    running.wait_for("Ctrl-C stops everything")
    return f"http://localhost:{port}"


@pytest.fixture(scope="module")
def uploader(api: str, browser: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with served_example("uppy", tmp_path_factory.mktemp("uppy") / "page") as origin, open_page(browser) as page:
        page.open(f"{origin}/?api={api}")
        yield page


def _click(page: Page, word: str) -> None:
    """Press the button of Uppy's status bar that is called so."""
    buttons = "[...document.querySelectorAll('.uppy-StatusBar button')]"
    button = f"{buttons}.find((each) => (each.ariaLabel ?? each.textContent).startsWith('{word}'))"
    page.wait_for(button)
    page.evaluate(f"{button}.click()")


def _start(page: Page, film: Path, api: str) -> str:
    """The id of the upload, when a part of it has arrived and others have not."""
    page.limit_upload(SLOW_BYTES_PER_SECOND)
    page.choose_file(".uppy-Dashboard-input", film)
    _click(page, "Upload")
    end = time.monotonic() + PATIENCE_SECONDS
    while True:
        newest = httpx.get(f"{api}/videos", params={"status": "uploading", "limit": 1}).json()["videos"]
        if newest and httpx.get(f"{api}/uploads/{newest[0]['videoId']}").json()["arrived"]:
            return newest[0]["videoId"]
        assert time.monotonic() < end, (page.text, page.faults)
        time.sleep(0.1)


def _parts(page: Page) -> list[int]:
    """Numbers of the parts that the page has put, in their order."""
    puts = [urlsplit(url) for method, url in page.requests if method == "PUT"]
    return [int(parse_qs(put.query)["partNumber"][0]) for put in puts]


@pytest.fixture(scope="module")
def uploaded(uploader: Page, api: str, film: Path) -> dict[str, Any]:
    """A video that was paused on its way: its id, and the numbers of the parts before and after."""
    video_id = _start(uploader, film, api)
    _click(uploader, "Pause")
    time.sleep(1)
    arrived = httpx.get(f"{api}/uploads/{video_id}").json()["arrived"]
    before = _parts(uploader)
    time.sleep(1)
    assert httpx.get(f"{api}/uploads/{video_id}").json()["arrived"] == arrived
    assert _parts(uploader) == before
    uploader.limit_upload(-1)
    _click(uploader, "Resume")
    uploader.wait_for("document.querySelector('#stored a')", PATIENCE_SECONDS)
    return {"videoId": video_id, "arrived": arrived, "after": _parts(uploader)[len(before) :]}


def test_an_upload_that_was_paused_goes_on_with_the_parts_that_are_missing(
    uploaded: dict[str, Any], uploader: Page, api: str, film: Path
):
    count = -(-film.stat().st_size // PART_BYTES)
    assert count >= 4
    assert sorted(uploaded["after"]) == [number for number in range(1, count + 1) if number not in uploaded["arrived"]]
    assert uploader.evaluate("document.querySelector('#stored a').href") == f"{api}/videos/{uploaded['videoId']}"
    assert uploader.faults == []
    video = httpx.get(f"{api}/videos/{uploaded['videoId']}").json()
    assert (video["status"] in {"queued", "processing", "ready"}, video["title"]) == (True, film.name)


def test_the_player_shows_the_newest_video_from_its_wait_to_its_end(
    uploaded: dict[str, Any], api: str, browser: str, tmp_path: Path
):
    served = served_example("player", tmp_path / "page")
    with served as origin, open_page(browser, "--autoplay-policy=no-user-gesture-required") as page:
        page.open(f"{origin}/?api={api}")
        page.wait_for("document.querySelector('video').readyState > 2", PATIENCE_SECONDS)
        page.wait_for("!document.querySelector('label').hidden", PATIENCE_SECONDS)
        assert page.evaluate("[...document.querySelector('select').options].map(({ text }) => text)") == ["en", "de"]
        page.evaluate("document.querySelector('video').play()")
        choose = "(choice) => { choice.selectedIndex = 1; choice.dispatchEvent(new Event('change')); }"
        page.evaluate(f"({choose})(document.querySelector('select'))")
        page.wait_for("document.querySelector('video').ended", PATIENCE_SECONDS)
        assert page.evaluate("document.querySelector('video').currentTime") == pytest.approx(SECONDS, abs=0.2)
        assert any("/audio-1/" in url and ".m4s" in url for _, url in page.requests)
        assert page.evaluate("document.querySelector('h1').textContent") == "noise.mkv"
        assert page.evaluate("document.querySelector('[role=status]').textContent").endswith("p")
        assert page.faults == []


def test_the_player_says_what_is_wrong(api: str, browser: str, tmp_path: Path):
    with served_example("player", tmp_path / "page") as origin, open_page(browser) as page:
        for query, words in {
            f"api={api}&video=none": "A video's id is a UUID",
            "api=http://localhost:1": f"cannot be reached: is it up, and do its corsOrigins name {origin}?",
        }.items():
            page.open(f"{origin}/?{query}")
            page.wait_for(f"document.querySelector('[role=status]').textContent.includes({json.dumps(words)})", 10)


def test_an_upload_that_is_cancelled_leaves_nothing(uploaded: dict[str, Any], uploader: Page, api: str, film: Path):
    _click(uploader, "Done")
    video_id = _start(uploader, film, api)
    _click(uploader, "Cancel")
    end = time.monotonic() + PATIENCE_SECONDS
    while httpx.get(f"{api}/uploads/{video_id}").status_code != 404:
        assert time.monotonic() < end, (uploader.text, uploader.faults)
        time.sleep(0.1)
    assert httpx.get(f"{api}/videos/{video_id}").status_code == 404
