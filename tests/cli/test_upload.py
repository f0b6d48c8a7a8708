"""`vodstack upload` over a line that breaks: what has arrived is not sent again."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from tests.app.conftest import Api, serving
from tests.app.issuer import Issuer
from tests.aws_proxy import AwsProxy, is_operation
from tests.conftest import Foundation

from vodstack_cli.client import Client
from vodstack_cli.direct import PARTS_AT_A_TIME
from vodstack_cli.errors import ApiError, CommandError
from vodstack_contracts.videos import Status

MIB = 1024 * 1024
PART_BYTES = 8 * MIB
PARTS = 6
SIZE = (PARTS - 1) * PART_BYTES + 3

READY = b'{"videoId": "x", "status": "ready"}'

is_part = is_operation("UploadPart")


@pytest.fixture
def proxy(foundation: Foundation) -> Iterator[AwsProxy]:
    with AwsProxy(foundation.endpoint_url) as running:
        yield running


@pytest.fixture
def api(foundation: Foundation, proxy: AwsProxy) -> Iterator[Api]:
    with serving(foundation, AWS_ENDPOINT_URL=proxy.url) as running:
        yield running


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "film.mov"
    path.write_bytes(os.urandom(SIZE))
    return path


def _command(api: Api, file: Path, *options: str) -> subprocess.Popen[str]:
    environment = os.environ | {"XDG_STATE_HOME": str(file.parent / "state"), "VODSTACK_URL": api.url}
    command = [sys.executable, "-m", "vodstack_cli", "upload", str(file), *options]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def _sent(proxy: AwsProxy) -> int:
    return sum(len(seen.body) for seen in proxy.seen if is_part(seen))


def _arrived(api: Api) -> int:
    (upload,) = api.s3.list_multipart_uploads(Bucket=api.foundation.bucket)["Uploads"]
    listing = api.s3.list_parts(Bucket=api.foundation.bucket, Key=upload["Key"], UploadId=upload["UploadId"])
    return sum(part["Size"] for part in listing.get("Parts", []))


@pytest.mark.parametrize("size", [SIZE, pytest.param(200_000_000, marks=pytest.mark.prove)])
def test_a_killed_upload_goes_on_and_sends_only_what_is_missing(api: Api, proxy: AwsProxy, file: Path, size: int):
    file.write_bytes(os.urandom(size))
    cut_off = _command(api, file, "--title", "Draft")
    proxy.intercept(is_part, nth=PARTS_AT_A_TIME, before=lambda: cut_off.send_signal(signal.SIGKILL))
    with cut_off:
        cut_off.communicate(timeout=120)
    assert cut_off.returncode == -signal.SIGKILL
    # A part whose sender was killed may still be on its way through.
    while len(api.records()) != 1 or _sent(proxy) < PARTS_AT_A_TIME * PART_BYTES or not _arrived(api):
        pass
    api.client.get("/livez")
    proxy.clear()
    before = _arrived(api)
    with _command(api, file, "--title", "Film", "--tag", "sea", "--tag", "sun") as resumed:
        output, errors = resumed.communicate(timeout=120)
    assert resumed.returncode == 0, errors
    assert f"of {file.name} that an earlier run began" in errors
    assert "the title 'Draft' is now 'Film' and the tags are now 'sea, sun'" in errors
    assert 0 < _sent(proxy) <= size - before
    (record,) = api.records()
    assert output.strip() == record.video_id
    assert (record.status, record.title, record.tags) == (Status.QUEUED, "Film", ["sea", "sun"])
    assert api.original(record.video_id) == file.read_bytes()
    assert (record.content_type, api.open_uploads()) == ("video/quicktime", [])
    assert list((file.parent / "state").rglob("*.json")) == []


def test_ctrl_c_says_how_to_go_on(api: Api, proxy: AwsProxy, file: Path):
    uploading = _command(api, file)
    proxy.intercept(is_part, nth=PARTS - 1, before=lambda: uploading.send_signal(signal.SIGINT))
    with uploading:
        _, errors = uploading.communicate(timeout=120)
    assert uploading.returncode == 130
    assert errors.splitlines()[-1] == "stopped: the same command goes on from here"


def test_a_part_that_fails_is_sent_again_and_no_other(api: Api, proxy: AwsProxy, file: Path):
    proxy.intercept(is_part, nth=2, status=503)
    proxy.intercept(is_part, nth=5, lose=True)
    told: list[tuple[int, int]] = []
    with Client(api.url) as client:
        video_id = client.upload_direct(
            file, title="Film", tags=["sea"], progress=lambda *at: told.append(at), state_folder=file.parent
        )
    assert len(proxy.operations(is_part)) == PARTS + 2
    assert told[-1] == (SIZE, SIZE)
    assert [sent for sent, _ in told] == sorted(sent for sent, _ in told)
    (record,) = api.records()
    assert (record.video_id, record.title, record.tags) == (video_id, "Film", ["sea"])


def test_a_url_whose_time_is_over_is_asked_for_anew(api: Api, proxy: AwsProxy, file: Path):
    proxy.intercept(is_part, nth=1, status=403)
    with Client(api.url) as client:
        video_id = client.upload_direct(file, state_folder=file.parent)
    assert api.original(video_id) == file.read_bytes()


def test_what_the_bucket_refuses_is_told_and_can_be_gone_on_with(api: Api, proxy: AwsProxy, file: Path):
    proxy.intercept(is_part, nth=PARTS, status=400)
    with Client(api.url) as client:
        with pytest.raises(ApiError, match="the bucket answered 400"):
            client.upload_direct(file, state_folder=file.parent)
        before = _arrived(api)
        proxy.clear()
        client.upload_direct(file, state_folder=file.parent)
    assert _sent(proxy) == SIZE - before


def test_an_upload_that_was_aborted_meanwhile_starts_anew(api: Api, proxy: AwsProxy, file: Path):
    proxy.intercept(is_part, nth=PARTS, status=400)
    with Client(api.url) as client:
        with pytest.raises(ApiError):
            client.upload_direct(file, state_folder=file.parent)
        proxy.clear()
        (record,) = api.records()
        assert api.client.delete(f"/uploads/{record.video_id}").status_code == 204
        video_id = client.upload_direct(file, state_folder=file.parent)
    assert video_id != record.video_id
    assert api.original(video_id) == file.read_bytes()


@contextmanager
def _answering(*answers: tuple[int, bytes]) -> Generator[tuple[str, list[str | None]]]:
    """An API that gives these answers, one a request, and tells which tokens came."""
    left, tokens = list(answers), list[str | None]()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            tokens.append(self.headers["Authorization"])
            status, body = left.pop(0)
            self.send_response(status)
            self.send_header("Retry-After", "0")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET  # noqa: N815 - the name is the base class's

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the base class's
            """A word a request would bury the tests' own."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", tokens
        server.shutdown()
    assert left == []


