"""Whatever a client sends: a problem detail that helps, and nothing left behind."""

import json
import os
import shutil
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.app.conftest import Api

PROBLEM = "urn:vodstack:problem:"
FILE = b'--b\r\nContent-Disposition: form-data; name="file"; filename="x.mp4"\r\n\r\nbytes\r\n'
END = b"--b--\r\n"


def _field(name: str, value: bytes) -> bytes:
    return f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n'.encode() + value + b"\r\n"


def _coded(header: bytes) -> bytes:
    return FILE.replace(b"\r\n\r\n", b"\r\n" + header + b"\r\n\r\n", 1) + END


BODIES: dict[str, tuple[bytes, int, str]] = {
    "no file part": (_field("title", b"x") + END, 400, "missing-file"),
    "no part at all": (END, 400, "missing-file"),
    "nothing": (b"", 400, "malformed-upload"),
    "not a form": (b"just text", 400, "malformed-upload"),
    "a file's name without an @": (_field("file", b"clip.mp4") + END, 400, "missing-file"),
    "a file by another name": (FILE.replace(b'"file"', b'"video"') + END, 400, "missing-file"),
    "a nameless file by another name": (
        _field("video", b"x").replace(b'"video"', b'"video"\r\nContent-Type: video/mp4') + END,
        400,
        "missing-file",
    ),
    "a file beside the file": (FILE + FILE.replace(b'"file"', b'"poster"') + END, 400, "too-many-files"),
    "a long field that is none of ours": (_field("video", b"x" * 10_000) + FILE + END, 400, "invalid-field"),
    "an empty file": (FILE.replace(b"bytes", b"") + END, 400, "empty-file"),
    "two files": (FILE + FILE + END, 400, "too-many-files"),
    "no closing boundary": (FILE, 400, "malformed-upload"),
    "a cut header": (FILE[:30], 400, "malformed-upload"),
    "a title of 1 MB": (_field("title", b"x" * 1_000_000) + FILE + END, 400, "invalid-field"),
    "a title of 1 MB after the file": (FILE + _field("title", b"x" * 1_000_000) + END, 400, "invalid-field"),
    "a title of 501 characters": (_field("title", b"x" * 501) + FILE + END, 400, "invalid-field"),
    "two titles": (_field("title", b"x") * 2 + FILE + END, 400, "invalid-field"),
    "a title that is no text": (_field("title", b"\xff\xfe") + FILE + END, 400, "invalid-field"),
    "a long description": (_field("description", b"x" * 5001) + FILE + END, 400, "invalid-field"),
    "51 tags": (_field("tags", ",".join(map(str, range(51))).encode()) + FILE + END, 400, "invalid-field"),
    "a long tag": (_field("tags", b"x" * 101) + FILE + END, 400, "invalid-field"),
    "metadata that is no JSON": (_field("metadata", b"{") + FILE + END, 400, "invalid-field"),
    "metadata of numbers": (_field("metadata", b'{"a":1}') + FILE + END, 400, "invalid-field"),
    "a thousand fields": (_field("x", b"") * 1000 + FILE + END, 400, "too-many-fields"),
    "a part header without end": (b"--b\r\nX: " + b"x" * 100_000, 400, "too-many-fields"),
    "a file in base64": (_coded(b"Content-Transfer-Encoding: base64"), 415, "unsupported-encoding"),
    "a file in quoted-printable": (_coded(b"content-transfer-encoding: Quoted-Printable"), 415, "unsupported-encoding"),
    "a file in gzip": (_coded(b"Content-Encoding: gzip"), 415, "unsupported-encoding"),
    "a line break in a header": (FILE.replace(b"x.mp4", b"x\n.mp4") + END, 400, "malformed-upload"),
}


