"""Lines of the API and of the worker, which `make up` shows one below the other, have one form."""

import re
import subprocess
import sys

SAY = """
import structlog
from types import SimpleNamespace
from vodstack_{0}.logs import configure_logs
configure_logs({1})
structlog.get_logger().info("ready", video_id="abc")
"""
SETTINGS = """SimpleNamespace(log_format="console", log_level="info")"""
LINE = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+Z \[info     \] ready +(\[\S*\] +)?video_id=abc\n")


def test_console_lines_begin_with_the_time_in_api_and_worker():
    for script in (SAY.format("app", SETTINGS), SAY.format("worker", '"console", "info"')):
        said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
        assert LINE.fullmatch(said.stdout + said.stderr), said.stdout + said.stderr
