"""A film's MP4 goes from segments to the bucket past all scratch, and is what ffmpeg would have written."""

import asyncio
import hashlib
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import pytest
from aiobotocore.session import get_session
from botocore.exceptions import ClientError
from tests.aws_proxy import AwsProxy, is_operation

from vodstack_contracts.objects import MP4, rendition_key, rendition_prefix
from vodstack_contracts.videos import new_video_id
from vodstack_worker.arguments import mp4_arguments
from vodstack_worker.errors import RetryError
from vodstack_worker.media_process import Limits
from vodstack_worker.multipart import PART_BYTES, abort_open
from vodstack_worker.pieces import Parts
from vodstack_worker.progressive import Tracks, join_mp4
from vodstack_worker.publish import open_upload
from vodstack_worker.relay import Relay, StoredObject

SECONDS = 5
FRAMES = 150
VIDEO_ID = new_video_id()
# So many bits that the MP4 takes two parts. Most of them are padding, which costs no time.
HEAVY = (
    "-b:v",
    "32M",
    "-minrate",
    "32M",
    "-maxrate",
    "32M",
    "-bufsize",
    "4M",
    "-x264-params",
    "nal-hrd=cbr:force-cfr=1",
)
ENCODER = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", *HEAVY)
SEGMENTS = ("-f", "hls", "-hls_segment_type", "fmp4", "-hls_playlist_type", "vod", "-hls_time", "2.002")
EXACT = ("-avoid_negative_ts", "disabled")


