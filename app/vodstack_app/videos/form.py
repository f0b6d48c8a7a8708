"""An upload's multipart body as it comes in: its text fields are kept, its file's bytes are passed on.

It does no input or output of its own, so that a test can cut a body anywhere.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

from multipart import MultipartError, MultipartSegment, ParserLimitReached, PushMultipartParser

from vodstack_app.errors import (
    EmptyFileError,
    InvalidFieldError,
    MissingFileError,
    TooLargeError,
    TooManyFieldsError,
    TooManyFilesError,
    UnsupportedEncodingError,
    UploadError,
)
from vodstack_app.videos.fields import FIELD_LIMIT_BYTES, UNKNOWN_FIELD_LIMIT_BYTES, VideoFields, read_fields

FILE_FIELD = "file"
MAX_PARTS = 80
MAX_HEADER_LINE_BYTES = 8 * 1024
# What a body may hold beside the file: fields at their limits, and the parts' headers.
FORM_OVERHEAD_BYTES = 2 * 1024 * 1024
FILE_NAME_LIMIT_BYTES = 255
CONTENT_TYPE_LIMIT_BYTES = 128
_SHOWN_NAME_LIMIT = 100
# What a part's headers may say of its bytes without having them changed.
_PLAIN_CODINGS = {
    "content-transfer-encoding": frozenset({"", "binary", "8bit", "7bit"}),
    "content-encoding": frozenset({"", "identity"}),
}


class Digest(Protocol):
    """As hashlib makes it."""

    def update(self, data: bytes, /) -> None: ...

    def hexdigest(self) -> str: ...


@dataclass
class UploadForm:
    """Fed with chunks of a body; yields the file's bytes, which go through `digest` as well if there is one."""

    boundary: str
    max_file_bytes: int
    file_name: str = ""
    content_type: str = ""
    file_bytes: int = 0
    digest: Digest | None = None
    _parts: list[tuple[str, bytes]] = field(default_factory=list[tuple[str, bytes]])
    _text: bytearray | None = None
    _segment: MultipartSegment | None = None
    _has_file: bool = False

    def __post_init__(self) -> None:
        try:
            # Strict mode refuses what follows the closing boundary, but only when it comes in a chunk of its own.
            self._parser = PushMultipartParser(
                self.boundary, max_segment_count=MAX_PARTS, max_header_size=MAX_HEADER_LINE_BYTES
            )
        except MultipartError as error:
            raise UploadError(f"The Content-Type's boundary is not usable: {error}.") from error

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """The file's bytes in the next chunk of the body. Raises UploadError."""
        try:
            for event in self._parser.parse(chunk):
                if isinstance(event, MultipartSegment):
                    self._open(event)
                elif event is None:
                    self._close()
                elif data := self._take(event):
                    yield data
        except ParserLimitReached as error:
            raise TooManyFieldsError(
                f"The body goes beyond a limit: {error}. It may have {MAX_PARTS} parts."
            ) from error
        except MultipartError as error:
            raise UploadError(f"The body is not well-formed multipart/form-data: {error}.") from error

    def finish(self) -> VideoFields:
        """The text fields, once the closing boundary is in. Raises UploadError."""
        try:
            self._parser.close()
        except MultipartError as error:
            raise UploadError("The body ends before its closing boundary.") from error
        if not self._has_file:
            raise MissingFileError(f"Send the video as a part named `{FILE_FIELD}`.", field=FILE_FIELD)
        if not self.file_bytes:
            raise EmptyFileError("The file has no bytes. Send a video.", field=FILE_FIELD)
        return read_fields(self._parts)

    def _open(self, segment: MultipartSegment) -> None:
        if any(character in value for _, value in segment.headerlist for character in "\r\n\0"):
            raise UploadError("A part's header has a line break or a NUL in it.")
        _require_plain(segment)
        self._segment = segment
        if segment.name != FILE_FIELD:
            self._refuse_file(segment)
            self._text = bytearray()
            return
        if self._has_file:
            raise TooManyFilesError("Send one video a request.", field=FILE_FIELD)
        if segment.filename is None and segment.content_type is None:
            # RFC 7578: a part without either is text, such as the name that curl sends without an `@`.
            raise MissingFileError(
                f"`{FILE_FIELD}` came as text. curl needs an `@` before the file's path, as in "
                f"`-F {FILE_FIELD}=@clip.mp4`; other clients give the part a filename or a Content-Type.",
                field=FILE_FIELD,
            )
        self._has_file = True
        self.file_name = sanitise_file_name(segment.filename or "")
        self.content_type = _printable(segment.content_type or "", CONTENT_TYPE_LIMIT_BYTES)

    def _refuse_file(self, segment: MultipartSegment) -> None:
        """Raises UploadError for a file by a name that is not `file`, before a byte of it is read."""
        name = (segment.name or "")[:_SHOWN_NAME_LIMIT]
        if name in FIELD_LIMIT_BYTES or not _is_file(segment):
            return
        if self._has_file:
            raise TooManyFilesError(
                f"Send one file a request, in the part `{FILE_FIELD}`, and leave out `{name}`.", field=name
            )
        raise MissingFileError(
            f"The file came in a part named `{name}`. Name the part `{FILE_FIELD}`, as in "
            f"`-F {FILE_FIELD}=@clip.mp4`, and send no other file.",
            field=name,
        )

    def _take(self, data: bytes) -> bytes:
        if self._text is None:
            self.file_bytes += len(data)
            if self.file_bytes > self.max_file_bytes:
                raise TooLargeError(f"The file is larger than {self.max_file_bytes} bytes.", field=FILE_FIELD)
            if self.digest:
                self.digest.update(data)
            return data
        name = self._segment.name or "" if self._segment else ""
        limit = FIELD_LIMIT_BYTES.get(name, UNKNOWN_FIELD_LIMIT_BYTES)
        if len(self._text) + len(data) > limit:
            raise InvalidFieldError(_too_long(name, limit), field=name[:_SHOWN_NAME_LIMIT])
        self._text += data
        return b""

    def _close(self) -> None:
        if self._text is not None and self._segment and self._segment.name in FIELD_LIMIT_BYTES:
            self._parts.append((self._segment.name, bytes(self._text)))
        self._text = None
        self._segment = None


