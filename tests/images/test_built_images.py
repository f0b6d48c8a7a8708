"""Both images, built and started: as a user without rights, on a root that cannot be written, with no capability."""

import json
import signal
import socket
import time
from collections.abc import Callable
from typing import Any

import httpx
import imageio_ffmpeg
import pytest

pytestmark = [pytest.mark.prove, pytest.mark.timeout(1200)]

IDENTITY = """
import json, os, pathlib
status = dict(line.split(":\\t") for line in open("/proc/self/status").read().splitlines() if ":\\t" in line)
def refused(path):
    try:
        pathlib.Path(path).write_text("x")
    except OSError:
        return True
    return False
print(json.dumps({"uid": os.getuid(), "capabilities": int(status["CapBnd"], 16) | int(status["CapEff"], 16),
    "refused": [refused(p) for p in ("/x", "/tmp/x", "/opt/vodstack/x")]}))
"""


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def alive(url: str) -> bool:
    try:
        return httpx.get(f"{url}/livez").status_code == 200
    except httpx.TransportError:
        return False


def eventually(holds: Callable[[], Any], running: Any, seconds: float = 120) -> Any:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        assert running.poll() is None, running.communicate()
        if found := holds():
            return found
        time.sleep(0.1)
    running.terminate()
    raise AssertionError(running.communicate(timeout=30))


@pytest.mark.parametrize("name", ["api", "video-processor"])
def test_an_image_runs_without_rights_and_writes_nowhere(built_images, name):
    seen = json.loads(built_images[name].output(IDENTITY))
    assert seen == {"uid": 65532, "capabilities": 0, "refused": [True, True, True]}


def test_the_image_carries_the_ffmpeg_of_this_machine(built_images):
    program = "import imageio_ffmpeg; print(imageio_ffmpeg.get_ffmpeg_version())"
    assert built_images["video-processor"].output(program).strip() == imageio_ffmpeg.get_ffmpeg_version()


def test_an_image_without_its_settings_says_which_it_lacks(built_images):
    with built_images["api"].process() as running:
        _, err = running.communicate(timeout=60)
    assert running.returncode != 0
    assert "S3_BUCKET" in err


def test_a_video_posted_to_the_api_image_is_made_ready_by_the_worker_image(built_images, foundation, clip, tmp_path):
    api_port, metrics_port = free_port(), free_port()
    shared = {**foundation.environment, "VODSTACK_HOST": "127.0.0.1"}
    api = built_images["api"].process(environment={**shared, "PORT": str(api_port), "VODSTACK_AUTH": "none"})
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    scratch.chmod(0o777)
    worker = built_images["video-processor"].process(
        environment={**shared, "VODSTACK_METRICS_PORT": str(metrics_port), "VODSTACK_SCRATCH_DIR": "/scratch"},
        scratch=scratch,
    )
    url = f"http://127.0.0.1:{api_port}"
    with api as api_process, worker as worker_process:
        eventually(lambda: alive(url), api_process)
        eventually(lambda: alive(f"http://127.0.0.1:{metrics_port}"), worker_process)
        with clip.open("rb") as file:
            posted = httpx.post(f"{url}/videos", files={"file": ("clip.mp4", file, "video/mp4")}, timeout=60)
        assert posted.status_code == 201, posted.text
        settled = eventually(lambda: settled_view(f"{url}/videos/{posted.json()['videoId']}"), worker_process)
        assert settled["status"] == "ready", settled
        assert settled["renditions"]
        for running in (api_process, worker_process):
            running.send_signal(signal.SIGTERM)
            running.communicate(timeout=60)
            assert running.returncode == 0


def settled_view(video: str) -> Any:
    view = httpx.get(video).json()
    return view if view["status"] in {"ready", "failed"} else None