@pytest.fixture(scope="module")
def segments(ffmpeg: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures that are shown in another order than decoded, at 30000/1001 a second, and sound."""
    folder = tmp_path_factory.mktemp("segments")
    picture = ["-f", "lavfi", "-i", f"testsrc2=s=320x180:r=30000/1001:d={SECONDS + 1}"]
    tone = ["-f", "lavfi", "-i", f"sine=d={SECONDS}"]
    clock = ("-hls_segment_options", "video_track_timescale=30000:movflags=+frag_discont")
    order = ["-bf", "3", "-g", "60", "-keyint_min", "60", "-sc_threshold", "0", "-frames:v", str(FRAMES)]
    for name in ("180p", "audio"):
        (folder / name).mkdir()
    to_pictures = ["-map", "0", *ENCODER, *order, *EXACT, *SEGMENTS, *clock, folder / "180p/index.m3u8"]
    to_sound = ["-map", "1", "-c:a", "aac", "-ar", "48000", *EXACT, *SEGMENTS, folder / "audio/index.m3u8"]
    subprocess.run([ffmpeg, "-v", "error", *picture, *tone, *to_pictures, *to_sound], check=True)
    return folder


class Joining:
    """Joins segments that lie in the bucket."""

    def __init__(self, segments: Path, foundation: Any, limits: Limits, folder: Path) -> None:
        self._segments = segments
        self._bucket = foundation.bucket
        self._limits = limits
        self._folder = folder
        self.s3 = foundation.client("s3")
        self.key = rendition_key(VIDEO_ID, MP4)

    async def run(self, url: str, names: Sequence[str], frames: int = FRAMES) -> int:
        client = get_session().create_client(
            "s3", endpoint_url=url, region_name="us-east-1", aws_access_key_id="test", aws_secret_access_key="test"
        )
        paths = [path for name in names for path in (self._segments / name).glob("*.m*")]
        async with client as s3:
            relay = Relay({f"{path.parent.name}/{path.name}": self._store(path, s3) for path in paths})
            tracks = Tracks(
                addresses=[relay.url(f"{name}/index.m3u8") for name in names],
                frames=frames,
                seconds=SECONDS + 0.1,
                size_bytes=sum(path.stat().st_size for path in paths),
            )
            async with open_upload(s3, self._bucket, self.key) as upload:
                return await join_mp4(
                    upload, tracks, self._folder, self._limits, relay=relay, on_progress=lambda _: None
                )

    def _store(self, path: Path, s3: Any) -> StoredObject:
        key = rendition_key(VIDEO_ID, f"hls/{path.parent.name}/{path.name}")
        made = self.s3.put_object(Bucket=self._bucket, Key=key, Body=path.read_bytes())
        return StoredObject(s3=s3, bucket=self._bucket, key=key, size=path.stat().st_size, etag=made["ETag"])

    def left_nothing(self) -> bool:
        found = self.s3.list_objects_v2(Bucket=self._bucket, Prefix=self.key)
        return found["KeyCount"] == 0 and "Uploads" not in self.s3.list_multipart_uploads(Bucket=self._bucket)


@pytest.fixture
def joining(segments: Path, foundation: Any, limits: Limits, tmp_path: Path) -> Joining:
    folder = tmp_path / "job"
    folder.mkdir()
    # Nothing at all may be written to scratch.
    return Joining(segments, foundation, replace(limits, scratch_bytes=0), folder)


def packets(path: Path) -> dict[str, list[Any]]:
    """Everything that a player gets to see of each track."""
    found: dict[str, list[Any]] = {}
    with av.open(str(path)) as container:
        for each in container.demux():
            if each.size:
                when = [each.time_base * (moment or 0) for moment in (each.pts, each.dts, each.duration)]
                seen = (when, each.is_keyframe, each.is_discard, hashlib.sha256(bytes(each)).hexdigest())
                found.setdefault(each.stream.type, []).append(seen)
    return found


def boxes(path: Path) -> Iterator[bytes]:
    """The kinds of a file's boxes, in order."""
    data = memoryview(path.read_bytes())
    while data:
        yield bytes(data[4:8])
        data = data[int.from_bytes(data[:4]) :]


def copy(ffmpeg: str, playlists: Sequence[Path]) -> Path:
    """What ffmpeg makes of them, with a folder to itself."""
    folder = playlists[0].parents[1] / f"copy-of-{len(playlists)}"
    (folder / "out").mkdir(parents=True)
    subprocess.run([ffmpeg, *mp4_arguments([str(path) for path in playlists])], cwd=folder, check=True)
    return folder / "out/video.mp4"


@pytest.mark.parametrize("names", [("180p", "audio"), ("180p",)], ids=["with sound", "without sound"])
async def test_the_mp4_holds_the_packets_of_a_copy_with_its_index_first(
    names: Sequence[str], joining: Joining, segments: Path, foundation: Any, ffmpeg: str
):
    copied = copy(ffmpeg, [segments / name / "index.m3u8" for name in names])
    with AwsProxy(foundation.endpoint_url) as proxy:
        size = await joining.run(proxy.url, names)
        sent = [len(seen.body) for seen in proxy.seen if seen.operation == "UploadPart"]
        (completion,) = [seen.body for seen in proxy.seen if seen.operation == "CompleteMultipartUpload"]
    made = copied.with_name("made.mp4")
    joining.s3.download_file(foundation.bucket, joining.key, str(made))
    assert made.stat().st_size == size
    assert packets(made) == packets(copied)
    assert [kind for kind in boxes(made) if kind != b"free"] == [b"ftyp", b"moov", b"mdat"]
    assert len(sent) == -(-size // PART_BYTES) > 1
    assert completion.count(b"<ChecksumCRC32>") == len(sent)
    assert joining.s3.head_object(Bucket=foundation.bucket, Key=joining.key)["ContentType"] == "video/mp4"
    assert "Uploads" not in joining.s3.list_multipart_uploads(Bucket=foundation.bucket)


async def test_what_could_not_be_read_is_not_taken_for_the_end(joining: Joining, foundation: Any):
    with AwsProxy(foundation.endpoint_url) as proxy:
        proxy.intercept(lambda seen: seen.operation == "GetObject" and "index1.m4s" in seen.path, status=400)
        with pytest.raises(RetryError, match="cannot be read"):
            await joining.run(proxy.url, ["audio"])
    assert joining.left_nothing()


async def test_an_mp4_that_lacks_pictures_is_not_stored(joining: Joining, foundation: Any):
    with pytest.raises(RetryError, match="packets went in"):
        await joining.run(foundation.endpoint_url, ["audio"])
    assert joining.left_nothing()


async def test_an_upload_that_is_refused_leaves_nothing(joining: Joining, foundation: Any):
    with AwsProxy(foundation.endpoint_url) as proxy:
        proxy.intercept(is_operation("UploadPart"), status=400)
        with pytest.raises(ClientError):
            await joining.run(proxy.url, ["180p"])
    assert joining.left_nothing()


async def test_work_that_is_stopped_in_the_middle_leaves_nothing(joining: Joining, foundation: Any):
    loop = asyncio.get_running_loop()
    begun: list[dict[str, Any]] = []

    def stop() -> None:
        begun.extend(joining.s3.list_multipart_uploads(Bucket=foundation.bucket)["Uploads"])
        loop.call_soon_threadsafe(work.cancel)

    with AwsProxy(foundation.endpoint_url) as proxy:
        work = asyncio.create_task(joining.run(proxy.url, ["180p"]))
        proxy.intercept(is_operation("UploadPart"), nth=1, before=stop)
        with pytest.raises(asyncio.CancelledError):
            await work
        assert "CompleteMultipartUpload" not in proxy.operations()
    assert [(each["Key"], each["ChecksumAlgorithm"]) for each in begun] == [(joining.key, "CRC32")]
    assert joining.left_nothing()


async def test_uploads_that_others_left_open_are_ended_those_of_this_video_alone(foundation: Any):
    s3 = foundation.client("s3")
    other = rendition_key(new_video_id(), MP4)
    for key in (rendition_key(VIDEO_ID, MP4), rendition_key(VIDEO_ID, MP4), other):
        s3.create_multipart_upload(Bucket=foundation.bucket, Key=key)
    client = get_session().create_client(
        "s3",
        endpoint_url=foundation.endpoint_url,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
    async with client as made:
        await abort_open(made, foundation.bucket, rendition_prefix(VIDEO_ID))
    assert [each["Key"] for each in s3.list_multipart_uploads(Bucket=foundation.bucket)["Uploads"]] == [other]


def written(size: int, head: int) -> list[tuple[int, bytes]]:
    """Pieces as a muxer writes them: a mark, room for the index, the rest in order, then what belongs to the head."""
    whole = bytes(each * each % 251 for each in range(size))
    ends = [*range(head, size, 7), size]
    rest = [(start, whole[start:end]) for start, end in pairwise(ends)]
    return [(0, whole[:2]), *rest, (5, whole[5:head]), (2, whole[2:5])]


@pytest.mark.parametrize(("size", "first"), [(100, 16), (100, 33), (96, 16), (30, 40), (17, 16), (16, 16)])
def test_pieces_make_the_same_file_as_parts_whatever_their_lengths(size: int, first: int):
    pieces = written(size, head=10)
    parts = Parts(first_bytes=first, part_bytes=16, most_bytes=size)
    full = [part for at, piece in pieces for part in parts.add(at, piece)]
    assert {len(part) for part in full} <= {16}
    assert len(parts.last()) < 16
    file = bytearray(size)
    for at, piece in pieces:
        file[at : at + len(piece)] = piece
    assert b"".join([parts.first(), *full, parts.last()]) == bytes(file)
    assert parts.size == size


@pytest.mark.parametrize(
    ("at", "piece"), [(40, b"gap"), (31, b"back in what is sent"), (15, b"back, over the edge"), (36, b"x" * 65)]
)
def test_pieces_that_make_no_file_are_refused(at: int, piece: bytes):
    parts = Parts(first_bytes=16, part_bytes=16, most_bytes=100)
    parts.add(0, b"x" * 36)
    with pytest.raises(RetryError):
        parts.add(at, piece)
