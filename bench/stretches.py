"""`make bench ONLY=stretches`: the longest turn that each route of the API takes of the event loop, at its worst.

Every route is asked for the most that it takes: pages of the longest texts, uploads of thousands of parts, bodies and
heads at their limits, chunks of a few bytes.
"""

import http.client
import json
import os
import socket
import sys
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from backends import ANSWERS_PORT, Backend, moto_backend
from observed import run_service, say

from vodstack_contracts.items import to_item
from vodstack_contracts.videos import DirectUpload, Status, VideoRecord, new_video_id, timestamp

LIMIT_MILLISECONDS = 10.0
PARTS = 200 if os.environ.get("BENCH_QUICK") else 2000
ROUNDS = 5
PART_BYTES = 8 * 1024 * 1024
FILM_BYTES = 20 * 1024**3
JSON = {"Content-Type": "application/json"}
FORM = {"Content-Type": "multipart/form-data; boundary=b"}
FILE = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.mp4"\r\n\r\n'
NAMES = b"{" + b",".join(b'"n%d":0' % number for number in range(25_000)) + b"}"


def main() -> int:
    if not sys.platform.startswith("linux"):
        say("This counts the CPU time of a thread: run it on Linux.")
        return 2
    figures = measure()
    say(f"Longest turn of the event loop by route, CPU ms ({LIMIT_MILLISECONDS:g} are allowed):")
    for route, milliseconds in sorted(figures.items(), key=lambda each: -each[1]):
        say(f"  {milliseconds:7.2f}  {route}")
    return 0 if max(figures.values()) <= LIMIT_MILLISECONDS else 1


def measure() -> dict[str, float]:
    with TemporaryDirectory(prefix="vodstack-bench-") as folder, moto_backend() as backend:
        told = Path(folder) / "stretches.json"
        environment = {**backend.environment, "PORT": "0", "BENCH_STRETCHES": str(told)}
        with run_service("stretched", environment, Path(folder)) as service:
            client = _Client(service.port(ANSWERS_PORT))
            film = _fill(backend)
            for _ in range(ROUNDS):
                _ask(client, film)
            _trickle(client)
        return json.loads(told.read_text("utf-8"))


class _Client:
    """A connection for each request: some end with one."""

    def __init__(self, port: int) -> None:
        self.port = port

    def ask(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> bytes:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        try:
            connection.request(method, path, body, headers or {})
            return connection.getresponse().read()
        finally:
            connection.close()

    def send(self, raw: bytes) -> None:
        with socket.create_connection(("127.0.0.1", self.port), timeout=60) as line, suppress(ConnectionError):
            line.sendall(raw)
            while line.recv(65536):
                pass


def _fill(backend: Backend) -> str:
    """A page of videos of which much is said, and a film of which some parts have arrived."""
    said: dict[str, Any] = {
        "title": "x" * 500,
        "description": "x" * 5000,
        "tags": [f"{number:02}" + "x" * 98 for number in range(50)],
        "metadata": {str(number): "x" * 300 for number in range(50)},
    }
    # 1 MB, which is as much as DynamoDB gives at a time; moto would give more.
    for _ in range(37):
        _put(backend, Status.QUEUED, **said)
    film = _put(backend, Status.UPLOADING, size_bytes=FILM_BYTES)
    s3, place = backend.client("s3"), {"Bucket": backend.environment["S3_BUCKET"], "Key": f"originals/{film}/source"}
    upload_id = s3.create_multipart_upload(**place)["UploadId"]
    with ThreadPoolExecutor(8) as pool:
        send = s3.upload_part
        sent = [
            pool.submit(send, **place, UploadId=upload_id, PartNumber=number, Body=b"x")
            for number in range(1, PARTS + 1)
        ]
        for each in sent:
            each.result()
    direct = DirectUpload(upload_id=upload_id, part_bytes=PART_BYTES)
    _put(backend, Status.UPLOADING, video_id=film, size_bytes=FILM_BYTES, direct=direct)
    return film


def _put(backend: Backend, status: Status, video_id: str = "", **fields: Any) -> str:
    now, video_id = timestamp(), video_id or new_video_id()
    record = VideoRecord(video_id=video_id, status=status, upload_date=now, updated_at=now, owner="anonymous", **fields)
    backend.client("dynamodb").put_item(TableName=backend.environment["DYNAMODB_TABLE"], Item=to_item(record))
    return video_id


def _ask(client: _Client, film: str) -> None:
    start = {"fileName": "a.mp4", "sizeBytes": FILM_BYTES, "contentType": "video/mp4"}
    started = json.loads(client.ask("POST", "/uploads", json.dumps(start), JSON))["videoId"]
    client.ask("DELETE", f"/uploads/{started}")
    client.ask("GET", f"/uploads/{film}")
    client.ask("POST", f"/uploads/{film}/complete")
    video_id = json.loads(client.ask("POST", "/videos", FILE + b"x" * 24_000_000 + b"\r\n--b--\r\n", FORM))["videoId"]
    client.ask("GET", "/videos?limit=100")
    client.ask("GET", f"/videos?tag=none&{'&'.join(f'n{number}' for number in range(90))}")
    client.ask("GET", f"/videos/{video_id}")
    client.ask("GET", f"/videos/{uuid.uuid4()}/playback/hls/master.m3u8")
    for body in (NAMES, b"[" * 100_000, b'{"metadata":' + NAMES.replace(b"0", b'""') + b"}"):
        client.ask("PATCH", f"/videos/{video_id}", body, JSON)
        client.ask("POST", "/uploads", body, JSON)
    client.ask("HEAD", f"/videos/{video_id}/events")
    client.ask("DELETE", f"/videos/{video_id}")
    for path in ("/docs", "/openapi.json", "/metrics", "/livez", "/readyz"):
        client.ask("GET", path)
    words = ",".join(f"a/b{number};q=0.5" for number in range(1500))
    client.ask("GET", "/videos?limit=1", headers={"Accept": words})
    client.ask("GET", "/videos?limit=1", headers={"If-None-Match": words, "Cookie": words.replace(",", ";")[:10_000]})


def _trickle(client: _Client) -> None:
    """Bodies whose framing is most of the work, and many requests in one piece."""
    head = b"POST /videos HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=b\r\n"
    for raw in _trickles():
        client.send(head + b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n" + raw)
    client.send(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n" * 10_000)


def _trickles() -> Iterator[bytes]:
    first = b"%x\r\n%b\r\n" % (len(FILE), FILE)
    for size in (1, 6, 16):
        yield first + (b"%x\r\n" % size + b"x" * size + b"\r\n") * 200_000 + b"0\r\n\r\n"


if __name__ == "__main__":
    sys.exit(main())
