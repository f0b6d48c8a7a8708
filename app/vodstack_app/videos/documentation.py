"""The bodies that handlers read for themselves, for /openapi.json: they have no signature to read them from."""

from dataclasses import dataclass

from litestar.openapi.spec import Example, OpenAPIFormat, OpenAPIMediaType, OpenAPIType, Operation, RequestBody, Schema

from vodstack_app.documentation import Verbatim
from vodstack_app.videos.body import MULTIPART
from vodstack_app.videos.edits import MEDIA_TYPES
from vodstack_app.videos.fields import (
    DESCRIPTION_LIMIT,
    METADATA_ENTRIES_LIMIT,
    METADATA_LIMIT_BYTES,
    TAG_LIMIT,
    TAGS_LIMIT,
    TITLE_LIMIT,
)
from vodstack_app.videos.form import FILE_FIELD

METADATA_SIZE = f"It may have {METADATA_LIMIT_BYTES // 1024} KiB as JSON."


def _text(description: str, limit: int) -> Schema:
    return Schema(type=OpenAPIType.STRING, max_length=limit, description=description)


def _upload_body() -> RequestBody:
    tag = f"[^,]{{0,{TAG_LIMIT}}}"
    schema = Schema(
        type=OpenAPIType.OBJECT,
        required=[FILE_FIELD],
        # A name stands in a part's header, where clients write line breaks otherwise, but leave a NUL.
        property_names=Schema(pattern=r"^[^\x00]*$"),
        properties={
            FILE_FIELD: Schema(
                type=OpenAPIType.STRING,
                format=OpenAPIFormat.BINARY,
                min_length=1,
                description="The video, as a part with a filename or a Content-Type; in bytes.",
            ),
            "title": _text("What the video is called; its file name, unless given.", TITLE_LIMIT),
            "description": _text("What it is about.", DESCRIPTION_LIMIT),
            "tags": Schema(
                type=OpenAPIType.STRING,
                pattern=f"^{tag}(,{tag}){{0,{TAGS_LIMIT - 1}}}$",
                description=f"Up to {TAGS_LIMIT} words to find it by, separated by commas; it may also be repeated.",
            ),
            "metadata": Schema(
                type=OpenAPIType.OBJECT,
                property_names=Schema(min_length=1),
                additional_properties=Schema(type=OpenAPIType.STRING),
                max_properties=METADATA_ENTRIES_LIMIT,
                description=f"A JSON object whose values are strings, kept for you as it is. {METADATA_SIZE}",
            ),
        },
    )
    example = Example(
        summary="A clip with all fields; in a real request the file is binary",
        value={
            FILE_FIELD: "(the file's bytes)",
            "title": "Harbour at dawn",
            "description": "Recorded from the pier.",
            "tags": "harbour,dawn",
            "metadata": {"camera": "north"},
        },
    )
    media_type = OpenAPIMediaType(schema=schema, examples={"clip": example})
    return RequestBody(
        required=True,
        content={MULTIPART: media_type},
        description="The fields may stand before or after the file. The body is streamed: send it in one request.",
    )


@dataclass
class UploadOperation(Operation):
    """The upload's operation, with its body."""

    def __post_init__(self) -> None:
        self.request_body = _upload_body()


def _patch_body() -> RequestBody:
    schema = Schema(
        type=OpenAPIType.OBJECT,
        additional_properties=False,
        properties={
            "title": _text_or_null("What the video is called; null: by its file name.", TITLE_LIMIT),
            "description": _text_or_null("What it is about; null: nothing.", DESCRIPTION_LIMIT),
            "tags": Schema(
                type=[OpenAPIType.ARRAY, OpenAPIType.NULL],
                items=Schema(type=OpenAPIType.STRING, max_length=TAG_LIMIT, pattern="^[^,]*$"),
                max_items=TAGS_LIMIT,
                description="Replaces all tags; null: by none.",
            ),
            "metadata": Schema(
                type=[OpenAPIType.OBJECT, OpenAPIType.NULL],
                property_names=Schema(min_length=1),
                additional_properties=Schema(type=[OpenAPIType.STRING, OpenAPIType.NULL]),
                max_properties=METADATA_ENTRIES_LIMIT,
                description=f"Entries to set, and with null to remove; others stay. {METADATA_SIZE} null: removes all.",
            ),
        },
    )
    example = Example(
        summary="A new title, no description, one entry less",
        value=Verbatim({"title": "Harbour at dusk", "description": None, "metadata": {"camera": None}}),
    )
    media_type = OpenAPIMediaType(schema=schema, examples={"change": example})
    return RequestBody(
        required=True,
        content=dict.fromkeys(MEDIA_TYPES, media_type),
        description="A JSON merge patch (RFC 7396): what is not named stays, null empties.",
    )


def _text_or_null(description: str, limit: int) -> Schema:
    return Schema(type=[OpenAPIType.STRING, OpenAPIType.NULL], max_length=limit, description=description)


@dataclass
class PatchOperation(Operation):
    """The operation that changes a video, with its body."""

    def __post_init__(self) -> None:
        self.request_body = _patch_body()
