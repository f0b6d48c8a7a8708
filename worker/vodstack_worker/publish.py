"""Checks what was encoded and puts it where players find it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
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
from vodstack_worker.arguments import INIT, PLAYLIST
from vodstack_worker.caption_tracks import CaptionFile
from vodstack_worker.dash import manifest
from vodstack_worker.errors import RetryError
from vodstack_worker.lease import AWS_ERRORS
from vodstack_worker.multipart import PART_BYTES, Multipart, open_multipart, part_bytes
from vodstack_worker.plans import Plan
from vodstack_worker.playlists import AudioRendition, MediaPlaylist, multivariant, read_playlist, video_codecs
from vodstack_worker.relay import StoredObject
from vodstack_worker.thumbnails import sheet_names
from vodstack_worker.tool_files import INIT_BYTES, MEDIA_BYTES, PICTURE_BYTES, TEXT_BYTES, JobFiles

if TYPE_CHECKING:
    from types_aiobotocore_s3 import S3Client
    from types_aiobotocore_s3.type_defs import ObjectIdentifierTypeDef

_UPLOADS_IN_FLIGHT = 4
_KEYS_PER_DELETE = 1000
_FOREVER = "max-age=31536000, immutable"
_NAMING = frozenset({".m3u8", ".mpd", ".vtt"})
_PICTURES = ".jpg"
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
    """What the record says of it, and all files that are to be sent, by their names."""

    renditions: list[Rendition]
    playback: Playback
    names: list[str]


def measure_output(folder: Path, plan: Plan, video_id: str, captions: Sequence[CaptionFile] = ()) -> Published:
    """Measure what was encoded and describe it. Raises RetryError."""
    files = JobFiles(folder)
    playlists = [read_playlist(files, f"hls/{rung.name}") for rung in plan.rungs]
    audios = [
        AudioRendition(name=name, choice=track.choice, playlist=read_playlist(files, f"hls/{name}"))
        for name, track in zip(plan.audio_names, plan.probe.audios, strict=True)
    ]
    inits = [files.read(f"hls/{rung.name}/{INIT}", INIT_BYTES) for rung in plan.rungs]
    size = files.size(MP4, MEDIA_BYTES)
    made = describe_output(
        files, plan, video_id, playlists, audios, inits=inits, mp4_size_bytes=size, captions=captions
    )
    homes = [(rung.name, playlist) for rung, playlist in zip(plan.rungs, playlists, strict=True)]
    homes += [(audio.name, audio.playlist) for audio in audios]
    media = [f"hls/{home}/{name}" for home, playlist in homes for name in playlist.names]
    return replace(made, names=[MP4, *media, *made.names])


def describe_output(
    files: JobFiles,
    plan: Plan,
    video_id: str,
    playlists: list[MediaPlaylist],
    audios: list[AudioRendition],
    *,
    inits: list[bytes],
    mp4_size_bytes: int,
    captions: Sequence[CaptionFile],
) -> Published:
    """Write the playlists and the manifest. Of what is to be sent, media files are the caller's. Raises RetryError."""
    if any(playlist.durations != playlists[0].durations for playlist in playlists):
        raise RetryError("the renditions' segments are not aligned")
    rungs = list(zip(plan.rungs, playlists, [video_codecs(init) for init in inits], strict=True))
    lists = {
        **{f"hls/{rung.name}/{PLAYLIST}": playlist.text for rung, playlist, _ in rungs},
        **{f"hls/{audio.name}/{PLAYLIST}": audio.playlist.text for audio in audios},
        MULTIVARIANT_PLAYLIST: multivariant(rungs, audios, plan.probe.rate, captions),
        DASH_MANIFEST: manifest(rungs, audios, plan.probe.rate, captions),
    }
    for name, text in lists.items():
        files.write(name, text.encode())
    pictures = [POSTER, *sheet_names(plan, playlists[-1].duration)]
    for name in pictures:
        files.size(name, PICTURE_BYTES)
    texts = [f"{CAPTIONS}/{caption.name}{ending}" for caption in captions for ending in (".vtt", ".m3u8")]
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
        names=[*pictures, THUMBNAILS, *texts, *lists],
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
    s3: "S3Client",
    bucket: str,
    files: JobFiles,
    video_id: str,
    names: Sequence[str],
    *,
    keys: list[str],
    on_progress: Callable[[float], None],
) -> int:
    """Upload files; what names other files last, so that whoever reads it finds them. Gives the number of bytes.

    Each key is added to `keys` before its object may be there. Raises RetryError.
    """
    media = [name for name in names if PurePath(name).suffix not in _NAMING]
    lists = [name for name in names if name not in {*media, MULTIVARIANT_PLAYLIST}]
    first = [name for name in names if name == MULTIVARIANT_PLAYLIST]
    return await send_files(s3, bucket, files, video_id, (media, lists, first), keys=keys, on_progress=on_progress)


async def send_files(
    s3: "S3Client",
    bucket: str,
    files: JobFiles,
    video_id: str,
    batches: Sequence[Sequence[str]],
    *,
    keys: list[str],
    on_progress: Callable[[float], None],
) -> int:
    """Upload files of a job's output, one batch after the other. Gives the number of bytes. Raises RetryError."""
    sizes = {name: files.size(name, _most_bytes(name)) for batch in batches for name in batch}
    total = sum(sizes.values())
    sent = 0
    slots = asyncio.Semaphore(_UPLOADS_IN_FLIGHT)

    async def upload(name: str) -> None:
        nonlocal sent
        async with slots:
            key = rendition_key(video_id, name)
            keys.append(key)
            async for size in _upload(s3, bucket, key, files, name=name, size=sizes[name]):
                sent += size
                on_progress(sent / (total or 1))

    try:
        for batch in batches:
            async with asyncio.TaskGroup() as group:
                for name in batch:
                    group.create_task(upload(name))
    except* AWS_ERRORS as errors:
        raise RetryError(f"publishing failed: {errors.exceptions[0]!r}", counted=False) from errors
    return total


def _most_bytes(name: str) -> int:
    path = PurePath(name)
    if path.suffix in _NAMING:
        return TEXT_BYTES
    if path.suffix == _PICTURES:
        return PICTURE_BYTES
    return INIT_BYTES if path.name.endswith(INIT) else MEDIA_BYTES


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


async def _upload(
    s3: "S3Client", bucket: str, key: str, files: JobFiles, *, name: str, size: int
) -> AsyncIterator[int]:
    """Put one file, in parts where it is big; yields sizes as they are sent."""
    content_type, cache_control = _CONTENT_TYPES[PurePath(name).suffix]
    if size <= PART_BYTES:
        body = await asyncio.to_thread(lambda: b"".join(files.pieces(name, size, PART_BYTES)))
        await s3.put_object(Bucket=bucket, Key=key, Body=body, ContentType=content_type, CacheControl=cache_control)
        yield size
        return
    async with open_upload(s3, bucket, key) as upload:
        for number, piece in enumerate(files.pieces(name, size, part_bytes(size)), start=1):
            await upload.send(number, piece)
            yield len(piece)
