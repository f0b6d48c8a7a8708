"""A kubectl for tests: it forwards to a page of its own, holds one Secret, or fails with the words in KUBECTL_FAILS.

Each run adds its arguments, and how it ended, to the file KUBECTL_LOG. A Service's pods cannot run in tests.
"""

import base64
import json
import os
import signal
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

SECRET = {"user": "admin", "password": "not-so-secret"}


class _Page(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = f"the page {self.path}".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is the base class's
        """Nothing: the command under test reads what is printed."""


def _note(**facts: Any) -> None:
    with Path(os.environ["KUBECTL_LOG"]).open("a") as log:
        log.write(json.dumps(facts) + "\n")


def main() -> None:
    arguments = sys.argv[1:]
    kubeconfig = arguments[1] if arguments[0] == "--kubeconfig" else ""
    _note(
        arguments=arguments,
        kubeconfig=Path(kubeconfig).read_text() if kubeconfig else "",
        mode=oct(Path(kubeconfig).stat().st_mode & 0o777) if kubeconfig else "",
        region=os.environ.get("AWS_REGION"),
    )
    if words := os.environ.get("KUBECTL_FAILS"):
        sys.exit(words)
    if "port-forward" not in arguments:
        data = {key: base64.b64encode(value.encode()).decode() for key, value in SECRET.items()}
        sys.stdout.write(json.dumps({"kind": "Secret", "data": data}))
        return
    local, _, remote = arguments[-1].partition(":")
    server = HTTPServer(("127.0.0.1", int(local or 0)), _Page)
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    sys.stdout.write(f"Forwarding from 127.0.0.1:{server.server_port} -> {remote}\n")
    sys.stdout.flush()
    server.serve_forever()
    _note(ended="by SIGTERM")


if __name__ == "__main__":
    main()
