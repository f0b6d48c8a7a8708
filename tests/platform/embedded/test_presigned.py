"""Presigned URLs against the emulator with IAM enforced: what S3 would answer."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import boto3
import httpx
import pytest
from botocore.config import Config

from vodstack_platform.embedded.emulator import Emulator, running_emulator

BUCKET = "videos"
KEY = "originals/a b/ü"
PAGE = "https://app.example"
CORS_RULES = [
    {"AllowedMethods": ["GET", "HEAD"], "AllowedOrigins": ["*"]},
    {
        "AllowedMethods": ["PUT"],
        "AllowedOrigins": [PAGE, "http://[::1]:*"],
        "AllowedHeaders": ["*"],
        "ExposeHeaders": ["ETag"],
    },
]


@dataclass(frozen=True)
class Signer:
    """S3 with the keys of a role that may read and write `originals/` alone."""

    s3: Any

    def url(self, operation: str, *, seconds: int = 60, key: str = KEY, **parameters) -> str:
        return self.s3.generate_presigned_url(
            operation, Params={"Bucket": BUCKET, "Key": key, **parameters}, ExpiresIn=seconds
        )


def client(emulator: Emulator, keys: dict[str, str]) -> Any:
    session: Any = boto3.session.Session()
    return session.client(
        "s3",
        endpoint_url=emulator.endpoint_url,
        region_name="us-east-1",
        aws_access_key_id=keys["AccessKeyId"],
        aws_secret_access_key=keys["SecretAccessKey"],
        aws_session_token=keys["SessionToken"],
        config=Config(signature_version="s3v4", s3={"addressing_style": "path"}),
    )


@pytest.fixture(scope="module")
def signer() -> Iterator[Signer]:
    with running_emulator() as emulator:
        emulator.client("s3").create_bucket(Bucket=BUCKET)
        emulator.client("s3").put_bucket_cors(Bucket=BUCKET, CORSConfiguration={"CORSRules": CORS_RULES})
        iam = emulator.client("iam")
        anyone = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}
        role = iam.create_role(
            RoleName="api", AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [anyone]})
        )
        statement = {
            "Effect": "Allow",
            "Action": ["s3:GetObject", "s3:PutObject"],
            "Resource": f"arn:aws:s3:::{BUCKET}/originals/*",
        }
        iam.put_role_policy(
            RoleName="api",
            PolicyName="originals",
            PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [statement]}),
        )
        keys = emulator.client("sts").assume_role(RoleArn=role["Role"]["Arn"], RoleSessionName="api")["Credentials"]
        emulator.enforce_iam()
        signer = Signer(client(emulator, keys))
        signer.s3.put_object(Bucket=BUCKET, Key=KEY, Body=b"0123456789")
        yield signer


def refusal(answer: httpx.Response) -> str:
    assert answer.status_code == 403, answer.text
    return answer.text.partition("<Code>")[2].partition("</Code>")[0]


def test_a_signed_url_reads_an_object_and_a_range_of_it(signer):
    url = signer.url("get_object", ResponseContentDisposition='attachment; filename="a b"')
    assert httpx.get(url).content == b"0123456789"
    assert httpx.get(url, headers={"Range": "bytes=2-4"}).content == b"234"


def test_a_head_is_signed_as_a_head(signer):
    assert httpx.head(signer.url("head_object")).headers["content-length"] == "10"
    assert httpx.head(signer.url("get_object")).status_code == 403


def test_a_part_is_uploaded_at_the_length_that_was_signed(signer):
    upload = signer.s3.create_multipart_upload(Bucket=BUCKET, Key="originals/parts")["UploadId"]
    url = signer.url("upload_part", key="originals/parts", UploadId=upload, PartNumber=1, ContentLength=5)
    assert refusal(httpx.put(url, content=b"123456")) == "SignatureDoesNotMatch"
    assert httpx.put(url, content=b"12345").status_code == 200


def test_a_url_for_another_object_is_refused(signer):
    other = httpx.get(signer.url("get_object").replace("originals", "originals/x"))
    assert refusal(other) == "SignatureDoesNotMatch"


def test_a_url_that_has_expired_is_refused(signer):
    assert refusal(httpx.get(signer.url("get_object", seconds=-1))) == "AccessDenied"


def test_what_the_signer_may_not_do_the_url_may_not_either(signer):
    assert refusal(httpx.get(signer.url("get_object", key="renditions/x"))) == "AccessDenied"


def test_an_unsigned_request_is_refused(signer):
    assert refusal(httpx.get(signer.url("get_object").partition("?")[0])) == "AccessDenied"


def test_an_unknown_key_is_refused(signer):
    url = signer.url("get_object")
    key_id = url.partition("X-Amz-Credential=")[2].partition("%2F")[0]
    assert refusal(httpx.get(url.replace(key_id, "AKIAUNKNOWN"))) == "InvalidAccessKeyId"


def test_the_buckets_own_rules_say_what_pages_of_other_origins_may_do(signer):
    for origin in (PAGE, "null"):
        answer = httpx.get(signer.url("get_object"), headers={"Origin": origin})
        assert answer.headers["access-control-allow-origin"] in {origin, "*"}
    asked = {"Access-Control-Request-Method": "PUT"}
    preflights = [
        httpx.options(signer.url("put_object"), headers={"Origin": origin, **asked})
        for origin in (PAGE, "https://other.example")
    ]
    assert [answer.status_code for answer in preflights] == [200, 403]
    assert preflights[0].headers["access-control-allow-origin"] == PAGE


def test_a_page_reads_what_became_of_a_part_that_it_put(signer):
    """By its ETag a browser's uploader knows a part, and by its status whether to ask for another URL."""
    upload = signer.s3.create_multipart_upload(Bucket=BUCKET, Key="originals/page")["UploadId"]
    url = signer.url("upload_part", key="originals/page", UploadId=upload, PartNumber=1, ContentLength=5)
    answers = [httpx.put(url, content=content, headers={"Origin": PAGE}) for content in (b"12345", b"123456")]
    assert [answer.status_code for answer in answers] == [200, 403]
    for answer in answers:
        assert answer.headers["access-control-allow-origin"] == PAGE
        assert "ETag" in answer.headers["access-control-expose-headers"]
    other = httpx.put(url, content=b"12345", headers={"Origin": "https://other.example"})
    assert (other.status_code, "access-control-allow-origin" in other.headers) == (200, False)


def test_the_brackets_of_an_address_are_no_pattern(signer):
    asked = {"Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "content-type"}
    answers = [
        httpx.options(signer.url("put_object"), headers={"Origin": origin, **asked})
        for origin in ("http://[::1]:5173", "http://1:5173")
    ]
    assert [answer.status_code for answer in answers] == [200, 403]
    assert answers[0].headers["access-control-allow-headers"] == "content-type"
