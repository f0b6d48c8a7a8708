"""Connections that take more than their share: heads, bodies and answers without end, and too many of them."""

import contextlib
import json
import select
import socket
import time
from collections.abc import Generator, Iterator
from typing import Any

import httpx
import pytest
from tests.app.conftest import Api, serving

HEAD = b"GET /livez HTTP/1.1\r\nHost: x\r\n"
ALIVE = b'{"status":"alive"}'
PROBLEM = "urn:vodstack:problem:"
JSON_HEAD = b"POST /uploads HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"


@pytest.fixture(scope="module")
def impatient_api(shared_api: Api) -> Iterator[Api]:
    """An API whose limits are met within a test."""
    limits = {
        "VODSTACK_REQUEST_TIMEOUT_SECONDS": "0.4",
        "VODSTACK_DRAIN_SECONDS": "0.4",
        "VODSTACK_RATE_GRACE_SECONDS": "0.5",
        "VODSTACK_MAX_CONNECTIONS": "30",
        "VODSTACK_MAX_CONNECTIONS_OF_ONE": "20",
    }
    with serving(shared_api.foundation, **limits) as api:
        yield api


@pytest.fixture
def impatient(api: Api, impatient_api: Api) -> Api:
    del api
    return impatient_api


def _answer(line: socket.socket) -> bytes:
    received = b""
    with contextlib.suppress(ConnectionError):
        while piece := line.recv(65536):
            received += piece
    return received


def _problem(answer: bytes) -> str:
    return json.loads(answer.partition(b"\r\n\r\n")[2])["type"].removeprefix(PROBLEM)


def _status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


def _exchange(api: Api, sent: bytes) -> bytes:
    with socket.create_connection(api.address, timeout=20) as line:
        line.sendall(sent)
        return _answer(line)


def test_a_hundred_headers_are_taken_and_no_more(api: Api):
    for headers, status in ((99, 200), (100, 431)):
        answer = _exchange(api, HEAD + b"X: y\r\n" * (headers - 1) + b"Connection: close\r\n\r\n")
        assert _status(answer) == status
    assert _problem(answer) == "head-too-large"
    assert b"nosniff" in answer


@pytest.mark.parametrize(
    "head",
    [
        HEAD + b"X: " + b"y" * 33_000 + b"\r\n\r\n",
        HEAD + (b"X: " + b"y" * 500 + b"\r\n") * 80 + b"\r\n",
        b"GET /livez?" + b"y" * 33_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    ],
    ids=["one long", "many small", "the path"],
)
def test_the_bytes_of_a_head_are_counted_in_whatever_piece_they_come(api: Api, head: bytes):
    answer = _exchange(api, head)
    assert (_status(answer), _problem(answer)) == (431, "head-too-large")


@pytest.mark.parametrize(
    "beginning", [HEAD + b"X: ", JSON_HEAD + CHUNKED + b"1\r\n{\r\n0\r\nX: "], ids=["head", "trailer"]
)
def test_a_header_without_end_is_refused(api: Api, beginning: bytes):
    with socket.create_connection(api.address) as line:
        line.sendall(beginning)
        refused = b""
        line.settimeout(0.01)
        for _ in range(10_000):
            try:
                line.sendall(b"y" * 4096)
                refused += line.recv(65536)
            except TimeoutError:
                continue
            except (ConnectionResetError, BrokenPipeError):
                pass
            break
    assert refused.startswith(b"HTTP/1.1 4")


def test_what_follows_a_chunked_body_is_no_header_of_the_request(api: Api):
    video_id = api.upload(b"x").json()["videoId"]
    head = f"PATCH /videos/{video_id} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nConnection: close\r\n"
    body = b'c\r\n{"title":"a"\r\n1\r\n}\r\n0\r\nContent-Type: text/plain\r\nX-Request-ID: trailer\r\n\r\n'
    answer = _exchange(api, head.encode() + CHUNKED + body)
    assert (_status(answer), b"trailer" in answer) == (200, False)


