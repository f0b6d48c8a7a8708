"""Our signatures are those of botocore, which every service of AWS takes."""

from datetime import UTC, datetime
from typing import Any

import pytest
from aiobotocore.config import AioConfig
from aiobotocore.session import get_session
from botocore import auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import ReadOnlyCredentials

from vodstack_app.playback import urls
from vodstack_app.playback.urls import ObjectUrls
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


@pytest.mark.parametrize("keys", KEYS, ids=["a user's", "a role's"])
@pytest.mark.parametrize("bucket", ["videos", "with.dots"])
@pytest.mark.parametrize("endpoint", [None, "http://127.0.0.1:5000"])
async def test_an_objects_url_is_the_one_that_botocore_makes(
    bucket: str, endpoint: str | None, keys: Any, monkeypatch: pytest.MonkeyPatch
):
    class Credentials:
        async def get_frozen_credentials(self) -> Any:
            return keys

    moment = MOMENTS[0]
    monkeypatch.setattr(auth, "get_current_datetime", lambda: moment.replace(tzinfo=None))
    monkeypatch.setattr(urls, "now", lambda: moment)
    session: Any = get_session()
    async with session.create_client(
        "s3",
        region_name="eu-west-1",
        endpoint_url=endpoint,
        aws_access_key_id=keys.access_key,
        aws_secret_access_key=keys.secret_key,
        aws_session_token=keys.token,
        config=AioConfig(signature_version="s3v4"),
    ) as s3:
        signer = ObjectUrls(s3, bucket, Credentials())
        for key in ("renditions/5f7b8d6a/hls/360p_1.m4s", "a key/with ~ + & = \u00fc"):
            for method in ("GET", "HEAD"):
                theirs = await s3.generate_presigned_url(
                    f"{method.lower()}_object", Params={"Bucket": bucket, "Key": key}, ExpiresIn=300
                )
                assert _parts(await signer.sign(key, 300, method)) == _parts(theirs)


def _parts(url: str) -> tuple[str, list[str]]:
    """Without the order of the parameters, which is free."""
    place, _, query = url.partition("?")
    return place, sorted(query.split("&"))
