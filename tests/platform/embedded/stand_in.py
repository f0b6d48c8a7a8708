"""What a service looks like from outside, for tests of who runs it: it listens, answers probes, obeys SIGTERM.

`/env` shows its variables. GET `/turn/live/500` makes `/livez` answer 500 from then on, `/turn/ready/503` likewise.
"""

import http.server
import json
import os
import signal
import sys
from pathlib import Path

answers = {"live": 200, "ready": 200}


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path.startswith("/turn/"):
            _, _, which, status = self.path.split("/")
            answers[which] = int(status)
        status = {"/livez": answers["live"], "/readyz": answers["ready"]}.get(self.path, 200)
        known = self.path in {"/livez", "/readyz", "/env"} or self.path.startswith("/turn/")
        self.send_response(status if known else 404)
        self.end_headers()
        self.wfile.write(json.dumps(dict(os.environ)).encode() if self.path == "/env" else b"")

    def log_message(self, format, *args):  # noqa: A002 - the base class names it so
        pass


def say(text):
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main():
    if os.environ.get("DIES_WITH"):
        say("dying as told")
        sys.exit(int(os.environ["DIES_WITH"]))
    if os.environ.get("STUBBORN"):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    else:
        signal.signal(signal.SIGTERM, lambda *_: (say("leaving"), os._exit(0)))
    if scratch := os.environ.get("SCRATCH"):
        (Path(scratch) / "note").write_text("written")
    say("listening")
    server = http.server.ThreadingHTTPServer((os.environ["VODSTACK_HOST"], int(os.environ["PORT"])), Handler)
    server.serve_forever()


main()
