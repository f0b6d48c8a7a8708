"""What the API calls itself in its answers."""

from collections.abc import Iterator
from typing import Any

import pytest
from tests.app.conftest import Api, serving
from tests.app.test_video import ready_record

from vodstack_app.settings import SettingsError, read_settings

PUBLIC = "https://videos.example:8443"
FORGED = {"Host": "evil.example", "X-Forwarded-Proto": "https", "X-Forwarded-Host": "evil.example"}


@pytest.fixture(scope="module")
def named_api(shared_api: Api) -> Iterator[Api]:
    with serving(shared_api.foundation, VODSTACK_PUBLIC_URL=PUBLIC, FORWARDED_ALLOW_IPS="203.0.113.9") as api:
        yield api


def _put_ready(api: Api) -> str:
    record = ready_record()
    record.owner = "anonymous"
    api.put_record(record)
    return f"/videos/{record.video_id}"


def _urls(answer: Any) -> list[str]:
    playback = answer["playback"]
    rungs = [rung["url"] for rung in answer.get("renditions", [])]
    return [playback["hls"], playback["mp4"], playback["poster"], *rungs, *answer.get("thumbnails", [])]


def test_every_url_of_the_api_begins_with_the_public_one_whatever_a_request_says(named_api: Api, api: Api):
    path = _put_ready(api)
    shown = named_api.client.get(path, headers=FORGED).json()
    edited = named_api.client.patch(path, json={"title": "x"}, headers=FORGED).json()
    (listed,) = named_api.client.get("/videos", headers=FORGED).json()["videos"]
    urls = [*_urls(shown), *_urls(edited), *_urls(listed)]
    assert len(urls) > 9
    assert [url for url in urls if not url.startswith(f"{PUBLIC}{path}/playback/")] == []
    files = {"file": ("clip.mp4", b"x", "video/mp4")}
    uploaded = named_api.client.post("/videos", files=files, headers=FORGED)
    assert uploaded.headers["location"] == f"{PUBLIC}/videos/{uploaded.json()['videoId']}"


def test_without_it_the_requests_host_is_named_and_no_stranger_changes_the_scheme(shared_api: Api, api: Api):
    path = _put_ready(api)
    with serving(shared_api.foundation, FORWARDED_ALLOW_IPS="203.0.113.9") as plain:
        shown = plain.client.get(path, headers=FORGED | {"Host": "asked.example"}).json()
    assert [url for url in _urls(shown) if not url.startswith(f"http://asked.example{path}/playback/")] == []


@pytest.mark.parametrize(
    "url",
    [
        "videos.example",
        "ftp://videos.example",
        "https://videos.example/",
        "https://videos.example/api",
        "https://videos.example?a=b",
        "https://user@videos.example",
        "https://videos.example:port",
        "https://videos example",
        "https://videos.example\n",
    ],
)
def test_what_begins_no_url_stops_the_start(monkeypatch: pytest.MonkeyPatch, url: str):
    for name in ("AWS_REGION", "S3_BUCKET", "DYNAMODB_TABLE", "VODSTACK_WORK_TABLE"):
        monkeypatch.setenv(name, "somewhere")
    monkeypatch.setenv("VODSTACK_AUTH", "none")
    monkeypatch.setenv("VODSTACK_PUBLIC_URL", url)
    with pytest.raises(SettingsError, match=r"VODSTACK_PUBLIC_URL \(it must be an address such as https://"):
        read_settings()
