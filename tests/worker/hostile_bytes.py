"""Bytes that are no videos, or mean harm, made by hand: no tool writes them."""

import socket
import struct
import threading
import zlib
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from vodstack_contracts.videos import FailureCode


@dataclass
class Canary:
    """A server that nobody may call and a file whose content nobody may see."""

    port: int
    secret: Path
    calls: list[str] = field(default_factory=list)


@contextmanager
def listening_canary(folder: Path) -> Generator[Canary]:
    """Raises AssertionError at its end if it was called."""
    secret = folder / "secret.txt"
    secret.write_text("SECRET" * 100)
    with socket.create_server(("127.0.0.1", 0)) as server:
        made = Canary(server.getsockname()[1], secret)

        def listen() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                made.calls.append("called")
                connection.close()

        thread = threading.Thread(target=listen, daemon=True)
        thread.start()
        yield made
        server.shutdown(socket.SHUT_RDWR)
        thread.join(5)
    assert made.calls == []


def box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", 8 + len(content)) + kind + content


def hls(canary: Canary) -> bytes:
    lines = ["#EXTM3U", "#EXT-X-TARGETDURATION:10", "#EXTINF:10,", f"http://127.0.0.1:{canary.port}/a.ts"]
    return "\n".join([*lines, "#EXTINF:10,", f"file://{canary.secret}", "#EXT-X-ENDLIST", ""]).encode()


def concat(canary: Canary) -> bytes:
    return f"ffconcat version 1.0\nfile {canary.secret}\nfile http://127.0.0.1:{canary.port}/a.ts\n".encode()


def dash(canary: Canary) -> bytes:
    url = f"http://127.0.0.1:{canary.port}/"
    return f'<?xml version="1.0"?><MPD><BaseURL>{url}</BaseURL><Period></Period></MPD>'.encode()


def hls_behind_a_video_header(canary: Canary) -> bytes:
    return box(b"ftyp", b"isom\x00\x00\x02\x00isom") + hls(canary)


def hls_behind_an_index(canary: Canary) -> bytes:
    """Whole enough for a demuxer to be let at it."""
    return box(b"ftyp", b"isom\x00\x00\x02\x00isom") + box(b"moov", b"") + hls(canary)


def hls_behind_an_avi_header(canary: Canary) -> bytes:
    """The known attack: subtitles in an AVI that are a playlist."""
    body = hls(canary)
    gab2 = b"GAB2\x00\x02\x00" + struct.pack("<I", 0) + b"\x04\x00" + struct.pack("<I", len(body)) + body
    chunk = b"00tx" + struct.pack("<I", len(gab2)) + gab2
    header = struct.pack("<4s4sHHIIIIIIIIHHHH", b"txts", b"\x00" * 4, 0, 0, 0, 0, 1, 1, 0, 1, 0, 0, 0, 0, 0, 0)
    stream = riff(b"LIST", b"strl" + riff(b"strh", header))
    return riff(b"RIFF", b"AVI " + riff(b"LIST", b"hdrl" + stream) + riff(b"LIST", b"movi" + chunk))


def riff(kind: bytes, content: bytes) -> bytes:
    return kind + struct.pack("<I", len(content)) + content


BYTES: dict[str, tuple[Callable[[Canary], bytes], set[FailureCode]]] = {
    "empty": (lambda _: b"", {FailureCode.EMPTY_FILE}),
    "text": (lambda _: b"This is a letter.\n" * 50, {FailureCode.NOT_A_VIDEO}),
    "zip": (lambda _: b"PK\x03\x04" + bytes(500), {FailureCode.NOT_A_VIDEO}),
    "picture": (lambda _: b"\x89PNG\r\n\x1a\n" + bytes(500), {FailureCode.NOT_A_VIDEO}),
    "hls playlist": (hls, {FailureCode.UNSUPPORTED_FORMAT}),
    "concat script": (concat, {FailureCode.UNSUPPORTED_FORMAT}),
    "dash manifest": (dash, {FailureCode.UNSUPPORTED_FORMAT}),
    "playlist behind ftyp": (hls_behind_a_video_header, {FailureCode.CORRUPT}),
    "playlist behind an index": (hls_behind_an_index, {FailureCode.CORRUPT, FailureCode.NO_VIDEO_STREAM}),
    "playlist in an avi": (hls_behind_an_avi_header, {FailureCode.NO_VIDEO_STREAM, FailureCode.CORRUPT}),
    "header and noise": (
        lambda _: b"\x1aE\xdf\xa3" + bytes(range(256)) * 40,
        {FailureCode.CORRUPT, FailureCode.NO_VIDEO_STREAM},
    ),
    "flv and noise": (
        lambda _: b"FLV\x01\x05" + bytes(range(256)) * 40,
        {FailureCode.CORRUPT, FailureCode.NO_VIDEO_STREAM},
    ),
}


def nested(kind: bytes, depth: int) -> bytes:
    """Boxes in boxes, the innermost empty."""
    heads = [struct.pack(">I", 8 * (depth - level)) + kind for level in range(depth)]
    return b"".join(heads)


def nested_in_matroska(depth: int) -> bytes:
    """Tags in tags, each of unknown length, which is how a live recording writes what has no end yet."""
    head = b"\x1aE\xdf\xa3" + b"\x88" + b"\x42\x82\x85webm\x00"
    return head + b"\x18\x53\x80\x67" + b"\xff" + b"\x12\x54\xc3\x67\xff\x73\x73\xff" + b"\x67\xc8\xff" * depth


def element(name: int, content: bytes) -> bytes:
    """One of Matroska's, its length in four bytes."""
    return name.to_bytes((name.bit_length() + 7) // 8) + (0x10000000 | len(content)).to_bytes(4) + content


def many_tracks_in_matroska(count: int) -> bytes:
    def track(number: int) -> bytes:
        told = number.to_bytes(2)
        size = element(0xB0, b"\x40") + element(0xBA, b"\x40")
        words = element(0xD7, told) + element(0x73C5, told) + element(0x83, b"\x01") + element(0x86, b"V_VP8")
        return element(0xAE, words + element(0xE0, size))

    tracks = element(0x1654AE6B, b"".join(track(number) for number in range(1, count + 1)))
    block = element(0x1F43B675, element(0xE7, b"\x00") + element(0xA3, b"\x81\x00\x00\x80picture"))
    return element(0x1A45DFA3, element(0x4282, b"webm")) + element(0x18538067, tracks + block)


def nested_in_avi(depth: int) -> bytes:
    heads = [b"LIST" + struct.pack("<I", 12 * (depth - level) - 8) + b"hdrl" for level in range(depth)]
    return riff(b"RIFF", b"AVI " + b"".join(heads))


def inflating_index(inflated_bytes: int) -> bytes:
    """An MP4 whose compressed index is a thousand times as long as it seems."""
    packer = zlib.compressobj(9)
    block = bytes(2**20)
    packed = b"".join(packer.compress(block) for _ in range(inflated_bytes // len(block))) + packer.flush()
    index = box(b"cmov", box(b"dcom", b"zlib") + box(b"cmvd", struct.pack(">I", inflated_bytes) + packed))
    return box(b"ftyp", b"isom\x00\x00\x02\x00isom") + box(b"moov", index)


def blank_png(side: int) -> bytes:
    """A black picture of `side` by `side` pixels, a bit each."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    packer = zlib.compressobj(9)
    row = bytes(1 + side // 8)
    packed = b"".join(packer.compress(row) for _ in range(side)) + packer.flush()
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")
