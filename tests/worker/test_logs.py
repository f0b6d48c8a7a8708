import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from vodstack_worker.logs import configure_logs


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    """Logs are one for the whole process."""
    root, ours = logging.getLogger(), structlog.get_config()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.configure(**ours)


def test_a_librarys_line_has_the_form_of_our_own(capsys: pytest.CaptureFixture[str]):
    configure_logs("json", "info")
    library = logging.getLogger("some.library")
    library.info("chatter")
    library.error("a request of %s", "127.0.0.1", exc_info=ConnectionResetError("gone"))
    (line,) = capsys.readouterr().err.splitlines()
    said = json.loads(line)
    assert (said["event"], said["level"]) == ("a request of 127.0.0.1", "error")
    assert said["exception"] == "ConnectionResetError: gone"
    assert said["timestamp"].endswith("Z")