@pytest.mark.parametrize("case", BODIES)
def test_a_bad_body_is_answered_with_its_problem_and_leaves_nothing(api: Api, case: str):
    body, status, problem = BODIES[case]
    answer = api.post(body)
    assert answer.headers["content-type"] == "application/problem+json"
    said = answer.json()
    assert (answer.status_code, said["status"], said["type"]) == (status, status, PROBLEM + problem)
    assert said["title"]
    assert said["detail"]
    assert said["instance"] == "/videos"
    api.assert_nothing_left()


def test_a_forgotten_at_of_curl_is_told(api: Api):
    assert "`-F file=@clip.mp4`" in api.post(_field("file", b"clip.mp4") + END).json()["detail"]


@pytest.mark.parametrize(
    "opening",
    [FILE.replace(b'"file"', b'"video"').split(b"bytes")[0], _field("file", b"").removesuffix(b"\r\n")],
    ids=["by another name", "as text"],
)
def test_a_file_in_the_wrong_part_is_answered_before_its_bytes_are_sent(api: Api, opening: bytes):
    with socket.create_connection(api.address, timeout=10) as connection:
        connection.sendall(
            b"POST /videos HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=b\r\n"
            b"Content-Length: 9999999999\r\n\r\n" + opening
        )
        answer = connection.recv(65536)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"-F file=@clip.mp4" in answer
    api.assert_nothing_left()


@pytest.mark.parametrize("megabytes", [0, 1, 40])
@pytest.mark.parametrize("way", ["video=@{}", "video=<{}", "file=<{}"])
def test_curl_shows_what_is_wrong_with_the_part_whatever_its_size(api: Api, tmp_path: Path, way: str, megabytes: int):
    if shutil.which("curl") is None:
        pytest.skip("curl is not on PATH")
    clip = tmp_path / "x.mp4"
    clip.write_bytes(b"x" * (megabytes * 1_000_000 + 9_000))
    command = ["curl", "--silent", "--show-error", "-F", way.format(clip), f"{api.url}/videos"]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "`-F file=@clip.mp4`" in json.loads(ran.stdout)["detail"]
    api.assert_nothing_left()


def test_a_part_that_a_page_leaves_empty_and_a_field_from_a_file_are_no_second_file(api: Api):
    empty = _field("poster", b"").replace(
        b'"poster"', b'"poster"; filename=""\r\nContent-Type: application/octet-stream'
    )
    title = _field("title", b"Harbour").replace(b'"title"', b'"title"; filename="title.txt"')
    video_id = api.post(empty + title + FILE + END).json()["videoId"]
    assert api.client.get(f"/videos/{video_id}").json()["title"] == "Harbour"


@pytest.mark.parametrize("head", [b'; filename=""', b"\r\nContent-Type: video/mp4"])
def test_a_file_needs_no_name_where_it_is_plainly_one(api: Api, head: bytes):
    assert api.post(_field("file", b"bytes").replace(b'"file"', b'"file"' + head) + END).status_code == 201


def test_a_bad_field_is_named(api: Api):
    said = api.post(_field("title", b"x" * 501) + FILE + END).json()
    assert said["errors"] == [{"field": "title", "detail": "The field has 501 characters; 500 are allowed."}]


@pytest.mark.parametrize(
    ("content_type", "status", "problem"),
    [
        ("", 415, "unsupported-media-type"),
        ("application/json", 415, "unsupported-media-type"),
        ("multipart/mixed; boundary=b", 415, "unsupported-media-type"),
        ("multipart/form-data", 400, "malformed-upload"),
        ("multipart/form-data; boundary=", 400, "malformed-upload"),
    ],
)
def test_a_body_must_say_that_it_is_a_form(api: Api, content_type: str, status: int, problem: str):
    answer = api.client.post("/videos", content=FILE + END, headers={"Content-Type": content_type})
    assert (answer.status_code, answer.json()["type"]) == (status, PROBLEM + problem)
    api.assert_nothing_left()


