"""Our signatures are those of botocore, which every service of AWS takes."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from aiobotocore.config import AioConfig
from aiobotocore.session import get_session
from botocore import auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import ReadOnlyCredentials
from tests.app.conftest import Api
from tests.app.test_video import ready_record

from vodstack_app import object_urls
from vodstack_app.object_urls import ObjectUrls
from vodstack_app.signing import Signer

MOMENTS = (datetime(2026, 11, 24, 23, 59, 59, tzinfo=UTC), datetime(2026, 11, 25, 0, 0, 1, tzinfo=UTC))
KEYS: Any = (
    ReadOnlyCredentials("AKIDONE", "secret/one+", None),
    ReadOnlyCredentials("ASIATWO", "secret two", "a/token+="),
)
BODY = b'{"TableName":"videos"}'
HEADERS = {"content-type": "application/x-amz-json-1.0", "x-amz-target": "DynamoDB_20120810.GetItem"}


@pytest.mark.parametrize("host", ["dynamodb.eu-west-1.amazonaws.com", "127.0.0.1:5000"])
def test_a_request_is_signed_as_botocore_signs_it_whatever_came_before(host: str, monkeypatch: pytest.MonkeyPatch):
    signer = Signer("dynamodb", "eu-west-1")
    for keys in KEYS:
        for moment in MOMENTS:
            ours = signer.headers(keys, {**HEADERS, "host": host}, BODY, path="/", moment=moment)
            monkeypatch.setattr(auth, "get_current_datetime", lambda moment=moment: moment.replace(tzinfo=None))
            theirs = AWSRequest("POST", f"http://{host}/", dict(HEADERS), BODY)
            auth.SigV4Auth(keys, "dynamodb", "eu-west-1").add_auth(theirs)
            assert ours["authorization"] == theirs.headers["Authorization"]
            assert ours.get("x-amz-security-token") == theirs.headers.get("X-Amz-Security-Token")


@dataclass
class _Credentials:
    keys: Any

    async def get_frozen_credentials(self) -> Any:
        return self.keys


def _s3(endpoint: str | None, keys: Any) -> Any:
    session: Any = get_session()
    return session.create_client(
        "s3",
        region_name="eu-west-1",
        endpoint_url=endpoint,
        aws_access_key_id=keys.access_key,
        aws_secret_access_key=keys.secret_key,
        aws_session_token=keys.token,
        config=AioConfig(signature_version="s3v4"),
    )


@pytest.mark.parametrize("keys", KEYS, ids=["a user's", "a role's"])
@pytest.mark.parametrize("bucket", ["videos", "with.dots"])
@pytest.mark.parametrize("endpoint", [None, "http://127.0.0.1:5000"])
async def test_an_objects_url_is_the_one_that_botocore_makes(
    bucket: str, endpoint: str | None, keys: Any, monkeypatch: pytest.MonkeyPatch
):
    moment = MOMENTS[0]
    monkeypatch.setattr(auth, "get_current_datetime", lambda: moment.replace(tzinfo=None))
    monkeypatch.setattr(object_urls, "now", lambda: moment)
    async with _s3(endpoint, keys) as s3:
        signer = ObjectUrls(s3, bucket, _Credentials(keys))
        for key in ("renditions/5f7b8d6a/hls/360p_1.m4s", "a key/with ~ + & = \u00fc"):
            for method in ("GET", "HEAD"):
                theirs = await s3.generate_presigned_url(
                    f"{method.lower()}_object", Params={"Bucket": bucket, "Key": key}, ExpiresIn=300
                )
                assert _parts(await signer.sign(key, 300, method)) == _parts(theirs)


async def test_an_uploads_urls_are_those_that_botocore_makes(monkeypatch: pytest.MonkeyPatch):
    moment = MOMENTS[1]
    monkeypatch.setattr(auth, "get_current_datetime", lambda: moment.replace(tzinfo=None))
    monkeypatch.setattr(object_urls, "now", lambda: moment)
    sizes = {1: 8 * 1024 * 1024, 2: 5, 99: 8 * 1024 * 1024, 9000: 1}
    for keys in KEYS:
        for endpoint in (None, "http://127.0.0.1:5000"):
            async with _s3(endpoint, keys) as s3:
                urls = ObjectUrls(s3, "videos", _Credentials(keys))
                for key in ("originals/5f7b8d6a/source", "a key/with ~ + & = \u00fc"):
                    for upload_id in ("Vh.~-_8x", "with/+= and \u00fc"):
                        ours = await urls.sign_parts(key, upload_id, sizes, 3600)
                        for number, url in zip(sizes, ours, strict=True):
                            place = {"Bucket": "videos", "Key": key, "UploadId": upload_id, "PartNumber": number}
                            theirs = await s3.generate_presigned_url(
                                "upload_part", Params={**place, "ContentLength": sizes[number]}, ExpiresIn=3600
                            )
                            assert _parts(url) == _parts(theirs)


def _parts(url: str) -> tuple[str, list[str]]:
    """Without the order of the parameters, which is free."""
    place, _, query = url.partition("?")
    return place, sorted(query.split("&"))


def test_urls_open_what_they_are_for_as_long_as_the_docs_say(api: Api):
    record = ready_record()
    api.put_record(record)
    api.s3.put_object(Bucket=api.foundation.bucket, Key=f"renditions/{record.video_id}/poster.jpg", Body=b"x")
    start = {"fileName": "a.mp4", "sizeBytes": 6, "contentType": "video/mp4"}
    urls = {
        "the MP4": api.client.get(f"/videos/{record.video_id}").json()["url"],
        "a file": api.client.get(f"/videos/{record.video_id}/playback/poster.jpg").headers["location"],
        "a part": api.client.post("/uploads", json=start).json()["missing"][0]["url"],
    }
    lives = {what: httpx.URL(url).params["X-Amz-Expires"] for what, url in urls.items()}
    assert lives == {"the MP4": "3600", "a file": "300", "a part": "3600"}
