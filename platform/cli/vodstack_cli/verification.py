"""Checks a finished video by what the bucket really holds, decoded frame by frame, not by what the API says of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
from av.error import FFmpegError

from vodstack_cli.client import Rendition
from vodstack_cli.errors import VerificationError
from vodstack_contracts.objects import MP4, MULTIVARIANT_PLAYLIST, POSTER, rendition_prefix

_HLS_OPTIONS = {"protocol_whitelist": "file", "allowed_extensions": "ALL"}
_CLOCK_SECONDS = 0.002


@dataclass(frozen=True)
class Picture:
    """What decoding one file found; `seconds` runs from the first frame's start to the last one's end."""

    width: int
    height: int
    frames: int
    seconds: float
    has_audio: bool


def fetch_published(s3: Any, bucket: str, video_id: str, directory: Path) -> dict[str, int]:
    """Copies everything published of a video below `directory`. Returns sizes in bytes by relative path."""
    prefix = rendition_prefix(video_id)
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    sizes: dict[str, int] = {}
    for entry in (entry for page in pages for entry in page.get("Contents", [])):
        path = entry["Key"].removeprefix(prefix)
        target = directory / path
        target.parent.mkdir(parents=True, exist_ok=True)
        s3.download_file(bucket, entry["Key"], str(target))
        sizes[path] = entry["Size"]
    return sizes


def verify(directory: Path, source: Path, renditions: Sequence[Rendition]) -> dict[str, Picture]:
    """Decodes every rendition and the MP4 below `directory` and holds them against the source.

    Raises VerificationError at the first that is missing, broken, of another size or length, or silent.
    """
    for path in (MULTIVARIANT_PLAYLIST, MP4, POSTER):
        if not (directory / path).exists():
            raise VerificationError(f"{path} was not published")
    expected = decode(source)
    pictures = {rendition.name: _matching(directory, rendition, expected) for rendition in renditions}
    pictures["mp4"] = _same_length("the MP4", decode(directory / MP4), expected)
    return pictures


def decode(path: Path) -> Picture:
    """Raises VerificationError where the file does not decode to its end."""
    options = _HLS_OPTIONS if path.suffix == ".m3u8" else {}
    try:
        with av.open(str(path), options=options) as container:
            stream = container.streams.video[0]
            starts = sorted(frame.time for frame in container.decode(stream))
            frame_seconds = float(1 / stream.average_rate) if stream.average_rate else 0.0
            return Picture(
                width=stream.codec_context.width,
                height=stream.codec_context.height,
                frames=len(starts),
                seconds=starts[-1] - starts[0] + frame_seconds,
                has_audio=bool(container.streams.audio),
            )
    except (FFmpegError, IndexError) as error:
        raise VerificationError(f"{path.name} does not decode: {error}") from error


def _matching(directory: Path, rendition: Rendition, expected: Picture) -> Picture:
    found = decode(directory / "hls" / rendition.name / "index.m3u8")
    if (found.width, found.height) != (rendition.width, rendition.height):
        raise VerificationError(
            f"rendition {rendition.name} is {found.width}x{found.height}, not {rendition.width}x{rendition.height}"
        )
    return _same_length(f"rendition {rendition.name}", found, expected)


def _same_length(name: str, found: Picture, expected: Picture) -> Picture:
    frame_seconds = max(expected.seconds / expected.frames, found.seconds / found.frames)
    if abs(found.seconds - expected.seconds) > frame_seconds + _CLOCK_SECONDS:
        raise VerificationError(f"{name} lasts {found.seconds:.3f} s, the source {expected.seconds:.3f} s")
    return found
