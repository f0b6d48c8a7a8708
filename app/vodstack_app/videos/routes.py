from typing import Annotated, Any

from litestar import Request, Response, get, post
from litestar.datastructures import ResponseHeader
from litestar.di import NamedDependency
from litestar.params import PathParameter

from vodstack_app import errors
from vodstack_app.documentation import problems
from vodstack_app.identity import Identity
from vodstack_app.playback.published import MP4_URL_SECONDS
from vodstack_app.services import Services
from vodstack_app.videos.body import read_body, read_boundary
from vodstack_app.videos.documentation import UploadOperation
from vodstack_app.videos.form import FORM_OVERHEAD_BYTES, UploadForm
from vodstack_app.videos.ids import read_video_id
from vodstack_app.videos.views import UploadedView, VideoView, view_video
from vodstack_contracts.videos import Status

VideoId = Annotated[str, PathParameter(description="The video's UUID.", schema_extra={"format": "uuid"})]
LOCATION = ResponseHeader(name="Location", description="The video's own URL.", documentation_only=True)


@post(
    "/videos",
    operation_class=UploadOperation,
    operation_id="uploadVideo",
    summary="Upload a video",
    tags=["videos"],
    response_headers=[LOCATION],
    responses=problems(
        errors.UploadError,
        errors.MissingFileError,
        errors.EmptyFileError,
        errors.TooManyFilesError,
        errors.TooManyFieldsError,
        errors.InvalidFieldError,
        errors.SlowClientError,
        errors.ConflictError,
        errors.TooLargeError,
        errors.UnsupportedTypeError,
        errors.UnavailableError,
    ),
)
async def upload_video(
    request: Request[Any, Any, Any], services: NamedDependency[Services], identity: NamedDependency[Identity]
) -> Response[UploadedView]:
    """Answers 201 once the whole file is stored; processing follows by itself."""
    boundary = read_boundary(request.headers.get("content-type", ""))
    limit = services.settings.max_upload_bytes
    if (request.content_length or 0) > limit + FORM_OVERHEAD_BYTES:
        raise errors.TooLargeError(f"A file may have {limit} bytes.", field="file")
    form = UploadForm(boundary, max_file_bytes=limit)
    body = read_body(request, services.settings.body_timeout_seconds)
    video_id = await services.intake.receive(body, form, identity.owner)
    return Response(UploadedView(video_id), headers={"Location": f"{_base_url(request)}/videos/{video_id}"})


@get(
    "/videos/{video_id:str}",
    operation_id="getVideo",
    summary="Look at a video",
    tags=["videos"],
    responses=problems(errors.InvalidIdError, errors.NotFoundError, errors.UnavailableError),
)
async def get_video(
    request: Request[Any, Any, Any],
    video_id: VideoId,
    services: NamedDependency[Services],
    identity: NamedDependency[Identity],
) -> VideoView:
    """The video's state, and its URLs once it is ready."""
    record = await services.records.find(read_video_id(video_id), identity)
    mp4_url = None
    if record.status is Status.READY and record.playback:
        mp4_url = await services.published.sign(record.playback.mp4_key, MP4_URL_SECONDS)
    return view_video(record, base_url=_base_url(request), mp4_url=mp4_url)


def _base_url(request: Request[Any, Any, Any]) -> str:
    return str(request.base_url).rstrip("/")
