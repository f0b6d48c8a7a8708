"""What a file is, by its first bytes: decided before anything that parses media sees it."""

import os
from pathlib import Path

from vodstack_contracts.containers import ACCEPTED, HEAD_BYTES, container_of
from vodstack_contracts.videos import FailureCode
from vodstack_worker.boxes import FileBytes
from vodstack_worker.errors import GiveUpError

# libavformat's names of the only demuxers that are ever asked for. None of them opens another file.
DEMUXERS = {
    "mov": "mov,mp4,m4a,3gp,3g2,mj2",
    "matroska": "matroska,webm",
    "mpegts": "mpegts",
    "mpeg": "mpeg",
    "avi": "avi",
    "flv": "flv",
    "ogg": "ogg",
    "asf": "asf",
}
# Recordings that were joined have several tables of tracks: all are read, and a new version replaces the one before.
DEMUXER_OPTIONS = {"mpegts": {"scan_all_pmts": "1", "merge_pmt_versions": "1"}}
# Those in which a key frame can be found by its time, exactly.
SEEKABLE = frozenset({"mov", "matroska", "mpegts"})
# What a tool may speak to read a file that the worker serves.
PROTOCOLS = "http,tcp"

_LISTS = (b"#EXTM3U", b"ffconcat", b"<?xml", b"<MPD", b"<SMIL", b"[playlist]")
_PICTURES = (b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"BM", b"II*\x00", b"MM\x00*")
_SOUNDS = (b"ID3", b"fLaC", b"\xff\xfb", b"\xff\xf1", b"\xff\xf9", b"#!AMR", b"MThd")


class LocalBytes:
    """Those of a file on this machine."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.size = path.stat().st_size

    def read(self, start: int, length: int) -> bytes:
        with self._path.open("rb") as file:
            return os.pread(file.fileno(), length, start)


def demuxer_of(file: FileBytes) -> str:
    """The one demuxer that may open the file. Raises GiveUpError."""
    head = file.read(0, HEAD_BYTES)
    if not head:
        raise GiveUpError(FailureCode.EMPTY_FILE, "The file is empty. Upload the video again.")
    demuxer = container_of(head)
    if demuxer is None:
        raise _refusal(head)
    return demuxer


def _refusal(head: bytes) -> GiveUpError:
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    if text.startswith(_LISTS):
        return GiveUpError(
            FailureCode.UNSUPPORTED_FORMAT,
            "The file is a playlist or a script that points to other files. Upload the video itself.",
        )
    if head.startswith(_PICTURES) or (head.startswith(b"RIFF") and head[8:12] == b"WEBP"):
        return GiveUpError(FailureCode.NOT_A_VIDEO, f"The file is a picture. Upload a video ({ACCEPTED}).")
    if head.startswith(_SOUNDS) or (head.startswith(b"RIFF") and head[8:12] == b"WAVE"):
        return GiveUpError(FailureCode.NO_VIDEO_STREAM, "The file holds sound alone. Upload a file with a picture.")
    return GiveUpError(FailureCode.NOT_A_VIDEO, f"The file is not a video. Upload one of {ACCEPTED}.")
