import hashlib
import os
from collections.abc import Callable

import pytest
from tests.app.conftest import Api

from vodstack_contracts.jobs import decode_arrivals
from vodstack_contracts.videos import Status, is_video_id

MIB = 1024 * 1024


def test_an_upload_is_stored_byte_for_byte_and_queued(api: Api):
    content = os.urandom(12 * MIB + 17)
    answer = api.upload(content, title="Hello", description="Wörld", tags="a, b,,a", metadata='{"camera":"north"}')
    assert answer.status_code == 201
    video_id = answer.json()["videoId"]
    assert is_video_id(video_id)
    assert answer.headers["location"] == f"{api.url}/videos/{video_id}"
    assert hashlib.sha256(api.original(video_id)).digest() == hashlib.sha256(content).digest()
    (record,) = api.records()
    assert (record.status, record.expires_at) == (Status.QUEUED, None)
    assert (record.title, record.description, record.tags) == ("Hello", "Wörld", ["a", "b"])
    assert (record.metadata, record.size_bytes) == ({"camera": "north"}, len(content))
    assert (record.file_name, record.content_type) == ("clip.mp4", "video/mp4")
    assert api.open_uploads() == []


@pytest.mark.parametrize("size", [1, 5 * MIB - 1, 5 * MIB, 5 * MIB + 1, 10 * MIB])
def test_sizes_around_a_parts_edge_arrive_whole(api: Api, size: int):
    content = os.urandom(size)
    answer = api.upload(content)
    assert answer.status_code == 201
    assert api.original(answer.json()["videoId"]) == content


def test_the_originals_arrival_is_the_job(serve: Callable[..., Api]):
    api = serve()
    video_id = api.upload(b"0" * 100).json()["videoId"]
    sqs = api.foundation.client("sqs")
    told: set[str] = set()
    while video_id not in told:
        messages = sqs.receive_message(QueueUrl=api.foundation.queue_url, WaitTimeSeconds=5, MaxNumberOfMessages=10)
        assert messages.get("Messages"), "the bucket sent no event"
        told |= {arrival.video_id for m in messages["Messages"] for arrival in decode_arrivals(m["Body"])}


def test_fields_may_stand_after_the_file(api: Api):
    body = (
        b'--b\r\nContent-Disposition: form-data; name="tags"\r\n\r\none\r\n'
        b'--b\r\nContent-Disposition: form-data; name="file"; filename="x.mp4"\r\n\r\nbytes\r\n'
        b'--b\r\nContent-Disposition: form-data; name="title"\r\n\r\nAfter\r\n'
        b'--b\r\nContent-Disposition: form-data; name="tags"\r\n\r\ntwo,three\r\n--b--\r\n'
    )
    answer = api.post(body)
    assert answer.status_code == 201
    (record,) = api.records()
    assert (record.title, record.tags) == ("After", ["one", "two", "three"])


def test_a_file_name_is_kept_as_harmless_text_only(api: Api):
    name = "../../etc/" + "ü" * 300 + "\x01.mp4"
    body = f'--b\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\nx\r\n--b--\r\n'
    answer = api.post(body)
    assert answer.status_code == 201
    (record,) = api.records()
    assert record.file_name == "ü" * 127
    assert api.objects() == [f"originals/{record.video_id}/source"]