def test_a_head_that_does_not_end_in_time_is_told_so(impatient: Api):
    answer = _exchange(impatient, HEAD)
    assert (_status(answer), _problem(answer)) == (408, "request-timeout")


@pytest.mark.parametrize("sent", [b"", b"\r\n"], ids=["nothing", "no head"])
def test_a_connection_that_begins_no_request_ends(impatient: Api, sent: bytes):
    assert _exchange(impatient, sent) == b""


def test_an_empty_line_after_an_answer_keeps_no_connection(impatient: Api):
    with socket.create_connection(impatient.address, timeout=20) as line:
        line.sendall(HEAD + b"\r\n")
        assert line.recv(65536).endswith(ALIVE)
        line.sendall(b"\r\n")
        assert _answer(line) == b""


@pytest.mark.parametrize(
    "framing", [b"Content-Length: 100\r\n\r\n{", CHUNKED + b"1\r\n{\r\n"], ids=["length", "chunks"]
)
def test_a_body_that_does_not_end_in_time_is_told_so(impatient: Api, framing: bytes):
    answer = _exchange(impatient, JSON_HEAD + framing)
    assert (_status(answer), _problem(answer)) == (408, "request-timeout")
    assert b"connection: close" in answer


def test_a_body_that_comes_byte_by_byte_has_no_more_time(impatient: Api):
    with socket.create_connection(impatient.address, timeout=20) as line:
        line.sendall(JSON_HEAD + b"Content-Length: 10000\r\n\r\n")
        began = time.monotonic()
        with contextlib.suppress(ConnectionError):
            while time.monotonic() - began < 10:
                line.sendall(b" ")
                line.settimeout(0.05)
                with contextlib.suppress(TimeoutError):
                    assert line.recv(65536).startswith(b"HTTP/1.1 408 ")
                    break
    assert time.monotonic() - began < 5


UNREAD = {
    "an unknown path": (b"POST /nope HTTP/1.1\r\nHost: x\r\n", 404),
    "a method that is not taken": (b"PUT /videos HTTP/1.1\r\nHost: x\r\n", 405),
    "a path that reads no body": (b"GET /livez HTTP/1.1\r\nHost: x\r\n", 200),
    "a type that is not taken": (b"POST /videos HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\n", 415),
    "too much": (JSON_HEAD, 413),
}


@pytest.mark.parametrize("case", UNREAD)
def test_a_body_that_goes_on_after_the_answer_keeps_no_connection(impatient: Api, case: str):
    head, status = UNREAD[case]
    received, began = b"", time.monotonic()
    with socket.create_connection(impatient.address, timeout=0.02) as line:
        line.sendall(head + b"Content-Length: 99999999999\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            while time.monotonic() - began < 10:
                line.sendall(b"x" * 10_000)
                with contextlib.suppress(TimeoutError):
                    received += line.recv(65536)
    assert (_status(received), b"connection: close" in received) == (status, True)
    assert time.monotonic() - began < 5


def test_a_body_that_was_read_leaves_the_connection_open(api: Api):
    with socket.create_connection(api.address, timeout=20) as line:
        for _ in range(2):
            line.sendall(JSON_HEAD + b"Content-Length: 2\r\n\r\n{}")
            answer = line.recv(65536)
            assert (_status(answer), b"connection: close" in answer) == (400, False)


def test_a_connection_serves_many_requests(api: Api):
    with socket.create_connection(api.address) as line:
        for _ in range(3):
            line.sendall(HEAD + b"X: " + b"y" * 20_000 + b"\r\n\r\n")
            received = b""
            while not received.endswith(ALIVE):
                received += line.recv(65536)
            assert received.startswith(b"HTTP/1.1 200 ")


def test_a_few_requests_at_once_are_answered_in_turn_and_a_flood_is_not(api: Api):
    few = HEAD + b"\r\n"
    assert _exchange(api, few * 5 + HEAD + b"Connection: close\r\n\r\n").count(ALIVE) == 6
    assert _exchange(api, few * 5000).count(ALIVE) < 30


@pytest.fixture
def watched(api: Api) -> Iterator[Api]:
    with serving(api.foundation, VODSTACK_MAX_WATCHES="1") as running:
        yield running


def test_a_request_behind_events_does_not_keep_them_when_the_client_has_gone(watched: Api):
    api = watched
    path = f"/videos/{api.upload(b'x').json()['videoId']}/events"
    with socket.create_connection(api.address, timeout=20) as line:
        line.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode() + HEAD + b"\r\n")
        received = b""
        while b"event: state" not in received:
            received += line.recv(65536)
        assert api.client.get(path).status_code == 503
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        with api.client.stream("GET", path) as answer:
            if answer.status_code == 200:
                return
    raise AssertionError("the place of a client that has gone is never free")


