"""Heads of requests that are too large, or never end."""

import socket

import pytest
from tests.app.conftest import Api

from vodstack_app import connection

HEAD = b"GET /livez HTTP/1.1\r\nHost: x\r\n"


def _answer(line: socket.socket) -> bytes:
    received = b""
    try:
        while piece := line.recv(65536):
            received += piece
    except ConnectionResetError:
        pass
    return received


def test_a_hundred_headers_are_taken_and_no_more(api: Api):
    for headers, status in ((99, b"200"), (100, b"431")):
        with socket.create_connection(api.address) as line:
            line.sendall(HEAD + b"X: y\r\n" * (headers - 1) + b"Connection: close\r\n\r\n")
            answer = _answer(line)
            assert answer.startswith(b"HTTP/1.1 %b " % status)
    assert b"urn:vodstack:problem:head-too-large" in answer


def test_a_header_without_end_is_refused(api: Api):
    with socket.create_connection(api.address) as line:
        line.sendall(HEAD + b"X: ")
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
    assert refused.startswith(b"HTTP/1.1 431 ")


@pytest.mark.parametrize("sent", [b"", HEAD])
def test_a_head_that_does_not_end_in_time_ends_the_connection(api: Api, monkeypatch: pytest.MonkeyPatch, sent: bytes):
    monkeypatch.setattr(connection, "HEAD_SECONDS", 0.2)
    with socket.create_connection(api.address) as line:
        line.sendall(sent)
        assert _answer(line) == b""


def test_a_connection_serves_many_requests(api: Api):
    with socket.create_connection(api.address) as line:
        for _ in range(3):
            line.sendall(HEAD + b"X: " + b"y" * 40_000 + b"\r\n\r\n")
            received = b""
            while not received.endswith(b'{"status":"alive"}'):
                received += line.recv(65536)
            assert received.startswith(b"HTTP/1.1 200 ")
