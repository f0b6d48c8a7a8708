"""Our signatures are those of botocore, which every service of AWS takes."""

from datetime import UTC, datetime
from typing import Any

import pytest
from botocore import auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import ReadOnlyCredentials

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