@pytest.mark.parametrize("size", [1, 6])
def test_chunks_of_a_few_bytes_keep_nobody_waiting(api: Api, size: int):
    upload = b"POST /videos HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=b\r\n"
    chunk = b"%x\r\n" % size + b"x" * size + b"\r\n"
    with socket.create_connection(api.address, timeout=20) as line:
        start = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
        line.sendall(upload + CHUNKED + b"%x\r\n%b\r\n" % (len(start), start))
        with contextlib.suppress(ConnectionError):
            line.sendall(chunk * (300_000 // size))
        if size == 1:
            assert (_status(answer := _answer(line)), _problem(answer)) == (400, "bad-request")


def _lines(api: Api, number: int, source: str, sent: bytes = b"") -> list[socket.socket]:
    lines = [socket.create_connection(api.address, timeout=20, source_address=(source, 0)) for _ in range(number)]
    for line in lines:
        line.sendall(sent)
    return lines


@contextlib.contextmanager
def _held(lines: list[socket.socket]) -> Generator[list[socket.socket]]:
    try:
        yield lines
    finally:
        for line in lines:
            line.close()


def test_one_address_takes_no_more_than_its_share_of_the_connections(impatient: Api):
    with _held(_lines(impatient, 25, "127.0.0.2", HEAD)) as lines:
        refused = [_answer(line) for line in lines[20:]]
        assert {(_status(answer), _problem(answer)) for answer in refused} == {(429, "too-many-at-once")}
        assert b"retry-after:" in refused[0].lower()
        with _held(_lines(impatient, 1, "127.0.0.3", HEAD + b"Connection: close\r\n\r\n")) as (other,):
            assert _status(_answer(other)) == 200


def test_connections_that_ask_nothing_give_way_to_those_that_do(impatient: Api):
    idle = [*_lines(impatient, 18, "127.0.0.2"), *_lines(impatient, 18, "127.0.0.3", HEAD)]
    with _held(idle):
        assert httpx.get(f"{impatient.url}/livez").status_code == 200


def test_a_process_with_as_many_requests_as_it_may_hold_says_so(impatient: Api):
    body = JSON_HEAD + b"Content-Length: 100\r\n\r\n{"
    busy = [*_lines(impatient, 15, "127.0.0.4", body), *_lines(impatient, 15, "127.0.0.5", body)]
    with _held(busy), _held(_lines(impatient, 1, "127.0.0.6", HEAD + b"\r\n")) as (late,):
        answer = _answer(late)
        assert (_status(answer), _problem(answer)) == (503, "unavailable")
        assert b"retry-after:" in answer.lower()
        assert {_status(_answer(line)) for line in busy} == {408}


def test_behind_a_proxy_the_address_that_it_names_has_a_share_of_the_requests(shared_api: Api):
    with serving(shared_api.foundation, VODSTACK_MAX_CONNECTIONS_OF_ONE="3") as api:
        path = f"/videos/{api.upload(b'x').json()['videoId']}/events"
        with contextlib.ExitStack() as stack:
            answers = [
                stack.enter_context(api.client.stream("GET", path, headers={"X-Forwarded-For": address}))
                for address in ["192.0.2.1"] * 4 + ["192.0.2.2"]
            ]
            assert [answer.status_code for answer in answers] == [200, 200, 200, 429, 200]
            assert answers[3].headers["retry-after"]


def test_a_client_that_does_not_read_its_answers_is_cut_off(impatient: Api):
    with socket.socket() as line:
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        line.connect(impatient.address)
        deadline = time.monotonic() + 30
        while 'vodstack_connections_refused_total{reason="unread"} 1.0' not in impatient.client.get("/metrics").text:
            assert time.monotonic() < deadline, "it is never cut off"
            # More than the kernel keeps for a client.
            with contextlib.suppress(ConnectionError):
                line.sendall(b"GET /docs HTTP/1.1\r\nHost: x\r\n\r\n" * 5)
            time.sleep(0.05)


def test_a_websocket_is_no_way_around(api: Api):
    upgrade = (
        b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: eA==\r\n\r\n"
    )
    with socket.create_connection(api.address, timeout=20) as line:
        line.sendall(HEAD + upgrade)
        assert line.recv(65536).startswith(b"HTTP/1.1 200 ")


def _open_uploads(api: Api, number: int, headers: bytes = b"") -> list[socket.socket]:
    head = b"POST /videos HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=b\r\n" + headers
    start = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
    return _lines(api, number, "127.0.0.1", head + b"Content-Length: 1000000\r\n\r\n" + start)


def _running(api: Api) -> Any:
    text = api.client.get("/metrics").text
    return next(line.split()[-1] for line in text.splitlines() if line.startswith("vodstack_uploads_in_flight "))


@pytest.fixture
def tight(api: Api) -> Iterator[Api]:
    memory = str(1024 * 1024)
    with serving(api.foundation, VODSTACK_MAX_UPLOADS="4", VODSTACK_BODY_MEMORY_BYTES=memory) as running:
        yield running


def test_uploads_of_one_client_leave_places_for_others(tight: Api):
    api = tight
    with _held(_open_uploads(api, 2, b"X-Forwarded-For: 192.0.2.1\r\n")):
        while _running(api) != "2.0":
            pass
        mine = api.client.post("/videos", files={"file": b"x"}, headers={"X-Forwarded-For": "192.0.2.1"})
        assert (mine.status_code, mine.json()["type"]) == (429, PROBLEM + "too-many-at-once")
        assert mine.headers["retry-after"]
        assert api.upload(b"x").status_code == 201


def test_uploads_that_come_byte_by_byte_free_their_places(impatient: Api):
    with _held(_open_uploads(impatient, 8)) as lines:
        began = time.monotonic()
        while time.monotonic() - began < 1:
            for line in lines:
                with contextlib.suppress(ConnectionError):
                    line.sendall(b"x")
            time.sleep(0.05)
        assert {(_status(answer), _problem(answer)) for answer in map(_answer, lines)} == {(408, "upload-timeout")}
    assert impatient.upload(b"x").status_code == 201
    assert impatient.open_uploads() == []


def test_a_fast_start_buys_no_slow_end(impatient: Api):
    with _held(_open_uploads(impatient, 1)) as (line,):
        line.sendall(b"x" * 500_000)
        began = time.monotonic()
        with contextlib.suppress(ConnectionError):
            while time.monotonic() - began < 10:
                line.sendall(b"x")
                line.settimeout(0.05)
                with contextlib.suppress(TimeoutError):
                    assert b"upload-timeout" in line.recv(65536)
                    break
    assert time.monotonic() - began < 5


def test_bodies_of_json_take_so_much_memory_and_no_more(tight: Api):
    part = JSON_HEAD + b"Content-Length: 200000\r\n\r\n" + b" " * 190_000
    with _held(_lines(tight, 2, "127.0.0.2", part)) as lines:
        (refused,), _, _ = select.select(lines, [], [], 10)
        assert _status(refused.recv(65536)) == 429
        assert tight.client.post("/uploads", json={}).status_code == 400
