"""Values that no program of good will sends: they are answered, and nothing active is stored or shown."""

import json
import time
from collections.abc import Iterator
from typing import Any

import httpx
import jwt
import pytest
from tests.app.conftest import Api, serving
from tests.app.issuer import Issuer
from tests.app.test_video import ready_record

from vodstack_app.videos.listing import PAGE_BYTES
from vodstack_contracts.objects import original_key
from vodstack_contracts.videos import Status, VideoRecord, new_video_id, timestamp

START: dict[str, Any] = {"fileName": "a.mp4", "sizeBytes": 6, "contentType": "video/mp4"}
JSON = {"Content-Type": "application/json"}
DEEP = "[" * 5000
HALF = '"\\ud800"'
BODIES = {
    "brackets": DEEP,
    "closed brackets": DEEP + "]" * 5000,
    "brackets in a field": f'{{"title":{DEEP}',
    "brackets in metadata": f'{{"metadata":{{"a":{DEEP}{"]" * 5000}}}}}',
    "brackets in an unknown field": f'{{"nope":{DEEP}{"]" * 5000}}}',
    "half a character": f'{{"title":{HALF}}}',
    "half a character as a name": f"{{{HALF}:1}}",
    "half a character in a tag": f'{{"tags":[{HALF}]}}',
    "half a character in metadata": f'{{"metadata":{{{HALF}:{HALF}}}}}',
    "a huge number": f'{{"title":{"9" * 5000}}}',
    "no number": '{"title":NaN}',
    "many names": json.dumps({f"n{number}": 0 for number in range(10_000)}),
}


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    with Issuer() as running:
        yield running


@pytest.fixture(scope="module")
def guarded(shared_api: Api, issuer: Issuer) -> Iterator[Api]:
    changes = {"VODSTACK_MAX_WATCHES_OF_ONE": "1", "VODSTACK_PUBLIC_URL": "https://videos.example"}
    with serving(shared_api.foundation, **changes, **issuer.settings()) as api:
        yield api


@pytest.mark.parametrize("case", BODIES)
def test_a_body_of_json_is_refused_and_never_a_fault_of_the_server(api: Api, case: str):
    video_id = api.upload(b"x").json()["videoId"]
    for answer in (
        api.client.patch(f"/videos/{video_id}", content=BODIES[case], headers=JSON),
        api.client.post("/uploads", content=BODIES[case], headers=JSON),
    ):
        assert answer.status_code == 400
        assert len(answer.content) < 10_000


@pytest.mark.parametrize("text", [DEEP, f'{{"a":{DEEP}', f'{{"a":{HALF}}}', f"{{{HALF}:{HALF}}}"])
def test_so_is_the_metadata_of_a_form(api: Api, text: str):
    assert api.upload(b"x", metadata=text).status_code == 400


@pytest.mark.parametrize("name", ["fileName", "title", "description", "contentType"])
def test_so_is_each_text_of_a_direct_upload(api: Api, name: str):
    body = json.dumps(START | {name: "HALF"}).replace('"HALF"', HALF)
    assert api.client.post("/uploads", content=body, headers=JSON).status_code == 400


@pytest.mark.parametrize(
    "path",
    [
        "/videos?tag=%ED%A0%80",
        "/videos?%ED%A0%80=1",
        "/videos?cursor=%ED%A0%80",
        "/videos/%ED%A0%80",
        "/%ED%A0%80",
        "/%00",
    ],
)
def test_half_a_character_in_an_address_is_no_fault_of_the_server(api: Api, path: str):
    assert api.client.get(path).status_code < 500


@pytest.mark.parametrize(
    "name", ["Authorization", "Idempotency-Key", "If-None-Match", "X-Request-ID", "traceparent", "Accept"]
)
def test_bytes_that_are_no_text_in_a_header_are_no_fault_of_the_server(api: Api, guarded: Api, name: str):
    for each in (api, guarded):
        headers: list[tuple[bytes, bytes]] = [(name.encode(), b"\xed\xa0\x80\xff")]
        assert each.client.get("/videos", headers=headers).status_code < 500
        files = {"file": ("a.mp4", b"x", "video/mp4")}
        assert each.client.post("/videos", files=files, headers=headers).status_code < 500


@pytest.mark.parametrize("subject", ["\ud800", "a\udfffb"])
def test_half_a_character_in_a_subject_is_no_token(guarded: Api, issuer: Issuer, subject: str):
    answer = guarded.client.get("/videos", headers={"Authorization": f"Bearer {issuer.token(sub=subject)}"})
    assert (answer.status_code, answer.json()["type"]) == (401, "urn:vodstack:problem:invalid-token")


def test_half_a_character_in_any_other_claim_is_no_fault_of_the_server(guarded: Api, issuer: Issuer):
    for name in ("iss", "aud", "scope", "client_id", "azp", "token_use"):
        token = jwt.encode(issuer.claims(**{name: "\ud800"}), issuer.private_keys["first"], "RS256", {"kid": "first"})
        answer = guarded.client.get("/videos", headers={"Authorization": f"Bearer {token}"})
        assert answer.status_code < 500, name