def test_an_announced_size_over_the_limit_is_refused_before_the_body_is_sent(api: Api):
    with socket.create_connection(api.address) as connection:
        connection.sendall(
            b"POST /videos HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=b\r\n"
            b"Expect: 100-continue\r\nContent-Length: 99999999999\r\n\r\n"
        )
        assert connection.recv(65536).startswith(b"HTTP/1.1 413 ")
    api.assert_nothing_left()


def test_a_file_that_grows_over_the_limit_is_refused_and_leaves_nothing(serve: Callable[..., Api]):
    api = serve(VODSTACK_MAX_UPLOAD_BYTES=str(6 * 1024 * 1024))
    head, tail = FILE.split(b"bytes")
    answer = api.post(iter([head, os.urandom(7 * 1024 * 1024), tail, END]))
    assert (answer.status_code, answer.json()["type"]) == (413, PROBLEM + "too-large")
    api.assert_nothing_left()


def test_a_file_of_exactly_the_limit_is_taken(serve: Callable[..., Api]):
    api = serve(VODSTACK_MAX_UPLOAD_BYTES="1000")
    assert api.upload(b"x" * 1000).status_code == 201
    assert api.upload(b"x" * 1001).status_code == 413


def test_a_client_that_falls_silent_is_told_so_and_leaves_nothing(serve: Callable[..., Api]):
    api = serve(VODSTACK_BODY_TIMEOUT_SECONDS="0.3")
    with socket.create_connection(api.address) as connection:
        connection.sendall(
            b"POST /videos HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=b\r\n"
            b"Content-Length: 1000000\r\n\r\n" + FILE
        )
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"upload-timeout" in answer
    api.assert_nothing_left()


@pytest.mark.parametrize("sent", [FILE, FILE.replace(b"bytes", b"x" * 6 * 1024 * 1024)], ids=["small", "some parts"])
def test_a_client_that_goes_away_leaves_nothing(api: Api, sent: bytes):
    with socket.create_connection(api.address) as connection:
        connection.sendall(
            b"POST /videos HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=b\r\n"
            b"Content-Length: 100000000\r\n\r\n" + sent
        )
        while not (api.is_receiving() if sent is FILE else api.open_uploads()):
            pass
    while api.is_receiving():
        pass
    api.assert_nothing_left()


def test_more_uploads_than_allowed_are_asked_to_come_back(serve: Callable[..., Api]):
    api = serve(VODSTACK_MAX_UPLOADS="1")
    with socket.create_connection(api.address) as connection:
        connection.sendall(
            b"POST /videos HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=b\r\n"
            b"Content-Length: 100000000\r\n\r\n" + FILE
        )
        while not api.is_receiving():
            pass
        answer = api.upload(b"x")
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd", "x-gzip, identity"])
def test_a_compressed_body_is_refused_before_its_bytes_are_sent(api: Api, coding: str):
    with socket.create_connection(api.address, timeout=10) as connection:
        connection.sendall(
            b"POST /videos HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=b\r\n"
            b"Content-Encoding: " + coding.encode() + b"\r\nContent-Length: 9999999999\r\n\r\n"
        )
        answer = connection.recv(65536)
    assert answer.startswith(b"HTTP/1.1 415 ")
    assert b"accept-encoding: identity" in answer.lower()
    assert f"has the Content-Encoding {coding}.".encode() in answer
    api.assert_nothing_left()


@pytest.mark.parametrize(("method", "path"), [("POST", "/uploads"), ("PATCH", "/videos/{}")])
def test_no_other_body_may_be_compressed_either(api: Api, method: str, path: str):
    url = path.format(api.upload(b"x").json()["videoId"])
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    answer = api.client.request(method, url, content=b"\x1f\x8b", headers=headers)
    assert (answer.status_code, answer.json()["type"]) == (415, PROBLEM + "unsupported-encoding")


@pytest.mark.parametrize("header", [b"Content-Transfer-Encoding: binary", b"Content-Transfer-Encoding: 8BIT"])
def test_a_part_that_says_it_is_binary_is_taken(api: Api, header: bytes):
    assert api.post(_coded(header)).status_code == 201