def test_a_client_that_asks_too_often_waits_as_long_as_it_is_told():
    with _answering((429, b"{}"), (429, b"{}"), (200, READY)) as (url, _), Client(url) as client:
        assert client.get("x").status is Status.READY


def test_a_tokens_line_end_is_not_sent():
    with _answering((200, READY)) as (url, tokens), Client(url, token="abc.def\n") as client:
        client.get("x")
    assert tokens == ["Bearer abc.def"]


@pytest.mark.parametrize("token", ["s\u00e9cret", "sec ret", "sec\nret"])
def test_what_can_be_no_token_is_refused_and_not_shown(token: str):
    with pytest.raises(CommandError, match="access token") as refused:
        Client("http://localhost:9", token=token)
    assert token not in str(refused.value)


@pytest.mark.parametrize(
    "url", ["", "localhost:8080", "ftp://videos.example.com", "http://", "http://[", "https://a b"]
)
def test_what_is_no_address_is_told_how_one_looks(url: str):
    with pytest.raises(CommandError, match=r"https://videos\.example\.com"):
        Client(url)


@pytest.mark.parametrize("url", ["http://localhost:8080/", "https://a.example/videos/api", "http://[::1]:8080"])
def test_what_is_an_address_is_taken(url: str):
    with Client(url):
        pass


def _cut_off(api: Api, proxy: AwsProxy, file: Path, title: str) -> None:
    proxy.intercept(is_part, nth=PARTS, status=400)
    with Client(api.url) as client, pytest.raises(ApiError):
        client.upload_direct(file, title=title, state_folder=file.parent)
    proxy.clear()


@pytest.mark.parametrize("title", ["", "Draft"])
def test_an_upload_that_goes_on_keeps_its_title_unless_another_is_given(
    api: Api, proxy: AwsProxy, file: Path, title: str
):
    _cut_off(api, proxy, file, "Draft")
    told: list[str] = []
    with Client(api.url) as client:
        client.upload_direct(file, title=title, notice=told.append, state_folder=file.parent)
    assert ([record.title for record in api.records()], told) == (["Draft"], [])


