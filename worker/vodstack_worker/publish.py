"""Checks what was encoded and puts it where players find it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from vodstack_contracts.objects import (
    CAPTIONS,
    DASH_MANIFEST,
    MP4,
    MULTIVARIANT_PLAYLIST,
    POSTER,
    THUMBNAILS,
    rendition_key,
    rendition_prefix,
)
from vodstack_contracts.videos import Audio, Caption, Playback, Rendition
from vodstack_worker.arguments import OUTPUT, PLAYLIST
from vodstack_worker.caption_tracks import CaptionFile
from vodstack_worker.dash import manifest
from vodstack_worker.errors import RetryError
from vodstack_worker.lease import AWS_ERRORS
from vodstack_worker.multipart import PART_BYTES, Multipart, open_multipart, part_bytes
from vodstack_worker.plans import Plan
from vodstack_worker.playlists import AudioRendition, MediaPlaylist, multivariant, read_playlist, video_codecs
from vodstack_worker.relay import StoredObject

if TYPE_CHECKING:
    from types_aiobotocore_s3 import S3Client
    from types_aiobotocore_s3.type_defs import ObjectIdentifierTypeDef

_UPLOADS_IN_FLIGHT = 4
_KEYS_PER_DELETE = 1000
_FOREVER = "max-age=31536000, immutable"
_NAMING = frozenset({".m3u8", ".mpd", ".vtt"})
_CONTENT_TYPES = {
    ".mpd": ("application/dash+xml", "max-age=300"),
    ".m3u8": ("application/vnd.apple.mpegurl", "max-age=300"),
    ".m4s": ("video/iso.segment", _FOREVER),
    ".mp4": ("video/mp4", _FOREVER),
    ".jpg": ("image/jpeg", _FOREVER),
    ".vtt": ("text/vtt", "max-age=300"),
}


@dataclass(frozen=True, kw_only=True)
class Published:
    """What the record says of it."""

    renditions: list[Rendition]
    playback: Playback


def measure_output(folder: Path, plan: Plan, video_id: str, captions: Sequence[CaptionFile] = ()) -> Published:
    """Measure what was encoded and describe it. Raises RetryError."""
    hls = folder / OUTPUT / "hls"
    playlists = [read_playlist(hls / rung.name / PLAYLIST) for rung in plan.rungs]
    audios = [
        AudioRendition(name=name, choice=track.choice, playlist=read_playlist(hls / name / PLAYLIST))
        for name, track in zip(plan.audio_names, plan.probe.audios, strict=True)
    ]
    mp4 = folder / OUTPUT / MP4
    if not mp4.is_file():
        raise RetryError(f"{MP4} was not written")
    size = mp4.stat().st_size
    return describe_output(folder, plan, video_id, playlists, audios, mp4_size_bytes=size, captions=captions)


def describe_output(
    folder: Path,
    plan: Plan,
    video_id: str,
    playlists: list[MediaPlaylist],
    audios: list[AudioRendition],
    *,
    mp4_size_bytes: int,
    captions: Sequence[CaptionFile],
) -> Published:
    """Write the playlist and the manifest over all renditions. Raises RetryError."""
    if any(playlist.durations != playlists[0].durations for playlist in playlists):
        raise RetryError("the renditions' segments are not aligned")
    codecs = [video_codecs(playlist.init) for playlist in playlists]
    rungs = list(zip(plan.rungs, playlists, codecs, strict=True))
    (folder / OUTPUT / MULTIVARIANT_PLAYLIST).write_text(multivariant(rungs, audios, plan.probe.rate, captions))
    (folder / OUTPUT / DASH_MANIFEST).write_text(manifest(rungs, audios, plan.probe.rate, captions))
    for made in (POSTER, THUMBNAILS):
        if not (folder / OUTPUT / made).is_file():
            raise RetryError(f"{made} was not written")
    return Published(
        renditions=[
            Rendition(
                name=rung.name,
                width=rung.width,
                height=rung.height,
                bitrate=playlist.bitrate,
                size_bytes=playlist.size_bytes,
                codecs=words,
                key=rendition_key(video_id, f"hls/{rung.name}/{PLAYLIST}"),
            )
            for rung, playlist, words in rungs
        ],
        playback=_playback(video_id, mp4_size_bytes, audios, captions),
    )


def _playback(
    video_id: str, mp4_size_bytes: int, audios: Sequence[AudioRendition], captions: Sequence[CaptionFile]
) -> Playback:
    return Playback(
        hls_key=rendition_key(video_id, MULTIVARIANT_PLAYLIST),
        dash_key=rendition_key(video_id, DASH_MANIFEST),
        mp4_key=rendition_key(video_id, MP4),
        poster_key=rendition_key(video_id, POSTER),
        thumbnails_key=rendition_key(video_id, THUMBNAILS),
        mp4_size_bytes=mp4_size_bytes,
        captions=[
            Caption(
                language=caption.track.language,
                label=caption.track.label,
                key=rendition_key(video_id, f"{CAPTIONS}/{caption.name}.vtt"),
            )
            for caption in captions
        ],
        audio=[
            Audio(
                language=audio.choice.language,
                label=audio.choice.label,
                role=audio.choice.role,
                default=number == 0,
            )
            for number, audio in enumerate(audios)
        ],
    )


async def publish(
    s3: "S3Client", bucket: str, folder: Path, video_id: str, *, keys: list[str], on_progress: Callable[[float], None]
) -> None:
    """Upload everything; what names other files last, so that whoever reads it finds them.

    Each key is added to `keys` before its object may be there. Raises RetryError.
    """
    files = sorted(path for path in (folder / OUTPUT).rglob("*") if path.is_file())
    media = [path for path in files if path.suffix not in _NAMING]
    multivariant_path = folder / OUTPUT / MULTIVARIANT_PLAYLIST
    lists = [path for path in files if path.suffix in _NAMING and path != multivariant_path]
    batches = (media, lists, [multivariant_path])
    await send_files(s3, bucket, folder, video_id, batches, keys=keys, on_progress=on_progress)


async def send_files(
    s3: "S3Client",
    bucket: str,
    folder: Path,
    video_id: str,
    batches: Sequence[Sequence[Path]],
    *,
    keys: list[str],
    on_progress: Callable[[float], None],
) -> None:
    """Upload files of a job's output, one batch after the other. Raises RetryError."""
    sizes = {path: path.stat().st_size for batch in batches for path in batch}
    total = sum(sizes.values()) or 1
    sent = 0
    slots = asyncio.Semaphore(_UPLOADS_IN_FLIGHT)

    async def upload(path: Path) -> None:
        nonlocal sent
        async with slots:
            key = rendition_key(video_id, path.relative_to(folder / OUTPUT).as_posix())
            keys.append(key)
            async for size in _upload(s3, bucket, key, path, sizes[path]):
                sent += size
                on_progress(sent / total)

    try:
        for batch in batches:
            async with asyncio.TaskGroup() as group:
                for path in batch:
                    group.create_task(upload(path))
    except* AWS_ERRORS as errors:
        raise RetryError(f"publishing failed: {errors.exceptions[0]!r}", counted=False) from errors


