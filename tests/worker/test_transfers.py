"""Bytes between the bucket and scratch: whole, of one version, in bounded pieces."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from aiobotocore.session import get_session
from tests.aws_proxy import AwsProxy, is_operation

from vodstack_contracts.objects import rendition_key, rendition_prefix
from vodstack_contracts.videos import FailureCode, new_video_id
from vodstack_worker.errors import GiveUpError, RetryError
from vodstack_worker.originals import fetch_original, find_original
from vodstack_worker.publish import publish
from vodstack_worker.tool_files import JobFiles

MIB = 1024**2


def with_s3(endpoint_url: str, use: Callable[[Any], Awaitable[Any]]) -> None:
    async def run() -> None:
        session: Any = get_session()
        credentials = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "region_name": "us-east-1"}
        async with session.create_client("s3", endpoint_url=endpoint_url, **credentials) as s3:
            await use(s3)

    asyncio.run(run())


def fetch(foundation: Any, endpoint_url: str, path: Path, room_bytes: int = 100 * MIB) -> list[float]:
    progress: list[float] = []

    async def bring(s3: Any) -> None:
        original = await find_original(s3, foundation.bucket, "originals/x/source")
        await fetch_original(original, path, room_bytes=room_bytes, on_progress=progress.append)

    with_s3(endpoint_url, bring)
    return progress


def put(foundation: Any, body: bytes) -> None:
    foundation.client("s3").put_object(Bucket=foundation.bucket, Key="originals/x/source", Body=body)


def test_an_original_arrives_byte_for_byte_with_progress(foundation: Any, tmp_path: Path):
    body = os.urandom(3 * MIB + 17)
    put(foundation, body)
    progress = fetch(foundation, foundation.endpoint_url, tmp_path / "source")
    assert (tmp_path / "source").read_bytes() == body
    assert progress == sorted(progress)
    assert progress[-1] == 1.0


def test_a_broken_connection_is_taken_up_again(foundation: Any, tmp_path: Path):
    body = os.urandom(2 * MIB)
    put(foundation, body)
    with AwsProxy(foundation.endpoint_url) as proxy:
        proxy.intercept(is_operation("GetObject"), nth=1, lose=True)
        fetch(foundation, proxy.url, tmp_path / "source")
    assert (tmp_path / "source").read_bytes() == body


def test_an_original_that_changes_while_it_is_read_is_not_mixed(foundation: Any, tmp_path: Path):
    put(foundation, b"a" * MIB)
    with AwsProxy(foundation.endpoint_url) as proxy:
        proxy.intercept(is_operation("GetObject"), nth=1, before=lambda: put(foundation, b"b" * MIB))
        with pytest.raises(RetryError, match="changed"):
            fetch(foundation, proxy.url, tmp_path / "source")


def test_an_original_too_big_for_scratch_is_refused_before_it_is_read(foundation: Any, tmp_path: Path):
    put(foundation, b"a" * MIB)
    with pytest.raises(GiveUpError) as refused:
        fetch(foundation, foundation.endpoint_url, tmp_path / "source", room_bytes=MIB)
    assert refused.value.failure.code is FailureCode.SOURCE_TOO_LARGE
    assert not (tmp_path / "source").exists()


def test_an_original_that_is_gone_is_told_of(foundation: Any, tmp_path: Path):
    with pytest.raises(GiveUpError) as refused:
        fetch(foundation, foundation.endpoint_url, tmp_path / "source")
    assert "Upload the video again" in refused.value.failure.message


def published_folder(folder: Path) -> dict[str, bytes]:
    """What an encode leaves, as far as publishing looks at it."""
    (folder / "own").mkdir()
    files = {
        "hls/master.m3u8": b"#EXTM3U\n",
        "hls/240p/index.m3u8": b"#EXTM3U\n",
        "hls/240p/init.mp4": b"init",
        "hls/240p/00000.m4s": b"segment",
        "video.mp4": os.urandom(33 * MIB),
        "poster.jpg": b"poster",
    }
    for name, content in files.items():
        path = folder / "out" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return files


def test_files_are_published_whole_with_their_types_and_playlists_last(foundation: Any, tmp_path: Path):
    files, video_id = published_folder(tmp_path), new_video_id()
    with AwsProxy(foundation.endpoint_url) as proxy:
        with_s3(
            proxy.url,
            lambda s3: publish(
                s3, foundation.bucket, JobFiles(tmp_path), video_id, list(files), keys=[], on_progress=lambda _: None
            ),
        )
        order = [seen.path.split("?")[0].rpartition(".")[2] for seen in proxy.seen]
    assert order[-2:] == ["m3u8", "m3u8"]
    assert "m3u8" not in order[:-2]
    assert proxy.seen[-1].path.endswith("master.m3u8")
    s3 = foundation.client("s3")
    types = {
        "m3u8": "application/vnd.apple.mpegurl",
        "m4s": "video/iso.segment",
        "mp4": "video/mp4",
        "jpg": "image/jpeg",
    }
    for name, content in files.items():
        found = s3.get_object(Bucket=foundation.bucket, Key=rendition_key(video_id, name))
        assert found["Body"].read() == content
        assert found["ContentType"] == types[name.rpartition(".")[2]]
        assert "max-age" in found["CacheControl"]


def test_a_part_that_cannot_be_sent_leaves_no_upload_behind(foundation: Any, tmp_path: Path):
    files, video_id = published_folder(tmp_path), new_video_id()
    with AwsProxy(foundation.endpoint_url) as proxy:
        proxy.intercept(is_operation("UploadPart"), status=400)
        with pytest.raises(RetryError) as failed:
            with_s3(
                proxy.url,
                lambda s3: publish(
                    s3,
                    foundation.bucket,
                    JobFiles(tmp_path),
                    video_id,
                    list(files),
                    keys=[],
                    on_progress=lambda _: None,
                ),
            )
    assert not failed.value.counted
    s3 = foundation.client("s3")
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=foundation.bucket)
    keys = s3.list_objects_v2(Bucket=foundation.bucket, Prefix=rendition_prefix(video_id)).get("Contents", [])
    assert not [found for found in keys if found["Key"].endswith(".m3u8")]
