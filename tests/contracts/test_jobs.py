import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vodstack_contracts.errors import MalformedMessageError
from vodstack_contracts.jobs import Arrival, ChunkJob, decode_arrivals, decode_chunk, encode_arrival, encode_chunk
from vodstack_contracts.objects import original_key

VIDEO = "457c7604-4f18-4c14-b604-df0ef63cebac"


def event(name: str = "ObjectCreated:Put", key: object = f"originals/{VIDEO}/source", **entity) -> dict:
    """One event as S3 writes it, with members that we do not read."""
    return {
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "awsRegion": "us-east-1",
        "eventName": name,
        "s3": {
            "s3SchemaVersion": "1.0",
            "bucket": {"name": "videos", "arn": "arn:aws:s3:::videos"},
            "object": {"key": key, "size": 5, "eTag": "e", "sequencer": "0"} | entity,
        },
    }


def test_an_event_tells_of_an_arrival():
    assert decode_arrivals(json.dumps({"Records": [event()]})) == [
        Arrival(video_id=VIDEO, bucket="videos", key=original_key(VIDEO), size_bytes=5)
    ]


def test_keys_come_url_encoded():
    (arrival,) = decode_arrivals(json.dumps({"Records": [event(key=f"originals%2F{VIDEO}%2Fsource")]}))
    assert arrival.key == original_key(VIDEO)


def test_the_test_event_tells_of_nothing():
    assert decode_arrivals('{"Service":"Amazon S3","Event":"s3:TestEvent","Bucket":"videos"}') == []


def test_a_removal_is_no_arrival():
    assert decode_arrivals(json.dumps({"Records": [event("ObjectRemoved:Delete")]})) == []


def test_what_we_send_again_reads_like_the_buckets_own():
    assert decode_arrivals(encode_arrival(VIDEO, "videos", 5)) == decode_arrivals(json.dumps({"Records": [event()]}))


@pytest.mark.parametrize(
    "body",
    [
        "",
        "null",
        "[]",
        "{}",
        "{",
        b"\xff",
        '{"Records":[]}',
        '{"Records":[{}]}',
        '{"Records":"x"}',
        json.dumps({"Records": [event(key="elsewhere/x")]}),
        json.dumps({"Records": [event(key="originals/../../etc/passwd")]}),
        json.dumps({"Records": [event(key=None)]}),
    ],
)
def test_anything_else_is_refused_with_a_reason(body):
    with pytest.raises(MalformedMessageError, match=r"not an S3 event|outside the originals"):
        decode_arrivals(body)


@given(st.binary() | st.text() | st.recursive(st.none() | st.text() | st.integers(), st.lists).map(json.dumps))
def test_no_bytes_make_it_fail_otherwise(body):
    with contextlib.suppress(MalformedMessageError):
        decode_arrivals(body)


CHUNK = {"job": "chunk", "videoId": VIDEO, "planId": "00c0ffee", "number": 7}


def test_a_chunk_job_survives_the_way_through_the_queue():
    job = ChunkJob(video_id=VIDEO, plan_id="00c0ffee", number=7)
    assert json.loads(encode_chunk(job)) == CHUNK
    assert decode_chunk(encode_chunk(job)) == job


@pytest.mark.parametrize(
    "wrong",
    [
        {"videoId": "../../etc"},
        {"videoId": VIDEO.upper()},
        {"planId": "../x"},
        {"planId": "00C0FFEE"},
        {"number": -1},
        {"number": "7"},
        {"job": "sing"},
        {"more": 1},
    ],
    ids=str,
)
def test_what_is_no_chunk_job_is_refused_with_a_reason(wrong):
    with pytest.raises(MalformedMessageError, match="not a chunk job"):
        decode_chunk(json.dumps(CHUNK | wrong))


@given(st.binary() | st.text())
def test_no_bytes_make_the_chunks_decoder_fail_otherwise(body):
    with contextlib.suppress(MalformedMessageError):
        decode_chunk(body)
