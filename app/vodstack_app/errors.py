"""The API's errors; problem_details.py makes answers of them.

AppError
  BadRequestError, NotFoundError, InvalidIdError, InvalidCursorError, MalformedPatchError, ConflictError
  KeyInUseError, KeyReusedError: another request has the same Idempotency-Key
  UnauthenticatedError, InvalidTokenError, InsufficientScopeError: who asks is not known, or may not
  TooManyRequestsError, TooManyAtOnceError, EncodingUsedUpError, StorageFullError: the owner, or the address, has had
  a fair share
  UploadError: what is wrong with a client's upload
  HeadTooLargeError, RequestTimeoutError: refused before the request is read
  ClientGoneError: nobody is there to answer
  UnavailableError: what the API stands on does not answer
    CompletingError: the bucket is at work on an upload
"""

import math
from typing import ClassVar

from msgspec import Struct

CLIENT_CLOSED_REQUEST = 499
DAY_SECONDS = 86_400
CHALLENGE = 'Bearer realm="vodstack"'


class FieldFault(Struct, frozen=True):
    """What is wrong with one field of a request."""

    field: str
    detail: str


class AppError(Exception):
    """Something went wrong in the API."""

    name: ClassVar[str] = "internal-error"
    status: ClassVar[int] = 500
    title: ClassVar[str] = "The server failed"
    headers: ClassVar[dict[str, str]] = {}

    def __init__(self, detail: str, *, field: str | None = None, faults: list[FieldFault] | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.faults = faults or ([FieldFault(field, detail)] if field is not None else [])

    def answer_headers(self) -> dict[str, str]:
        return self.headers


class BadRequestError(AppError):
    """A request whose parameters are not what they should be."""

    name = "bad-request"
    status = 400
    title = "The request is not valid"


class NotFoundError(AppError):
    """No such video, file or path."""

    name = "not-found"
    status = 404
    title = "There is nothing here"


class InvalidIdError(AppError):
    """An id that is no UUID."""

    name = "invalid-id"
    status = 400
    title = "The id is not a UUID"


class InvalidCursorError(AppError):
    """A cursor that no page has given."""

    name = "invalid-cursor"
    status = 400
    title = "The cursor is not one of this list's"


class MalformedPatchError(AppError):
    """A change that is no JSON merge patch."""

    name = "malformed-patch"
    status = 400
    title = "The body is not a JSON merge patch"


class ConflictError(AppError):
    """The video has moved on."""

    name = "conflict"
    status = 409
    title = "The video is no longer in the state that this needs"


class KeyInUseError(AppError):
    """A request whose Idempotency-Key an earlier one is still at work on."""

    name = "request-in-progress"
    status = 409
    title = "The same request is still being worked on"
    headers: ClassVar[dict[str, str]] = {"Retry-After": "5"}

    def __init__(self) -> None:
        super().__init__("An earlier request with this Idempotency-Key has not ended. Ask again for its answer.")


class KeyReusedError(AppError):
    """A request with the Idempotency-Key of another one."""

    name = "idempotency-key-reused"
    status = 422
    title = "The Idempotency-Key belongs to another request"

    def __init__(self) -> None:
        super().__init__(
            "An earlier request with this key had another file, other fields or another path. Send the same again, or "
            "take a new key. What is said of a video is changed by PATCH /videos/{videoId}."
        )


class UnauthenticatedError(AppError):
    """A request without credentials, where they are needed."""

    name = "unauthenticated"
    status = 401
    title = "This needs an access token"
    headers: ClassVar[dict[str, str]] = {"WWW-Authenticate": CHALLENGE}


class InvalidTokenError(AppError):
    """Credentials that prove nothing."""

    name = "invalid-token"
    status = 401
    title = "The access token is not valid"
    headers: ClassVar[dict[str, str]] = {"WWW-Authenticate": f'{CHALLENGE}, error="invalid_token"'}


class InsufficientScopeError(AppError):
    """A valid token that does not allow this."""

    name = "insufficient-scope"
    status = 403
    title = "The access token does not allow this"

    def __init__(self, scope: str) -> None:
        super().__init__(f"This needs a token with the scope {scope}.")
        self.scope = scope

    def answer_headers(self) -> dict[str, str]:
        return {"WWW-Authenticate": f'{CHALLENGE}, error="insufficient_scope", scope="{self.scope}"'}


class TooManyRequestsError(AppError):
    """An owner who asks more often than the limit allows."""

    name = "too-many-requests"
    status = 429
    title = "There were too many requests"

    def __init__(self, limit: int, window_seconds: int, seconds_left: float) -> None:
        super().__init__(f"{limit} requests are allowed in {window_seconds} seconds. Wait as long as Retry-After says.")
        self.policy = f'"requests";q={limit};w={window_seconds}'
        self.wait_seconds = max(1, math.ceil(seconds_left))

    def answer_headers(self) -> dict[str, str]:
        return {
            "Retry-After": str(self.wait_seconds),
            "RateLimit-Policy": self.policy,
            "RateLimit": f'"requests";r=0;t={self.wait_seconds}',
        }


class EncodingUsedUpError(AppError):
    """An upload of an owner of whose videos as much was encoded today as may be."""

    name = "encoding-used-up"
    status = 429
    title = "As much of your videos was encoded today as may be"

    def __init__(self, limit: int, seconds_left: float) -> None:
        super().__init__(
            f"{limit} minutes may be encoded of your videos in a day, counted by their pixels. Upload again when the "
            "day is over in UTC, which is when Retry-After says."
        )
        self.limit = limit
        self.wait_seconds = max(1, math.ceil(seconds_left))

    def answer_headers(self) -> dict[str, str]:
        return {
            "Retry-After": str(self.wait_seconds),
            "RateLimit-Policy": f'"encoded-minutes";q={self.limit};w={DAY_SECONDS}',
            "RateLimit": f'"encoded-minutes";r=0;t={self.wait_seconds}',
        }


class StorageFullError(AppError):
    """A video for which its owner's share of the storage has no room."""

    name = "storage-full"
    status = 403
    title = "Your videos take as much storage as they may"
    # What was deleted a moment ago is certain to be counted by then.
    headers: ClassVar[dict[str, str]] = {"Retry-After": "60"}

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(f"Your originals may take {limit_bytes} bytes in all. Delete some, and send this one again.")


class TooManyAtOnceError(AppError):
    """A client of whom as much is under way as one may have: uploads, streams, connections."""

    name = "too-many-at-once"
    status = 429
    title = "As much of yours is under way as may be"
    headers: ClassVar[dict[str, str]] = {"Retry-After": "10"}


class UnavailableError(AppError):
    """What the API stands on does not answer, or it has its hands full."""

    name = "unavailable"
    status = 503
    title = "The service cannot do this at the moment"
    headers: ClassVar[dict[str, str]] = {"Retry-After": "5"}


class CompletingError(UnavailableError):
    """A direct upload whose parts are being put together."""

    name = "upload-completing"
    title = "The upload is being completed"

    def __init__(self) -> None:
        super().__init__("The bucket puts the parts together. Ask again in a moment; there is nothing to send anew.")


class UploadError(AppError):
    """Something is wrong with a client's upload."""

    name = "malformed-upload"
    status = 400
    title = "The upload's body is not well-formed"


class MissingFileError(UploadError):
    """A form without a part named `file`."""

    name = "missing-file"
    title = "The upload has no file"


class EmptyFileError(UploadError):
    """A file of no bytes."""

    name = "empty-file"
    title = "The file is empty"


class IncompleteUploadError(UploadError):
    """A direct upload that lacks parts."""

    name = "incomplete-upload"
    status = 409
    title = "Parts of the upload have not arrived"


class TooManyFilesError(UploadError):
    """A form with two files."""

    name = "too-many-files"
    title = "An upload takes one file"


class TooManyFieldsError(UploadError):
    """A form with too many parts, or headers that are too long."""

    name = "too-many-fields"
    title = "The upload has too many fields"


class InvalidFieldError(UploadError):
    """A text field that is too long or not what it should be."""

    name = "invalid-field"
    title = "A field is not acceptable"


class UnsupportedTypeError(UploadError):
    """A body that is no multipart form."""

    name = "unsupported-media-type"
    status = 415
    title = "The body's media type is not supported"


class UnsupportedEncodingError(UploadError):
    """A body, or a part of one, that is compressed or written as text."""

    name = "unsupported-encoding"
    status = 415
    title = "The body's encoding is not supported"
    headers: ClassVar[dict[str, str]] = {"Accept-Encoding": "identity"}


class TooLargeError(UploadError):
    """A file over the limit."""

    name = "too-large"
    status = 413
    title = "The upload is too large"


class HeadTooLargeError(AppError):
    """A request with too many headers, or too long ones."""

    name = "head-too-large"
    status = 431
    title = "The request's headers are too large"


class RequestTimeoutError(AppError):
    """A request whose head, or whose body that is no upload, does not end in time."""

    name = "request-timeout"
    status = 408
    title = "The request took too long to arrive"


class SlowClientError(UploadError):
    """A client that fell silent within its upload, sent it too slowly, or took too long over it."""

    name = "upload-timeout"
    status = 408
    title = "The upload took too long"


class ClientGoneError(AppError):
    """Nobody is there to answer."""

    name = "client-closed-request"
    status = CLIENT_CLOSED_REQUEST
    title = "The client went away"
