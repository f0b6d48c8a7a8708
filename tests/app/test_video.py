import time
import uuid
from typing import Any

import pytest
from msgspec import structs
from tests.app.conftest import Api

from vodstack_contracts.videos import (
    Audio,
    AudioRole,
    Caption,
    Failure,
    FailureCode,
    Playback,
    Rendition,
    SourceFacts,
    Stage,
    Status,
    VideoRecord,
    VideoWarning,
    WarningCode,
    new_video_id,
    timestamp,
)


def _record(status: Status, **fields: Any) -> VideoRecord:
    now = timestamp()
    return VideoRecord(video_id=new_video_id(), status=status, upload_date=now, updated_at=now, **fields)


def ready_record() -> VideoRecord:
    record = _record(Status.READY, progress=1.0, title="Hello")
    prefix = f"renditions/{record.video_id}/"
    record.playback = Playback(
        hls_key=f"{prefix}hls/master.m3u8",
        mp4_key=f"{prefix}video.mp4",
        poster_key=f"{prefix}poster.jpg",
        mp4_size_bytes=9,
    )
    record.renditions = [
        Rendition(
            name="360p",
            width=640,
            height=360,
            bitrate=800_000,
            size_bytes=5,
            codecs="avc1",
            key=f"{prefix}hls/360p.m3u8",
        )
    ]
    record.source = SourceFacts(
        container="mp4", duration_seconds=2.0, width=640, height=360, frame_rate=30.0, video_codec="h264"
    )
    return record


def test_a_fresh_video_has_every_field_and_nothing_invented(api: Api):
    answer = api.upload(b"x", title="Hello")
    video = api.client.get(f"/videos/{answer.json()['videoId']}").json()
    assert video.pop("uploadDate").endswith("Z")
    assert video == {
        "videoId": answer.json()["videoId"],
        "title": "Hello",
        "description": "",
        "tags": [],
        "url": None,
        "metadata": {},
        "status": "queued",
        "progress": 0.0,
        "stage": None,
        "error": None,
        "warnings": [],
        "source": None,
        "renditions": [],
        "playback": None,
        "thumbnails": [],
        "analysis": None,
    }


def test_a_ready_video_tells_where_to_play_it(api: Api):
    record = ready_record()
    api.put_record(record)
    api.s3.put_object(Bucket=api.foundation.bucket, Key=f"renditions/{record.video_id}/video.mp4", Body=b"mp4")
    video = api.client.get(f"/videos/{record.video_id}").json()
    playback = f"{api.url}/videos/{record.video_id}/playback"
    assert video["playback"] == {
        "hls": f"{playback}/hls/master.m3u8",
        "dash": None,
        "mp4": f"{playback}/video.mp4",
        "poster": f"{playback}/poster.jpg",
        "captions": [],
        "audio": [],
    }
    assert video["renditions"][0]["url"] == f"{playback}/hls/360p.m3u8"
    assert video["source"]["durationSeconds"] == 2.0
    assert "X-Amz-Expires=3600" in video["url"]
    assert api.client.get(video["url"]).content == b"mp4"


def test_captions_are_named_with_a_file_that_can_be_read(api: Api):
    record = ready_record()
    assert record.playback
    key = f"renditions/{record.video_id}/hls/captions/0.vtt"
    record.playback = structs.replace(record.playback, captions=[Caption(language="de", label='"Für" <alle>', key=key)])
    api.put_record(record)
    api.s3.put_object(Bucket=api.foundation.bucket, Key=key, Body=b"WEBVTT\n")
    (caption,) = api.client.get(f"/videos/{record.video_id}").json()["playback"]["captions"]
    url = f"{api.url}/videos/{record.video_id}/playback/hls/captions/0.vtt"
    assert caption == {"language": "de", "label": '"Für" <alle>', "url": url}
    answer = api.client.get(url)
    assert (answer.headers["content-type"].partition(";")[0], answer.content) == ("text/vtt", b"WEBVTT\n")


def test_audio_tracks_are_named_in_a_video_and_in_lists(api: Api):
    record = ready_record()
    assert record.playback
    tracks = [
        Audio(language="en", label='"Main" <mix>', role=AudioRole.MAIN, default=True),
        Audio(language="de", label="Kommentar", role=AudioRole.COMMENTARY, default=False),
    ]
    record.playback = structs.replace(record.playback, audio=tracks)
    api.put_record(record)
    seen = [api.client.get(f"/videos/{record.video_id}").json(), *api.client.get("/videos").json()["videos"]]
    for video in seen:
        assert video["playback"]["audio"] == [
            {"language": "en", "label": '"Main" <mix>', "role": "main", "default": True},
            {"language": "de", "label": "Kommentar", "role": "commentary", "default": False},
        ]


