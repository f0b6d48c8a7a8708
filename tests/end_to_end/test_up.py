"""The stack that stays up, as a client with nothing but HTTP sees it."""

import os
import re
import signal
import subprocess
import time

import httpx
import pytest
from tests import queries

from .conftest import footage, free_port, is_held, listening

ORDER = ["uploading", "queued", "processing", "ready"]


@pytest.fixture
def ports() -> tuple[int, int]:
    return free_port(), free_port()


def start(vodstack, ports):
    running = vodstack("up", "--port", ports[0], "--metrics-port", ports[1])
    running.wait_for("Ctrl-C stops everything")
    return running


def test_a_client_follows_its_video_to_ready(vodstack, ports, tmp_path):
    running = start(vodstack, ports)
    with httpx.Client(base_url=f"http://127.0.0.1:{ports[0]}", follow_redirects=True, timeout=30) as api:
        created = api.post(
            "/videos", files={"file": ("bikes.mp4", footage("bikes.mp4").read_bytes())}, data={"title": "Hello"}
        )
        assert created.status_code == 201, created.text
        path = f"/videos/{created.json()['videoId']}"
        video = api.get(path).json()
        seen = [video["status"]]
        while video["status"] != "ready":
            time.sleep(0.05)
            video = api.get(path).json()
            assert video["status"] in ORDER, video
            seen += [video["status"]] if video["status"] != seen[-1] else []
        assert seen == sorted(seen, key=ORDER.index)
        assert video["title"] == "Hello"
        playlist = api.get(video["playback"]["hls"]).text
        assert playlist.startswith("#EXTM3U")
        rung = next(line for line in playlist.splitlines() if line.endswith(".m3u8"))
        media = api.get(f"{path}/playback/hls/{rung}")
        segment = next(line for line in media.text.splitlines() if line.endswith(".m4s"))
        assert api.get(str(media.url.join(segment))).content[4:8] in {b"styp", b"moof"}
        # The emulator judges signatures as S3 does, and one is good for one method.
        poster = api.head(video["playback"]["poster"])
        assert (poster.status_code, poster.headers["content-type"]) == (200, "image/jpeg")
    assert "worker | " in running.output
    _every_query_finds_its_metrics(ports)
    _every_printed_line_works_when_pasted(running, tmp_path)
    assert running.interrupt() == 128 + signal.SIGINT
    assert not is_held(ports[0])
    assert not is_held(ports[1])


@pytest.mark.prove
def test_another_copy_beside_it_tells_that_a_video_was_cut_off(vodstack, ports, tmp_path):
    running = start(vodstack, ports)
    path = tmp_path / "holiday.mp4"
    path.write_bytes(footage("bikes.mp4").read_bytes()[:100_000])
    demo = vodstack("demo", path, environment={"VODSTACK_STATE_DIR": str(tmp_path / "state")})
    assert demo.wait() == 1
    assert demo.lines[-2] == f"the services' log: {tmp_path}/state/demo.log"
    assert demo.lines[-1].startswith("error: the video failed: ")
    assert "worker | " not in demo.output
    assert "worker | " in (tmp_path / "state" / "demo.log").read_text()
    assert running.interrupt() == 128 + signal.SIGINT


@pytest.mark.prove
def test_what_a_killed_command_started_dies_with_it(vodstack, ports):
    running = start(vodstack, ports)
    assert all(map(is_held, ports))
    running.kill()
    deadline = time.monotonic() + 20
    while any(map(is_held, ports)):
        assert time.monotonic() < deadline, "what a killed parent started lives on"
        time.sleep(0.1)


def _every_printed_line_works_when_pasted(running, folder):
    """In the order in which they stand, in a shell that is somewhere else and knows nothing of this one's PATH."""
    pasted = [line for line in running.lines if line.startswith(("  curl ", "  export ", "  /", "  '/"))]
    shell = ["sh", "-ec", "\n".join(pasted)]
    environment = {"PATH": os.defpath, "HOME": str(folder)}
    ended = subprocess.run(shell, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert re.search(r'\{"videoId":"[-0-9a-f]{36}"\}\{"videos":\[\{"videoId"', ended.stdout.replace('": ', '":'))
    assert "arrivals" in ended.stdout
    assert len(pasted) == 4


def _every_query_finds_its_metrics(ports):
    """Prometheus would scrape the same; what nobody exports would be an empty panel or an alert that never fires."""
    served = [httpx.get(f"http://127.0.0.1:{port}/metrics").text for port in ports]
    exported = queries.known_names().union(*map(queries.sample_names, served))
    for place, query in queries.queries():
        asked = {selector.name for selector in queries.selectors(query)}
        assert asked <= exported, place


def test_a_taken_port_is_named_with_what_to_do(vodstack):
    with listening() as port:
        running = vodstack("up", "--port", port, "--metrics-port", free_port())
        assert running.wait() == 1
    assert f"port {port} " in " ".join(running.lines)
    assert "PORT=" in running.output
    assert "Traceback" not in running.output