def _require_plain(segment: MultipartSegment) -> None:
    """Raise UnsupportedEncodingError for a part whose bytes are not its content: it would be stored as it came."""
    for name, value in segment.headerlist:
        coding = value.strip().lower()
        if coding not in _PLAIN_CODINGS.get(name.lower(), {coding}):
            part = (segment.name or "")[:_SHOWN_NAME_LIMIT]
            raise UnsupportedEncodingError(
                f"The part `{part}` has the {name} {coding[:_SHOWN_NAME_LIMIT]}. Send its bytes as they are, without "
                "that header (RFC 7578, 4.7).",
                field=part,
            )


def _is_file(segment: MultipartSegment) -> bool:
    if segment.filename is not None:
        # Browsers send an empty one for an input in which no file was chosen.
        return bool(segment.filename)
    media_type = (segment.content_type or "").lower()
    return media_type.startswith("video/") or media_type == "application/octet-stream"


def _too_long(name: str, limit: int) -> str:
    if name in FIELD_LIMIT_BYTES:
        return f"The field is longer than {limit} bytes."
    return (
        f"There is no such field, and it is longer than {limit} bytes. If it is the video, name the part `{FILE_FIELD}`"
        f" and send it as a file, as in `-F {FILE_FIELD}=@clip.mp4`."
    )


def sanitise_file_name(name: str) -> str:
    """The last path part of a client's file name, printable, cut to what a file system would take."""
    last = name.replace("\\", "/").rsplit("/", 1)[-1]
    return _printable(last, FILE_NAME_LIMIT_BYTES)


def _printable(text: str, limit_bytes: int) -> str:
    kept = "".join(character for character in text if character.isprintable()).strip()
    return kept.encode()[:limit_bytes].decode(errors="ignore")