def test_a_hundred_query_parameters_are_refused_at_once(api: Api):
    answer = api.client.get("/videos?" + "&".join(f"n{number}=1" for number in range(2000)))
    assert (answer.status_code, len(answer.content) < 5000) == (400, True)


ACTIVE = [
    "text/html",
    "image/svg+xml",
    "application/xml",
    "text/javascript",
    "video/x+xml",
    "video/svg+xml",
    "multipart/x-mixed-replace",
]


@pytest.mark.parametrize("given", [*ACTIVE, "TEXT/HTML; charset=utf-8", ""])
@pytest.mark.parametrize("size", [1, 6 * 1024 * 1024], ids=["one call", "parts"])
def test_an_original_keeps_no_type_that_a_browser_would_run(api: Api, given: str, size: int):
    files = {"file": ("a.html", b"<script>" + b"x" * size, given)}
    video_id = api.client.post("/videos", files=files).json()["videoId"]
    stored = api.s3.head_object(Bucket=api.foundation.bucket, Key=original_key(video_id))
    assert (stored["ContentType"], stored["ContentDisposition"]) == ("application/octet-stream", "attachment")


@pytest.mark.parametrize(("given", "kept"), [("video/webm", "video/webm"), ("Video/MP4; codecs=x", "video/mp4")])
def test_an_original_keeps_a_type_of_video(api: Api, given: str, kept: str):
    video_id = api.client.post("/videos", files={"file": ("a", b"x", given)}).json()["videoId"]
    assert api.s3.head_object(Bucket=api.foundation.bucket, Key=original_key(video_id))["ContentType"] == kept


def test_neither_does_a_direct_upload(api: Api):
    started = api.client.post("/uploads", json=START | {"contentType": "video/x+xml"}).json()
    httpx.put(started["missing"][0]["url"], content=b"abcdef")
    assert api.client.post(f"/uploads/{started['videoId']}/complete").status_code == 200
    stored = api.s3.head_object(Bucket=api.foundation.bucket, Key=original_key(started["videoId"]))
    assert (stored["ContentType"], stored["ContentDisposition"]) == ("application/octet-stream", "attachment")


def test_browsers_take_every_answer_for_what_it_says_it_is(api: Api, guarded: Api):
    record = ready_record()
    api.put_record(record)
    api.s3.put_object(
        Bucket=api.foundation.bucket, Key=f"renditions/{record.video_id}/hls/manifest.mpd", Body=b"<MPD/>"
    )
    manifest = f"/videos/{record.video_id}/playback/hls/manifest.mpd"
    for path in ("/videos", "/nope", "/docs", "/openapi.json", "/metrics", "/livez", manifest):
        answer = api.client.get(path)
        assert answer.headers["x-content-type-options"] == "nosniff", path
        assert "strict-transport-security" not in answer.headers
        assert guarded.client.get(path).headers["strict-transport-security"] == "max-age=31536000"
    assert "sandbox" in api.client.get(manifest).headers["content-security-policy"]
    behind_tls = api.client.get("/livez", headers={"X-Forwarded-Proto": "https"})
    assert behind_tls.headers["strict-transport-security"] == "max-age=31536000"


def _queued(api: Api, owner: str, **said: Any) -> VideoRecord:
    now = timestamp()
    record = VideoRecord(
        video_id=new_video_id(), status=Status.QUEUED, upload_date=now, updated_at=now, owner=owner, **said
    )
    api.put_record(record)
    return record


def test_an_owner_opens_so_many_streams_of_events_and_others_go_on(api: Api, guarded: Api, issuer: Issuer):
    paths = {owner: f"/videos/{_queued(api, owner).video_id}/events" for owner in ("alice", "bob")}
    headers = {owner: {"Authorization": f"Bearer {issuer.token(sub=owner)}"} for owner in paths}
    with guarded.client.stream("GET", paths["alice"], headers=headers["alice"]) as first:
        assert first.status_code == 200
        refused = guarded.client.get(paths["alice"], headers=headers["alice"])
        assert (refused.status_code, refused.json()["type"]) == (429, "urn:vodstack:problem:too-many-at-once")
        assert refused.headers["retry-after"]
        with guarded.client.stream("GET", paths["bob"], headers=headers["bob"]) as other:
            assert other.status_code == 200


def test_a_stream_of_events_ends_with_its_token(api: Api, guarded: Api, issuer: Issuer):
    path = f"/videos/{_queued(api, 'carol').video_id}/events"
    token = issuer.token(sub="carol", exp=int(time.time()) + 2)
    began = time.monotonic()
    with guarded.client.stream("GET", path, headers={"Authorization": f"Bearer {token}"}) as answer:
        assert "state" in "".join(answer.iter_text())
    assert time.monotonic() - began < 10


def test_a_page_ends_before_its_text_is_too_much(api: Api):
    for _ in range(80):
        _queued(api, "anonymous", metadata={str(number): "x" * 300 for number in range(50)})
    seen: list[str] = []
    cursor = ""
    while cursor is not None:
        page = api.client.get(f"/videos?limit=100{cursor and '&cursor='}{cursor}")
        assert len(page.content) < 1.25 * PAGE_BYTES
        seen += [video["videoId"] for video in page.json()["videos"]]
        cursor = page.json()["nextCursor"]
    assert len(set(seen)) == len(seen) == 80