def open_upload(s3: "S3Client", bucket: str, key: str) -> AbstractAsyncContextManager[Multipart]:
    """An upload in parts, with the headers that its key's ending calls for."""
    return open_multipart(s3, bucket, key, *_CONTENT_TYPES[PurePath(key).suffix])


async def withdraw(s3: "S3Client", bucket: str, keys: list[str]) -> None:
    """Delete what was published of a video that nobody wants any more."""
    for start in range(0, len(keys), _KEYS_PER_DELETE):
        named: list[ObjectIdentifierTypeDef] = [{"Key": key} for key in keys[start : start + _KEYS_PER_DELETE]]
        await s3.delete_objects(Bucket=bucket, Delete={"Objects": named, "Quiet": True})


async def remove_others(s3: "S3Client", bucket: str, video_id: str, keys: list[str], prefix: str | None = None) -> None:
    """Delete what of other plans lies under a video's `hls/`: neither among `keys` nor named by `prefix`."""
    found = [stored.key for stored in (await find_published(s3, bucket, video_id)).values()]
    others = {key for key in found if prefix is None or not key.rpartition("/")[2].startswith(prefix)}
    await withdraw(s3, bucket, sorted(others - set(keys)))


async def find_published(s3: "S3Client", bucket: str, video_id: str) -> dict[str, StoredObject]:
    """Everything that lies under the video's `hls/`, by its name there."""
    home = f"{rendition_prefix(video_id)}hls/"
    found: dict[str, StoredObject] = {}
    async for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=home):
        for entry in page.get("Contents", []):
            key, size, etag = entry.get("Key", ""), entry.get("Size", 0), entry.get("ETag", "")
            found[key.removeprefix(home)] = StoredObject(s3=s3, bucket=bucket, key=key, size=size, etag=etag)
    return found


async def _upload(s3: "S3Client", bucket: str, key: str, path: Path, size: int) -> AsyncIterator[int]:
    """Put one file, in parts where it is big; yields sizes as they are sent."""
    content_type, cache_control = _CONTENT_TYPES[path.suffix]
    if size <= PART_BYTES:
        body = await asyncio.to_thread(path.read_bytes)
        await s3.put_object(Bucket=bucket, Key=key, Body=body, ContentType=content_type, CacheControl=cache_control)
        yield size
        return
    async with open_upload(s3, bucket, key) as upload:
        for number, piece in enumerate(_pieces(path, part_bytes(size)), start=1):
            await upload.send(number, piece)
            yield len(piece)


def _pieces(path: Path, length: int) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(length):
            yield piece
