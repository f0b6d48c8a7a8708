"""The API as a process: how it starts, and how it leaves."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable

import httpx
import pytest
from tests.app.conftest import ApiProcess, environment_of
from tests.conftest import Foundation

from vodstack_app.health.readiness import Readiness
from vodstack_contracts.videos import Status

HEAD = (
    b"POST /videos HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: %d\r\n\r\n"
)
FILE = b'--b\r\nContent-Disposition: form-data; name="file"; filename="x.mp4"\r\n\r\nbytes'
END = b"\r\n--b--\r\n"


def _start(environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "vodstack_app"]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)


def test_missing_settings_are_named_all_at_once_without_a_traceback():
    ended = _start({"PATH": os.environ["PATH"]})
    assert ended.returncode == 2
    assert ended.stderr.count("\n") == 1
    for name in ("AWS_REGION", "S3_BUCKET", "DYNAMODB_TABLE", "VODSTACK_WORK_TABLE", "VODSTACK_AUTH"):
        assert name in ended.stderr


def test_a_variable_that_nothing_reads_stops_the_start(foundation: Foundation):
    ended = _start(os.environ | environment_of(foundation, VODSTACK_MAX_UPLOAD="2"))
    assert (ended.returncode, ended.stderr) == (
        2,
        "The API cannot start: VODSTACK_MAX_UPLOAD is read by nothing: did you mean VODSTACK_MAX_UPLOADS?\n",
    )


@pytest.mark.parametrize("auth", ["None", *(pytest.param(auth, marks=pytest.mark.prove) for auth in ("", "jwt"))])
def test_nobody_is_let_in_by_a_typing_error(foundation: Foundation, auth: str):
    ended = _start(os.environ | environment_of(foundation, VODSTACK_AUTH=auth))
    assert ended.returncode == 2
    assert "VODSTACK_AUTH" in ended.stderr


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, ["VODSTACK_OIDC_ISSUER"]),
        *(
            pytest.param(changes, words, marks=pytest.mark.prove)
            for changes, words in [
                ({"VODSTACK_OIDC_ISSUER": "http://issuer.example"}, ["VODSTACK_OIDC_ISSUER", "https"]),
                ({"VODSTACK_OIDC_ISSUER": "https://i.example"}, ["VODSTACK_OIDC_AUDIENCE", "VODSTACK_OIDC_CLIENT_IDS"]),
                ({"VODSTACK_OIDC_SCOPE_PREFIX": 'a"b'}, ["VODSTACK_OIDC_SCOPE_PREFIX"]),
            ]
        ),
    ],
)
def test_tokens_that_cannot_be_checked_stop_the_start(changes: dict[str, str], words: list[str]):
    nowhere = {
        "AWS_REGION": "us-east-1",
        "S3_BUCKET": "none",
        "DYNAMODB_TABLE": "none",
        "VODSTACK_WORK_TABLE": "none",
        "VODSTACK_AUTH": "oidc",
    }
    ended = _start({"PATH": os.environ["PATH"]} | nowhere | changes)
    assert (ended.returncode, ended.stderr.count("\n")) == (2, 1)
    assert [word for word in words if word not in ended.stderr] == []


def test_a_taken_port_is_a_sentence(foundation: Foundation):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        ended = _start(os.environ | environment_of(foundation, PORT=port))
    assert ended.returncode == 1
    assert ended.stderr == f"The API cannot listen on 127.0.0.1 port {port}: Address already in use.\n"


def test_sigterm_lets_a_running_upload_end_and_takes_no_new_connection(start_process: Callable[..., ApiProcess]):
    api = start_process()
    with socket.create_connection(api.address) as upload, httpx.Client(base_url=api.url) as idle:
        upload.sendall(HEAD % len(FILE + END) + FILE)
        while not api.is_receiving():
            pass
        assert idle.get("/readyz").status_code == 200
        api.process.send_signal(signal.SIGTERM)
        while _accepts(api.address):
            pass
        upload.sendall(END)
        assert upload.recv(65536).startswith(b"HTTP/1.1 201 ")
    assert api.process.wait(30) == 0
    (record,) = api.records()
    assert record.status is Status.QUEUED


def test_an_upload_that_outlives_the_grace_leaves_nothing(start_process: Callable[..., ApiProcess]):
    api = start_process(VODSTACK_SHUTDOWN_GRACE_SECONDS="1")
    with socket.create_connection(api.address) as upload:
        upload.sendall(HEAD % 10_000_000 + FILE + b"x" * 6_000_000)
        while not api.open_uploads():
            pass
        api.process.send_signal(signal.SIGTERM)
        assert api.process.wait(30) == 0
    api.assert_nothing_left()


def _accepts(address: tuple[str, int]) -> bool:
    try:
        socket.create_connection(address).close()
    except ConnectionError:
        return False
    return True


async def test_the_first_signal_turns_readiness_red_before_anything_closes():
    readiness = Readiness()
    assert await readiness.fault() == "The API is starting."
    readiness.drain()
    assert await readiness.fault() == "The API is shutting down."