def test_a_start_whose_answer_was_lost_goes_on_with_another_title(api: Api, file: Path):
    told: list[str] = []
    with AwsProxy(api.url) as line, Client(line.url) as client:
        line.intercept(is_operation("POST"), nth=1, lose=True)
        with pytest.raises(ApiError, match="does not answer"):
            client.upload_direct(file, title="Draft", state_folder=file.parent)
        line.clear()
        client.upload_direct(file, title="Film", notice=told.append, state_folder=file.parent)
    assert [record.title for record in api.records()] == ["Film"]
    assert told == ["going on with an upload of film.mov that an earlier run began: the title 'Draft' is now 'Film'"]


def test_a_state_file_of_an_older_version_is_gone_on_with(api: Api, proxy: AwsProxy, file: Path):
    _cut_off(api, proxy, file, "")
    (state,) = file.parent.glob("*.json")
    state.write_text(json.dumps({"videoId": json.loads(state.read_text())["videoId"]}))
    with Client(api.url) as client:
        client.upload_direct(file, title="Film", state_folder=file.parent)
    assert [record.title for record in api.records()] == ["Film"]


@pytest.mark.parametrize("path", ["/videos", "/videos/", "/uploads", "/docs", "/openapi.json"])
def test_a_path_of_the_api_is_told_to_be_no_root_address(api: Api, file: Path, path: str):
    with _command(api, file, "--url", f"{api.url}{path}") as misplaced:
        output, errors = misplaced.communicate(timeout=60)
    assert (misplaced.returncode, output) == (1, "")
    assert list((file.parent / "state").rglob("*.json")) == []
    assert f"{api.url}{path.rstrip('/')} is not the API's root address: give {api.url}." in " ".join(errors.split())


def test_an_api_below_a_path_is_not_told_so(api: Api, file: Path):
    """A proxy may put it there; what is wrong then is something else."""
    with (
        _answering((404, b"{}")) as (url, _),
        Client(f"{url}/team") as client,
        pytest.raises(ApiError, match=r"^404 Not Found$"),
    ):
        client.upload_direct(file, state_folder=file.parent)


def test_lost_answers_and_parts_that_are_still_put_together_make_no_second_video(api: Api, file: Path):
    with AwsProxy(api.url) as line, Client(line.url) as client:
        line.intercept(is_operation("POST"), nth=1, lose=True)
        line.intercept(lambda seen: seen.path.endswith("/complete"), nth=1, lose=True)
        for _ in ("start", "completion"):
            with pytest.raises(ApiError, match="does not answer"):
                client.upload_direct(file, state_folder=file.parent)
        line.clear()
        line.intercept(is_operation("GetObject"), nth=1, status=503)
        video_id = client.upload_direct(file, state_folder=file.parent)
    assert [record.video_id for record in api.records()] == [video_id]
    assert api.open_uploads() == []


def test_a_file_that_changes_while_it_is_sent_is_no_video(api: Api, proxy: AwsProxy, file: Path):
    proxy.intercept(is_part, nth=2, before=lambda: os.utime(file, (1, 1)))
    with Client(api.url) as client, pytest.raises(CommandError, match="was changed"):
        client.upload_direct(file, state_folder=file.parent)
    assert api.objects() == []


def test_parts_are_put_without_the_apis_token(foundation: Foundation, file: Path):
    with (
        Issuer() as issuer,
        AwsProxy(foundation.endpoint_url) as proxy,
        serving(foundation, AWS_ENDPOINT_URL=proxy.url, **issuer.settings()) as api,
    ):
        with Client(api.url) as client, pytest.raises(ApiError) as refused:
            client.upload_direct(file, state_folder=file.parent)
        with Client(api.url, token=issuer.token()) as client:
            client.upload_direct(file, state_folder=file.parent)
    assert refused.value.status == 401
    assert _sent(proxy) == SIZE


def test_a_folder_that_cannot_be_written_is_told_before_anything_is_sent(tmp_path: Path, file: Path):
    (tmp_path / "taken").touch()
    with Client("http://localhost:9") as client, pytest.raises(CommandError, match="XDG_STATE_HOME"):
        client.upload_direct(file, state_folder=tmp_path / "taken" / "vodstack")


def test_an_empty_file_is_a_sentence(tmp_path: Path):
    empty = tmp_path / "empty.mp4"
    empty.touch()
    with Client("http://localhost:9") as client, pytest.raises(CommandError, match="is empty"):
        client.upload_direct(empty)
