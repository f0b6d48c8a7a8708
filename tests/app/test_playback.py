import pytest
from tests.app.conftest import Api
from tests.app.test_video import ready_record

from vodstack_contracts.videos import VideoRecord


@pytest.fixture
def ready(api: Api) -> VideoRecord:
    record = ready_record()
    api.put_record(record)
    files = {
        "hls/master.m3u8": b"#EXTM3U\n",
        "hls/manifest.mpd": b"<MPD/>",
        "thumbnails/index.vtt": b"WEBVTT\n",
        "hls/360p/0.m4s": b"segment",
    }
    for path, body in files.items():
        api.s3.put_object(Bucket=api.foundation.bucket, Key=f"renditions/{record.video_id}/{path}", Body=body)
    return record


@pytest.mark.parametrize(
    ("path", "body", "media_type"),
    [
        ("hls/master.m3u8", b"#EXTM3U\n", "application/vnd.apple.mpegurl"),
        ("hls/manifest.mpd", b"<MPD/>", "application/dash+xml"),
        ("thumbnails/index.vtt", b"WEBVTT\n", "text/vtt"),
    ],
)
def test_what_names_other_files_comes_from_the_api_itself(
    api: Api, ready: VideoRecord, path: str, body: bytes, media_type: str
):
    answer = api.client.get(f"/videos/{ready.video_id}/playback/{path}")
    assert (answer.status_code, answer.content) == (200, body)
    assert answer.headers["content-type"].partition(";")[0] == media_type


def test_a_segment_is_fetched_by_a_url_that_soon_expires(api: Api, ready: VideoRecord):
    answer = api.client.get(f"/videos/{ready.video_id}/playback/hls/360p/0.m4s")
    assert answer.status_code == 307
    assert "X-Amz-Expires=300" in answer.headers["location"]
    assert api.client.get(answer.headers["location"]).content == b"segment"


@pytest.mark.parametrize(
    "path", ["hls/none.m3u8", "hls/none.m4s", "..%2F..%2Foriginals", "%2e%2e/x", "", "a//b", "x%0d%0aSet-Cookie:a"]
)
def test_a_path_that_was_never_published_is_not_found(api: Api, ready: VideoRecord, path: str):
    answer = api.client.get(f"/videos/{ready.video_id}/playback/{path}")
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")


def test_a_video_that_is_not_ready_cannot_be_played(api: Api):
    video_id = api.upload(b"x").json()["videoId"]
    answer = api.client.get(f"/videos/{video_id}/playback/hls/master.m3u8")
    assert answer.status_code == 404
    assert "queued" in answer.json()["detail"]