def test_a_video_with_thumbnails_and_a_dash_manifest_tells_where_they_are(api: Api):
    record = ready_record()
    prefix = f"renditions/{record.video_id}/"
    assert record.playback
    keys = {"dash_key": f"{prefix}hls/manifest.mpd", "thumbnails_key": f"{prefix}thumbnails/index.vtt"}
    record.playback = structs.replace(record.playback, **keys)
    api.put_record(record)
    video = api.client.get(f"/videos/{record.video_id}").json()
    playback = f"{api.url}/videos/{record.video_id}/playback"
    assert video["playback"]["dash"] == f"{playback}/hls/manifest.mpd"
    assert video["thumbnails"] == [f"{playback}/thumbnails/index.vtt"]


def test_a_failed_video_says_why(api: Api):
    failure = Failure(code=FailureCode.NOT_A_VIDEO, message="Send a video.")
    record = _record(Status.FAILED, error=failure)
    api.put_record(record)
    video = api.client.get(f"/videos/{record.video_id}").json()
    assert (video["status"], video["error"]) == ("failed", {"code": "not_a_video", "message": "Send a video."})


WARNING = VideoWarning(code=WarningCode.SOURCE_TRUNCATED, message="The last 2 seconds are missing.")
SHOWN_WARNING = {"code": "source_truncated", "message": "The last 2 seconds are missing."}


def test_a_ready_video_tells_its_warnings_in_the_list_too(api: Api):
    record = ready_record()
    record.owner, record.warnings = "anonymous", [WARNING]
    api.put_record(record)
    assert api.client.get(f"/videos/{record.video_id}").json()["warnings"] == [SHOWN_WARNING]
    (listed,) = api.client.get("/videos").json()["videos"]
    assert listed["warnings"] == [SHOWN_WARNING]


def test_warnings_of_an_earlier_attempt_are_not_shown_while_another_is_under_way(api: Api):
    record = _record(Status.PROCESSING, warnings=[WARNING])
    api.put_record(record)
    assert api.client.get(f"/videos/{record.video_id}").json()["warnings"] == []


def test_a_processing_video_shows_its_stage_and_progress(api: Api):
    record = _record(Status.PROCESSING, stage=Stage.TRANSCODE, progress=0.5)
    api.put_record(record)
    video = api.client.get(f"/videos/{record.video_id}").json()
    assert (video["status"], video["stage"], video["progress"]) == ("processing", "transcode", 0.5)


@pytest.mark.parametrize("video_id", ["abc", "1", "%00", "5f7b8d6a-1111-4222-8333-44445555666g"])
def test_an_id_that_is_no_uuid_is_a_bad_request(api: Api, video_id: str):
    answer = api.client.get(f"/videos/{video_id}")
    assert (answer.status_code, answer.json()["type"]) == (400, "urn:vodstack:problem:invalid-id")


@pytest.mark.parametrize(
    "record",
    [None, _record(Status.DELETED), _record(Status.UPLOADING, expires_at=int(time.time()) - 1)],
    ids=["unknown", "deleted", "lapsed"],
)
def test_a_video_that_is_not_there_is_not_found(api: Api, record: VideoRecord | None):
    if record:
        api.put_record(record)
    answer = api.client.get(f"/videos/{record.video_id if record else uuid.uuid4()}")
    assert (answer.status_code, answer.json()["type"]) == (404, "urn:vodstack:problem:not-found")


def test_an_id_is_taken_in_capitals_too(api: Api):
    record = _record(Status.QUEUED)
    api.put_record(record)
    assert api.client.get(f"/videos/{record.video_id.upper()}").json()["videoId"] == record.video_id


def _title(api: Api, video_id: str) -> str:
    listed = {video["videoId"]: video["title"] for video in api.client.get("/videos").json()["videos"]}
    seen = api.client.get(f"/videos/{video_id}").json()["title"]
    assert listed[video_id] == seen
    return seen


def test_a_video_without_a_title_shows_its_file_name(api: Api):
    unnamed, named = api.upload(b"x").json()["videoId"], api.upload(b"x", title="Hello").json()["videoId"]
    wanted = {"fileName": "C:\\films\\dusk.mov", "sizeBytes": 3, "contentType": "video/quicktime"}
    direct = api.client.post("/uploads", json=wanted).json()["videoId"]
    assert [_title(api, each) for each in (unnamed, named, direct)] == ["clip.mp4", "Hello", "dusk.mov"]


@pytest.mark.parametrize("nothing", [None, ""])
def test_a_title_that_is_taken_back_gives_way_to_the_file_name(api: Api, nothing: str | None):
    video_id = api.upload(b"x", title="Hello").json()["videoId"]
    edited = api.client.patch(f"/videos/{video_id}", json={"title": nothing}).json()
    assert (edited["title"], _title(api, video_id)) == ("clip.mp4", "clip.mp4")
    assert api.records()[0].title == ""


def test_a_video_without_title_and_file_name_has_an_empty_title(api: Api):
    record = _record(Status.QUEUED)
    api.put_record(record)
    assert api.client.get(f"/videos/{record.video_id}").json()["title"] == ""
