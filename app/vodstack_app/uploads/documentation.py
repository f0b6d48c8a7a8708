"""The body that starts a direct upload, for /openapi.json: with limits that a struct's fields cannot say."""

from dataclasses import dataclass

from litestar.openapi.spec import Example, OpenAPIMediaType, OpenAPIType, Operation, RequestBody, Schema

from vodstack_app.uploads.views import FILE_NAME_LIMIT, VIDEO_TYPE
from vodstack_app.videos.documentation import METADATA_SIZE
from vodstack_app.videos.fields import DESCRIPTION_LIMIT, METADATA_ENTRIES_LIMIT, TAG_LIMIT, TAGS_LIMIT, TITLE_LIMIT

_TEXT = OpenAPIType.STRING


def _start_body() -> RequestBody:
    schema = Schema(
        type=OpenAPIType.OBJECT,
        required=["fileName", "sizeBytes", "contentType"],
        additional_properties=False,
        properties={
            "fileName": Schema(type=_TEXT, min_length=1, max_length=FILE_NAME_LIMIT, description="Its name, for you."),
            "sizeBytes": Schema(
                type=OpenAPIType.INTEGER,
                minimum=1,
                description="Its exact size in bytes.",
            ),
            "contentType": Schema(type=_TEXT, pattern=f"^{VIDEO_TYPE}$", description="Its media type."),
            "title": Schema(
                type=_TEXT, max_length=TITLE_LIMIT, description="What the video is called; its file name, unless given."
            ),
            "description": Schema(type=_TEXT, max_length=DESCRIPTION_LIMIT, description="What it is about."),
            "tags": Schema(
                type=OpenAPIType.ARRAY,
                max_items=TAGS_LIMIT,
                items=Schema(type=_TEXT, pattern=f"^[^,]{{0,{TAG_LIMIT}}}$"),
                description="Words to find it by.",
            ),
            "metadata": Schema(
                type=OpenAPIType.OBJECT,
                additional_properties=Schema(type=_TEXT),
                property_names=Schema(type=_TEXT, min_length=1),
                max_properties=METADATA_ENTRIES_LIMIT,
                description=f"Strings, kept for you as they are. {METADATA_SIZE}",
            ),
        },
    )
    example = Example(
        summary="A film of 4 GB",
        value={"fileName": "film.mov", "sizeBytes": 4_000_000_000, "contentType": "video/quicktime", "title": "Film"},
    )
    return RequestBody(
        required=True, content={"application/json": OpenAPIMediaType(schema=schema, examples={"film": example})}
    )


@dataclass
class StartOperation(Operation):
    """The start of a direct upload, with its body."""

    def __post_init__(self) -> None:
        self.request_body = _start_body()
