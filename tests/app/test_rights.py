"""The API's rights and its calls are the same: what it never does it may not do, and what it does it may."""

import os
import time
from collections.abc import Callable
from typing import Any

import httpx
from tests.app.conftest import Api, serving
from tests.app.test_video import ready_record
from tests.aws_calls import called, granted, words
from tests.aws_proxy import AwsProxy, is_operation
from tests.conftest import Foundation

from vodstack_contracts.objects import original_key
from vodstack_platform.access import api_statements

MIB = 1024 * 1024
PATIENCE_SECONDS = 60


async def test_the_api_calls_all_that_it_may_and_nothing_else(foundation: Foundation):
    with AwsProxy(foundation.endpoint_url) as proxy:
        _leave_an_open_upload(foundation)
        limits = {"VODSTACK_STORED_BYTES": str(10**9), "VODSTACK_REQUESTS_PER_MINUTE": "1000"}
        with serving(foundation, AWS_ENDPOINT_URL=proxy.url, **limits) as api:
            assert api.client.get("/readyz").status_code == 200
            _upload(api, proxy)
            _upload_directly(api)
            _play_and_delete(api)
            expected = await granted(api_statements(words()))
            _wait_until(lambda: expected <= called(proxy.seen, foundation))
        assert called(proxy.seen, foundation) == expected


def _leave_an_open_upload(foundation: Foundation) -> None:
    """Whoever began it is gone, with its record."""
    key = original_key("0200c014-987b-4c5e-82bc-5fa62e2d2e97")
    foundation.client("s3").create_multipart_upload(Bucket=foundation.bucket, Key=key)


def _upload(api: Api, proxy: AwsProxy) -> None:
    small = api.upload(b"x", key="one")
    assert small.status_code == 201
    assert api.client.patch(f"/videos/{small.json()['videoId']}", json={"title": "y"}).status_code == 200
    # One whose answers are lost is looked for.
    lost = proxy.intercept(is_operation("CompleteMultipartUpload"), lose=True)
    assert api.upload(os.urandom(6 * MIB)).status_code == 201
    proxy.interceptions.remove(lost)
    # One whose second part is refused is taken back, and its key is free again.
    refused = proxy.intercept(is_operation("UploadPart"), status=403)
    assert api.upload(os.urandom(6 * MIB), key="two").status_code == 503
    proxy.interceptions.remove(refused)


def _upload_directly(api: Api) -> None:
    file = {"fileName": "a.mp4", "sizeBytes": 3, "contentType": "video/mp4"}
    answer = api.client.post("/uploads", json=file)
    assert answer.status_code == 201, answer.text
    started: dict[str, Any] = answer.json()
    assert httpx.put(started["missing"][0]["url"], content=b"abc").status_code == 200
    path = f"/uploads/{started['videoId']}"
    assert api.client.get(path).json()["arrived"] == [1]
    assert api.client.post(f"{path}/complete").status_code == 200


def _play_and_delete(api: Api) -> None:
    record = ready_record()
    record.owner = "anonymous"
    api.put_record(record)
    for key in (original_key(record.video_id), f"renditions/{record.video_id}/hls/main.m3u8"):
        api.s3.put_object(Bucket=api.foundation.bucket, Key=key, Body=b"x")
    assert api.client.get("/videos").status_code == 200
    playback = api.client.get(f"/videos/{record.video_id}").json()["playback"]
    api.client.get(playback["hls"], follow_redirects=False)
    assert api.client.delete(f"/videos/{record.video_id}").status_code == 204


def _wait_until(condition: Callable[[], bool]) -> None:
    """What runs behind the API's back comes to its end."""
    end = time.monotonic() + PATIENCE_SECONDS
    while not condition() and time.monotonic() < end:
        time.sleep(0.1)
