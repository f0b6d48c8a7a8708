"""One trace from the client's request through the queue to the worker; no cost where nobody wants it."""

import json
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from tests.app.conftest import Api, ApiProcess
from tests.app.issuer import Issuer
from tests.conftest import Foundation
from tests.worker.running import SMALL_CHUNKS, Workers

from vodstack_app.tracing import trace_id_of
from vodstack_contracts.environment import traces_are_wanted

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = f"00-{TRACE}-00f067aa0ba902b7-01"
ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"


class Collector:
    """Takes spans over OTLP/HTTP."""

    def __init__(self) -> None:
        self.spans: queue.Queue[tuple[str, Any]] = queue.Queue()
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                collector.take(self.rfile.read(int(self.headers["Content-Length"])))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the base class's
                """A word a request would bury the tests' own."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        # Spans are sent soon, not every five seconds.
        self.environment = {
            ENDPOINT: f"http://127.0.0.1:{self.server.server_port}",
            "OTEL_BSP_SCHEDULE_DELAY": "50",
        }

    def take(self, body: bytes) -> None:
        message: Any = ExportTraceServiceRequest.FromString(body)
        for sender in message.resource_spans:
            named = {each.key: each.value.string_value for each in sender.resource.attributes}
            for scope in sender.scope_spans:
                for span in scope.spans:
                    self.spans.put((named["service.name"], span))

    def until(self, name: str) -> list[Any]:
        """Spans as they come, from whichever service, up to one of that name."""
        found = [self.spans.get(timeout=60)[1]]
        while found[-1].name != name:
            found.append(self.spans.get(timeout=60)[1])
        return found

    def wait_for(self, name: str) -> tuple[str, Any]:
        while True:
            service, span = self.spans.get(timeout=60)
            if span.name == name:
                return service, span


@pytest.fixture
def collector() -> Iterator[Collector]:
    running = Collector()
    yield running
    running.server.shutdown()
    running.server.server_close()


@pytest.fixture
def workers(foundation: Foundation, tmp_path: Path) -> Iterator[Workers]:
    made = Workers(foundation.environment, tmp_path)
    yield made
    for worker in made.started:
        worker.kill()


@pytest.fixture(scope="session")
def silent_film(ffmpeg: str, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Ten seconds, which are three of the chunks that tests make."""
    path = tmp_path_factory.mktemp("clips") / "film.mp4"
    picture = ["-f", "lavfi", "-i", "testsrc2=size=64x48:rate=10:duration=10"]
    subprocess.run([ffmpeg, "-v", "error", *picture, "-c:v", "libx264", "-g", "10", path], check=True)
    return path.read_bytes()


def _lines(log: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]


def _attributes(span: Any) -> dict[str, Any]:
    return {each.key: each.value.string_value or each.value.int_value for each in span.attributes}


def test_a_trace_goes_on_from_the_client_through_the_queues_into_every_chunk(
    start_process: Callable[..., ApiProcess], workers: Workers, collector: Collector, silent_film: bytes
):
    with Issuer() as issuer:
        api = start_process(**collector.environment, **issuer.settings())
        api.client.headers.update({"Authorization": f"Bearer {issuer.token()}", "traceparent": PARENT})
        video_id = api.upload(silent_film).json()["videoId"]
    service, request = collector.wait_for("POST /videos")
    assert (service, request.trace_id.hex(), request.parent_span_id.hex()) == ("vodstack-api", TRACE, PARENT[36:52])
    said = {"http.request.method": "POST", "http.route": "/videos", "http.response.status_code": 201}
    assert _attributes(request) == said
    (line,) = [each for each in _lines(api.log) if each.get("path") == "/videos"]
    assert (line["trace_id"], line["owner"], bool(line["request_id"])) == (TRACE, "alice", True)
    patient = {"VODSTACK_VISIBILITY_TIMEOUT_SECONDS": "60"}
    worker = workers.start(**collector.environment, **SMALL_CHUNKS, **patient)
    service, job = collector.wait_for("process video")
    assert (service, job.trace_id.hex(), job.parent_span_id) == ("vodstack-worker", TRACE, request.span_id)
    about = {"vodstack.video_id": video_id}
    assert _attributes(job) == about | {"vodstack.attempt": 1, "vodstack.outcome": "planned"}
    spans = collector.until("assemble video")
    assert {(span.trace_id.hex(), span.parent_span_id) for span in spans} == {(TRACE, request.span_id)}
    assert _attributes(spans[-1])["vodstack.outcome"] == "ready"
    chunks = [span for span in spans if span.name == "encode chunk"]
    assert sorted(_attributes(chunk)["vodstack.chunk"] for chunk in chunks) == [0, 1, 2]
    assert {_attributes(chunk)["vodstack.outcome"] for chunk in chunks} == {"encoded"}
    lines = [each for each in _lines(worker.log_path) if each["event"] in {"planned", "chunk encoded", "ready"}]
    assert {(each["video_id"], each["trace_id"], bool(each["message_id"])) for each in lines} == {
        (video_id, TRACE, True)
    }


def test_without_tracing_of_its_own_a_trace_is_passed_on_as_it_came(api: Api):
    for given, kept in ((PARENT, TRACE), ("00-nonsense", "")):
        video_id = api.client.post("/videos", files={"file": b"x"}, headers={"traceparent": given}).json()["videoId"]
        (record,) = [each for each in api.records() if each.video_id == video_id]
        assert trace_id_of(record.traceparent) == kept


def test_sizes_and_durations_of_uploads_and_requests_in_flight_are_told(api: Api):
    api.upload(b"x")
    started = api.client.post("/uploads", json={"fileName": "a", "sizeBytes": 1, "contentType": "video/mp4"}).json()
    api.client.put(started["missing"][0]["url"], content=b"x")
    for _ in range(2):
        api.client.post(f"/uploads/{started['videoId']}/complete")
    lines = dict(line.rsplit(" ", 1) for line in api.client.get("/metrics").text.splitlines() if line[0] != "#")
    assert lines["vodstack_http_requests_in_flight"] == "1.0"
    for way in ("streamed", "direct"):
        for figure in ("size_bytes", "duration_seconds"):
            assert float(lines[f'vodstack_upload_{figure}_count{{way="{way}"}}']) >= 1


def test_nothing_of_it_is_imported_where_nobody_wants_it():
    program = (
        "import sys, vodstack_app.server, vodstack_app.tracing as tracing; tracing.Tracing();"
        "print([name for name in sys.modules if name.startswith('opentelemetry')])"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env={}, check=True)
    assert ended.stdout == "[]\n"


@pytest.mark.parametrize(
    ("environment", "wanted"),
    [
        ({}, False),
        ({ENDPOINT: "http://localhost:4318"}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://localhost:4318/v1/traces"}, True),
        ({"OTEL_TRACES_EXPORTER": "console"}, True),
        ({ENDPOINT: "http://localhost:4318", "OTEL_TRACES_EXPORTER": "none"}, False),
        ({ENDPOINT: "http://localhost:4318", "OTEL_SDK_DISABLED": "true"}, False),
    ],
)
def test_the_standard_variables_decide(environment: dict[str, str], wanted: object):
    assert traces_are_wanted(environment) is wanted
