"""A DynamoDB (and as much of SQS as an upload may want) that answers always the same, so that it is never the limit.

It knows no state: every video is there, finished, and belongs to whom its arguments name; every write holds.
"""

import asyncio
import hashlib
import json
import sys
import uuid
import zlib
from collections.abc import Callable
from typing import Any, cast

import uvloop

from vodstack_contracts.items import to_item
from vodstack_contracts.videos import (
    Playback,
    Rendition,
    SourceFacts,
    Status,
    VideoRecord,
    new_video_id,
    timestamp,
)

RUNGS = (("1080p", 1920, 1080, 5_800_000), ("720p", 1280, 720, 3_000_000), ("360p", 640, 360, 800_000))
_HEAD_END = b"\r\n\r\n"


def finished_video(video_id: str, owner: str) -> VideoRecord:
    """A record as a worker leaves it."""
    prefix, now = f"renditions/{video_id}/", timestamp()
    return VideoRecord(
        video_id=video_id,
        status=Status.READY,
        upload_date=now,
        updated_at=now,
        owner=owner,
        title="A film",
        description="What a person says of it, in a sentence or two that are not too long.",
        tags=["holiday", "sea"],
        metadata={"camera": "a phone"},
        file_name="film.mp4",
        content_type="video/mp4",
        size_bytes=512 * 1024 * 1024,
        progress=1.0,
        attempts=1,
        source=SourceFacts(
            container="mp4", duration_seconds=600.5, width=1920, height=1080, frame_rate=29.97, video_codec="h264"
        ),
        renditions=[
            Rendition(
                name=name,
                width=width,
                height=height,
                bitrate=bitrate,
                size_bytes=bitrate * 75,
                codecs="avc1.640028,mp4a.40.2",
                key=f"{prefix}hls/{name}.m3u8",
            )
            for name, width, height, bitrate in RUNGS
        ],
        playback=Playback(
            hls_key=f"{prefix}hls/master.m3u8",
            mp4_key=f"{prefix}video.mp4",
            poster_key=f"{prefix}poster.jpg",
            mp4_size_bytes=100_000_000,
            dash_key=f"{prefix}hls/manifest.mpd",
            thumbnails_key=f"{prefix}thumbnails/index.vtt",
        ),
    )


class Answers:
    """What is said to each operation."""

    def __init__(self, owner: str) -> None:
        self._sample_id = new_video_id()
        # Services of this API that sign no URLs keep one.
        url = {"url": {"S": f"https://cdn.example/{self._sample_id}"}}
        self._item = json.dumps(to_item(finished_video(self._sample_id, owner)) | url, separators=(",", ":"))

    def answer(self, operation: str, body: bytes) -> bytes:
        match operation:
            case "GetItem":
                return self._get_item(json.loads(body)["Key"])
            case "Query" | "Scan":
                return b'{"Count":0,"Items":[],"ScannedCount":0}'
            case "SendMessage":
                return self._send_message(json.loads(body))
            case _:
                return b"{}"

    def _get_item(self, key: dict[str, Any]) -> bytes:
        video_id = key.get("video_id", {}).get("S", "")
        if not video_id:
            return b"{}"
        return f'{{"Item":{self._item.replace(self._sample_id, video_id)}}}'.encode()

    def _send_message(self, message: dict[str, Any]) -> bytes:
        digest = hashlib.md5(message["MessageBody"].encode(), usedforsecurity=False).hexdigest()
        return json.dumps({"MessageId": str(uuid.uuid4()), "MD5OfMessageBody": digest}).encode()


class Connection(asyncio.Protocol):
    """One client's connection, kept for as long as it likes."""

    def __init__(self, answer: Callable[[str, bytes], bytes]) -> None:
        self._answer = answer
        self._received = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._received += data
        while self._take():
            pass

    def _take(self) -> bool:
        """Answer the first request that is whole, if there is one."""
        end = self._received.find(_HEAD_END)
        if end < 0:
            return False
        headers = dict(_header(line) for line in self._received[:end].split(b"\r\n")[1:])
        whole = end + len(_HEAD_END) + int(headers.get(b"content-length", b"0"))
        if len(self._received) < whole:
            return False
        body, self._received = self._received[end + len(_HEAD_END) : whole], self._received[whole:]
        operation = headers.get(b"x-amz-target", b"").rpartition(b".")[2].decode()
        self._write(self._answer(operation, body))
        return True

    def _write(self, body: bytes) -> None:
        head = (
            f"HTTP/1.1 200 OK\r\nContent-Type: application/x-amz-json-1.0\r\nContent-Length: {len(body)}\r\n"
            f"x-amzn-RequestId: {uuid.uuid4().hex}\r\nx-amz-crc32: {zlib.crc32(body)}\r\n\r\n"
        )
        if self._transport:
            self._transport.write(head.encode() + body)


def _header(line: bytes) -> tuple[bytes, bytes]:
    name, _, value = line.partition(b":")
    return name.lower(), value.strip()


async def serve(owner: str) -> None:
    answers = Answers(owner)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(answers.answer), "127.0.0.1", 0)
    sys.stdout.write(f'"port": {server.sockets[0].getsockname()[1]}\n')
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(sys.argv[1]))
