"""Playback of a private bucket: playlists pass through the API, media goes by URLs that live for minutes."""

from pathlib import PurePosixPath
from typing import Annotated, Any

from litestar import MediaType, Request, Response, get
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import PathParameter, QueryParameter
from litestar.status_codes import HTTP_307_TEMPORARY_REDIRECT

from vodstack_app import errors
from vodstack_app.documentation import problems
from vodstack_app.identity import Identity
from vodstack_app.methods import is_head
from vodstack_app.playback.published import FILE_URL_SECONDS
from vodstack_app.services import Services
from vodstack_app.videos.ids import read_video_id
from vodstack_contracts.errors import UnknownKeyError
from vodstack_contracts.objects import rendition_key
from vodstack_contracts.videos import Status

PLAYLIST_MEDIA_TYPE = "application/vnd.apple.mpegurl"
# Files that name others by relative URLs: behind a signed URL of their own those would lead nowhere.
NAMING_MEDIA_TYPES = {".m3u8": PLAYLIST_MEDIA_TYPE, ".mpd": "application/dash+xml", ".vtt": "text/vtt"}
# A manifest is XML, and media tools wrote it: opened by itself in a browser, it may run and load nothing.
INERT = {"Content-Security-Policy": "default-src 'none'; sandbox"}
# A redirect that is kept for longer than its URL lives would break a paused player.
REDIRECT_CACHE_SECONDS = FILE_URL_SECONDS // 2

VideoId = Annotated[str, PathParameter(description="The video's UUID.", schema_extra={"format": "uuid"})]
FilePath = Annotated[str, PathParameter(description="A file of the video, such as `hls/master.m3u8`.")]
MediaData = Annotated[
    str | None,
    QueryParameter(name="CMCD", description="What players say of themselves (CTA-5004); it is passed over."),
]


@get(
    "/videos/{video_id:str}/playback/{file_path:path}",
    operation_id="playVideo",
    summary="Play a video",
    tags=["playback"],
    media_type=PLAYLIST_MEDIA_TYPE,
    response_description="A playlist, manifest or WebVTT file; its relative URLs lead back here",
    responses={
        HTTP_307_TEMPORARY_REDIRECT: ResponseSpec(
            data_container=None, description="Every other file: the Location opens it for some minutes"
        ),
        **problems(errors.InvalidIdError, errors.NotFoundError, errors.UnavailableError),
    },
)
async def play_video(
    request: Request[Any, Any, Any],
    video_id: VideoId,
    file_path: FilePath,
    services: NamedDependency[Services],
    identity: NamedDependency[Identity],
    *,
    cmcd: MediaData = None,
) -> Response[Any]:
    """Any HLS player opens `playback.hls` and follows."""
    del cmcd
    record = await services.records.find(read_video_id(video_id), identity)
    path = file_path.lstrip("/")
    if record.status is not Status.READY:
        raise errors.NotFoundError(f"The video is {record.status}; it can be played once it is ready.")
    try:
        key = rendition_key(record.video_id, path)
    except UnknownKeyError as error:
        raise errors.NotFoundError("The video has no such file.") from error
    if media_type := NAMING_MEDIA_TYPES.get(PurePosixPath(path).suffix):
        text = await services.published.read_playlist(key)
        return Response(text, media_type=media_type, headers=INERT)
    await services.published.require(key)
    # A signature is good for one method; a cache must not give a GET what a HEAD was led to.
    location = await services.published.sign(key, FILE_URL_SECONDS, "HEAD" if is_head(request) else "GET")
    caching = "no-store" if is_head(request) else f"private, max-age={REDIRECT_CACHE_SECONDS}"
    headers = {"Location": location, "Cache-Control": caching}
    return Response(b"", status_code=HTTP_307_TEMPORARY_REDIRECT, headers=headers, media_type=MediaType.TEXT)
