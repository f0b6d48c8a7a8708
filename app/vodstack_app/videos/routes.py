import asyncio
import time
from typing import Annotated, Any, Literal

from litestar import Request, Response, delete, get, patch, post
from litestar.datastructures import ResponseHeader
from litestar.di import NamedDependency
from litestar.params import PathParameter, QueryParameter
from litestar.status_codes import HTTP_204_NO_CONTENT
from msgspec import structs

from vodstack_app import errors
from vodstack_app.conditional import NOT_MODIFIED, entity_tag, is_current, not_modified, tagged, url_period
from vodstack_app.documentation import problems
from vodstack_app.idempotency.headers import IdempotencyKey, repetition, require_key
from vodstack_app.identity import Identity, client_of
from vodstack_app.observation import note_video
from vodstack_app.playback.published import MP4_URL_SECONDS
from vodstack_app.services import Services
from vodstack_app.videos import listing
from vodstack_app.videos.body import read_body, read_boundary, require_plain
from vodstack_app.videos.documentation import PatchOperation, UploadOperation
from vodstack_app.videos.edits import PATCH_LIMIT_BYTES, edit, read_patch, require_patch
from vodstack_app.videos.fields import TAG_LIMIT
from vodstack_app.videos.form import FORM_OVERHEAD_BYTES, UploadForm
from vodstack_app.videos.ids import read_video_id
from vodstack_app.videos.intake import Sender
from vodstack_app.videos.views import PageView, UploadedView, VideoView, summarise_video, view_video
from vodstack_contracts.videos import Status, VideoRecord

VideoId = Annotated[str, PathParameter(description="The video's UUID.", schema_extra={"format": "uuid"})]
Limit = Annotated[int, QueryParameter(ge=1, le=listing.LIMIT, description="How many videos a page may have.")]
Place = Annotated[
    str | None,
    QueryParameter(
        description="`nextCursor` of the page before, as it came.", schema_extra={"pattern": listing.CURSOR_PATTERN}
    ),
]
StatusFilter = Annotated[
    Literal["uploading", "queued", "processing", "ready", "failed"] | None,
    QueryParameter(description="Only videos in this state."),
]
TagFilter = Annotated[
    str | None, QueryParameter(min_length=1, max_length=TAG_LIMIT, description="Only videos with this very tag.")
]
LOCATION = ResponseHeader(name="Location", description="The video's own URL.", documentation_only=True)


@post(
    "/videos",
    operation_class=UploadOperation,
    operation_id="uploadVideo",
    summary="Upload a video",
    response_description="The file is stored, and this is its video",
    tags=["videos"],
    response_headers=[LOCATION],
    responses=problems(
        errors.UploadError,
        errors.MissingFileError,
        errors.EmptyFileError,
        errors.TooManyFilesError,
        errors.TooManyFieldsError,
        errors.InvalidFieldError,
        errors.BadRequestError,
        errors.StorageFullError,
        errors.SlowClientError,
        errors.TooManyAtOnceError,
        errors.ConflictError,
        errors.KeyInUseError,
        errors.TooLargeError,
        errors.UnsupportedTypeError,
        errors.UnsupportedEncodingError,
        errors.KeyReusedError,
        errors.EncodingUsedUpError,
        errors.UnavailableError,
    ),
)
async def upload_video(
    request: Request[Any, Any, Any],
    services: NamedDependency[Services],
    identity: NamedDependency[Identity],
    *,
    idempotency_key: IdempotencyKey = None,
) -> Response[UploadedView]:
    """Answers 201 once the whole file is stored; processing follows by itself."""
    key = require_key(idempotency_key)
    require_plain(request)
    boundary = read_boundary(request.headers.get("content-type", ""))
    limit = services.settings.max_upload_bytes
    if (request.content_length or 0) > limit + FORM_OVERHEAD_BYTES:
        raise errors.TooLargeError(f"A file may have {limit} bytes.", field="file")
    await services.storage.require_room(identity.owner, max(0, (request.content_length or 0) - FORM_OVERHEAD_BYTES))
    form = UploadForm(boundary, max_file_bytes=limit)
    sender = Sender(owner=identity.owner, client=client_of(request, identity), key=key)
    received = await services.intake.receive(read_body(request, services.patience), form, sender)
    note_video(request, received.video_id)
    location = {"Location": f"{_base_url(request, services)}/videos/{received.video_id}"}
    return Response(UploadedView(received.video_id), headers=location | repetition(received.is_repeated))


