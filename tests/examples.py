"""The pages of docs/examples, served as their READMEs say."""

import shutil
import socket
import subprocess
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

EXAMPLES = Path(__file__).parents[1] / "docs" / "examples"
START_SECONDS = 60


@contextmanager
def served_example(name: str, folder: Path) -> Generator[str]:
    """The origin of a copy in `folder`, with what its lock names, served by its own `npm start`."""
    shutil.copytree(EXAMPLES / name, folder, ignore=shutil.ignore_patterns("node_modules", "built"))
    subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=folder, check=True)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = ["npm", "start", "--", f"--serve=127.0.0.1:{port}"]
    # It serves until its input ends.
    with subprocess.Popen(command, cwd=folder, stdin=subprocess.PIPE) as server:
        end = time.monotonic() + START_SECONDS
        while not _is_held(port):
            if server.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"{name} is not served: {command} in {folder}")
            time.sleep(0.05)
        yield f"http://localhost:{port}"


def _is_held(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
