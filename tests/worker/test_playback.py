"""A browser plays what was joined from chunks, across every join."""

import json
import queue
import shutil
import subprocess
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from tests.worker.conftest import SMALL_CHUNKS

from vodstack_contracts.objects import rendition_prefix
from vodstack_contracts.videos import Status, Way

PATIENCE_SECONDS = 150
PAGE = """<!doctype html><video muted></video><script>
const tracks = TRACKS, video = document.querySelector("video"), media = new MediaSource();
const seen = {events: [], times: []};
const tell = () => fetch("/report", {method: "POST", body: JSON.stringify(seen)});
video.src = URL.createObjectURL(media);
video.ontimeupdate = () => seen.times.push(video.currentTime);
video.onended = tell;
video.onerror = () => { seen.events.push("error: " + video.error.message); tell(); };
media.onsourceopen = async () => {
  try {
    const buffers = tracks.map(([type]) => media.addSourceBuffer(type));
    for (const [index, [, files]] of tracks.entries()) {
      const buffer = buffers[index];
      for (const file of files) {
        const bytes = await (await fetch(file)).arrayBuffer();
        await new Promise((done) => { buffer.onupdateend = done; buffer.appendBuffer(bytes); });
      }
    }
    media.endOfStream();
    seen.ranges = video.buffered.length;
    await video.play();
    const stall = (event) => seen.events.push(`${event.type} at ${video.currentTime}`);
    for (const name of ["waiting", "stalled"]) video.addEventListener(name, stall);
  } catch (error) { seen.events.push("thrown: " + error); tell(); }
};
</script>"""


class Reports(SimpleHTTPRequestHandler):
    """Serves a folder, and takes what the page has to say."""

    told: "queue.Queue[dict[str, Any]]" = queue.Queue()

    def do_POST(self) -> None:
        self.told.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the base class's
        """A word a request would bury the tests' own."""


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Reports, directory=str(tmp_path)))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def files_of(playlist: Path, root: Path) -> list[str]:
    lines = playlist.read_text().splitlines()
    names = [line.split('"')[1] for line in lines if line.startswith("#EXT-X-MAP")]
    names += [line for line in lines if not line.startswith("#")]
    return [(playlist.parent / name).relative_to(root).as_posix() for name in names]


@pytest.mark.prove
def test_a_browser_plays_across_every_join_without_a_stall(
    videos: Any, workers: Any, film: Path, tmp_path: Path, *, address: str
):
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("no Chromium is on PATH, so playback in a browser is not tried here")
    worker = workers.start(**SMALL_CHUNKS)
    video_id = videos.upload(film)
    record = videos.wait_until(video_id, Status.READY, Status.FAILED)
    assert record.plan.way is Way.CHUNKS, worker.log()
    hls = videos.fetch(rendition_prefix(video_id), tmp_path / "published") / "hls"
    tracks = [
        (f'video/mp4; codecs="{record.renditions[0].codecs}"', files_of(hls / "90p/index.m3u8", tmp_path)),
        ('audio/mp4; codecs="mp4a.40.2"', files_of(hls / "audio/index.m3u8", tmp_path)),
    ]
    (tmp_path / "page.html").write_text(PAGE.replace("TRACKS", json.dumps(tracks)))
    flags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--autoplay-policy=no-user-gesture-required"]
    profile = f"--user-data-dir={tmp_path / 'profile'}"
    with subprocess.Popen(
        [browser, *flags, profile, f"{address}/page.html"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as running:
        try:
            seen = Reports.told.get(timeout=PATIENCE_SECONDS)
        finally:
            running.kill()
    assert seen["events"] == []
    assert seen["ranges"] == 1
    assert seen["times"] == sorted(seen["times"])
    assert seen["times"][-1] == pytest.approx(10.0, abs=0.1)