@get(
    "/videos",
    operation_id="listVideos",
    summary="List your videos",
    response_description="A page of your videos",
    tags=["videos"],
    responses=NOT_MODIFIED | problems(errors.BadRequestError, errors.InvalidCursorError, errors.UnavailableError),
)
async def list_videos(
    request: Request[Any, Any, Any],
    services: NamedDependency[Services],
    identity: NamedDependency[Identity],
    *,
    limit: Limit = listing.LIMIT_DEFAULT,
    cursor: Place = None,
    status: StatusFilter = None,
    tag: TagFilter = None,
) -> Response[PageView]:
    """Newest first. With a filter, a page may be shorter than `limit`: go on until `nextCursor` is null."""
    after = listing.decode_cursor(cursor) if cursor is not None else None
    wanted = listing.Wanted(limit=limit, after=after, status=status, tag=tag)
    page = await services.listing.read(identity.owner, wanted)
    # The page was put together in this turn, and is written in the next.
    await asyncio.sleep(0)
    base_url = _base_url(request, services)
    view = PageView(
        videos=[summarise_video(record, base_url=base_url) for record in page.records],
        next_cursor=listing.encode_cursor(page.following) if page.following else None,
    )
    etag = entity_tag(view)
    return not_modified(etag) if is_current(request, etag) else tagged(view, etag)


@get(
    "/videos/{video_id:str}",
    operation_id="getVideo",
    summary="Look at a video",
    response_description="The video as it stands",
    tags=["videos"],
    responses=NOT_MODIFIED | problems(errors.InvalidIdError, errors.NotFoundError, errors.UnavailableError),
)
async def get_video(
    request: Request[Any, Any, Any],
    video_id: VideoId,
    services: NamedDependency[Services],
    identity: NamedDependency[Identity],
) -> Response[VideoView]:
    """The video's state, and its URLs once it is ready."""
    record = await services.records.look(read_video_id(video_id), identity)
    view, mp4_key = _view(record, base_url=_base_url(request, services))
    etag = entity_tag(view, url_period(time.time(), MP4_URL_SECONDS) if mp4_key else None)
    return not_modified(etag) if is_current(request, etag) else tagged(await _signed(services, view, mp4_key), etag)


@patch(
    "/videos/{video_id:str}",
    operation_class=PatchOperation,
    operation_id="editVideo",
    summary="Change what is said of a video",
    response_description="The video with what was changed",
    tags=["videos"],
    request_max_body_size=PATCH_LIMIT_BYTES,
    responses=problems(
        errors.InvalidIdError,
        errors.MalformedPatchError,
        errors.InvalidFieldError,
        errors.NotFoundError,
        errors.ConflictError,
        errors.TooLargeError,
        errors.RequestTimeoutError,
        errors.TooManyAtOnceError,
        errors.UnsupportedTypeError,
        errors.UnsupportedEncodingError,
        errors.UnavailableError,
    ),
)
async def edit_video(
    request: Request[Any, Any, Any],
    video_id: VideoId,
    services: NamedDependency[Services],
    identity: NamedDependency[Identity],
) -> VideoView:
    """Title, description, tags and metadata may change at any time; the answer is the video as it is then."""
    canonical_id = read_video_id(video_id)
    require_patch(request)
    patch = read_patch(await services.documents.read(request, client_of(request, identity)))
    record = await edit(services.records, canonical_id, identity, patch)
    view, mp4_key = _view(record, base_url=_base_url(request, services))
    return await _signed(services, view, mp4_key)


@delete(
    "/videos/{video_id:str}",
    operation_id="deleteVideo",
    summary="Delete a video",
    response_description="The video is gone",
    tags=["videos"],
    status_code=HTTP_204_NO_CONTENT,
    responses=problems(errors.InvalidIdError, errors.NotFoundError, errors.UnavailableError),
)
async def delete_video(
    video_id: VideoId, services: NamedDependency[Services], identity: NamedDependency[Identity]
) -> None:
    """Gone at once, in whatever state; the original and all that was made of it are removed soon after."""
    await services.deletions.delete(read_video_id(video_id), identity)


def _view(record: VideoRecord, *, base_url: str) -> tuple[VideoView, str | None]:
    """The video without its `url`, and the key of the object that this opens, if there is one."""
    mp4_key = record.playback.mp4_key if record.status is Status.READY and record.playback else None
    return view_video(record, base_url=base_url), mp4_key


async def _signed(services: Services, view: VideoView, mp4_key: str | None) -> VideoView:
    return structs.replace(view, url=await services.published.sign(mp4_key, MP4_URL_SECONDS)) if mp4_key else view


def _base_url(request: Request[Any, Any, Any], services: Services) -> str:
    return services.settings.public_url or str(request.base_url).rstrip("/")
