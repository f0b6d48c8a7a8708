from datetime import UTC, datetime
from typing import Annotated, Any

from litestar import Request, Response, delete, get, post
from litestar.datastructures import ResponseHeader
from litestar.di import NamedDependency
from litestar.params import PathParameter
from litestar.status_codes import HTTP_200_OK

from vodstack_app import errors
from vodstack_app.auth.gate import WRITING
from vodstack_app.documentation import problems
from vodstack_app.idempotency.headers import IdempotencyKey, repetition, require_key
from vodstack_app.identity import Identity, client_of
from vodstack_app.observation import note_video
from vodstack_app.services import Services
from vodstack_app.uploads.direct import Progress
from vodstack_app.uploads.documentation import StartOperation
from vodstack_app.uploads.views import URLS_LIMIT, PartView, StartUpload, UploadView, view_upload
from vodstack_app.validation import read_struct
from vodstack_app.videos.body import require_plain
from vodstack_app.videos.ids import read_video_id
from vodstack_app.videos.views import UploadedView
from vodstack_contracts.videos import Status

BODY_LIMIT_BYTES = 256 * 1024

VideoId = Annotated[str, PathParameter(description="The video's UUID.", schema_extra={"format": "uuid"})]
LOCATION = ResponseHeader(name="Location", description="The upload's own path.", documentation_only=True)
_KNOWN = (
    errors.InvalidIdError,
    errors.NotFoundError,
    errors.ConflictError,
    errors.UnavailableError,
    errors.CompletingError,
)


@post(
    "/uploads",
    operation_class=StartOperation,
    operation_id="startUpload",
    summary="Start a direct upload",
    response_description="The upload, and where to put its first parts",
    tags=["uploads"],
    request_max_body_size=BODY_LIMIT_BYTES,
    response_headers=[LOCATION],
    responses=problems(
        errors.BadRequestError,
        errors.InvalidFieldError,
        errors.StorageFullError,
        errors.NotFoundError,
        errors.ConflictError,
        errors.KeyInUseError,
        errors.TooLargeError,
        errors.RequestTimeoutError,
        errors.TooManyAtOnceError,
        errors.UnsupportedEncodingError,
        errors.KeyReusedError,
        errors.EncodingUsedUpError,
        errors.UnavailableError,
        errors.CompletingError,
    ),
)
async def start_upload(
    request: Request[Any, Any, Any],
    services: NamedDependency[Services],
    identity: NamedDependency[Identity],
    *,
    idempotency_key: IdempotencyKey = None,
) -> Response[UploadView]:
    """The file then goes to the bucket part by part, in any order, and as often as a line breaks."""
    key = require_key(idempotency_key)
    require_plain(request)
    wanted = read_struct(await services.documents.read(request, client_of(request, identity)), StartUpload)
    source, fields = wanted.source(), wanted.fields()
    limit = services.settings.max_upload_bytes
    if source.size_bytes > limit:
        raise errors.InvalidFieldError(f"A file may have {limit} bytes.", field="sizeBytes")
    progress = await services.uploads.start(source, fields, identity, key)
    note_video(request, progress.record.video_id)
    view = view_upload(progress, await _sign_missing(services, progress))
    return Response(view, headers={"Location": f"/uploads/{view.video_id}"} | repetition(progress.is_repeated))


@get(
    "/uploads/{video_id:str}",
    operation_id="getUpload",
    summary="See what has arrived of a direct upload",
    response_description="What has arrived, and where to put the next parts",
    tags=["uploads"],
    opt=WRITING,
    responses=problems(*_KNOWN),
)
async def get_upload(
    video_id: VideoId, services: NamedDependency[Services], identity: NamedDependency[Identity]
) -> UploadView:
    """What has arrived, and fresh URLs for the next parts. It needs the scope of writing."""
    progress = await services.uploads.look(read_video_id(video_id), identity)
    return view_upload(progress, await _sign_missing(services, progress))


@post(
    "/uploads/{video_id:str}/complete",
    operation_id="completeUpload",
    summary="Complete a direct upload",
    response_description="The file is whole, and this is its video",
    tags=["uploads"],
    status_code=HTTP_200_OK,
    responses=problems(*_KNOWN, errors.IncompleteUploadError),
)
async def complete_upload(
    video_id: VideoId, services: NamedDependency[Services], identity: NamedDependency[Identity]
) -> UploadedView:
    """Once every part has arrived; processing follows by itself. It may be asked again."""
    known = read_video_id(video_id)
    record = await services.uploads.complete(known, identity)
    if record.status is Status.UPLOADING:
        started = datetime.fromisoformat(record.upload_date)
        services.metrics.note_upload("direct", record.size_bytes or 0, (datetime.now(UTC) - started).total_seconds())
    return UploadedView(known)


@delete(
    "/uploads/{video_id:str}",
    operation_id="abortUpload",
    summary="Abort a direct upload",
    response_description="The upload is gone",
    tags=["uploads"],
    responses=problems(*_KNOWN),
)
async def abort_upload(
    video_id: VideoId, services: NamedDependency[Services], identity: NamedDependency[Identity]
) -> None:
    """Nothing of it stays."""
    await services.uploads.abort(read_video_id(video_id), identity)


async def _sign_missing(services: Services, progress: Progress) -> list[PartView]:
    return [PartView(*part) for part in await services.uploads.sign(progress, URLS_LIMIT)]
