"""The text that a client says of a video, and its limits."""

from collections.abc import Mapping, Sequence

import msgspec
from msgspec import Struct

from vodstack_app.errors import InvalidFieldError

TITLE_LIMIT = 500
DESCRIPTION_LIMIT = 5_000
TAGS_LIMIT = 50
TAG_LIMIT = 100
METADATA_ENTRIES_LIMIT = 50
METADATA_LIMIT_BYTES = 16 * 1024

BYTES_A_CHARACTER = 4
# A field's bytes are counted as they come in, before they are text.
FIELD_LIMIT_BYTES = {
    "title": TITLE_LIMIT * BYTES_A_CHARACTER,
    "description": DESCRIPTION_LIMIT * BYTES_A_CHARACTER,
    "tags": TAGS_LIMIT * (TAG_LIMIT + 2) * BYTES_A_CHARACTER,
    "metadata": METADATA_LIMIT_BYTES,
}
# Browsers and tools add fields of their own; they are passed over.
UNKNOWN_FIELD_LIMIT_BYTES = 8 * 1024


class VideoFields(Struct, frozen=True, kw_only=True):
    """What the client says of the video."""

    title: str
    description: str
    tags: list[str]
    metadata: dict[str, str]


def read_fields(parts: Sequence[tuple[str, bytes]]) -> VideoFields:
    """The fields of a form's text parts, given as name and bytes. Raises InvalidFieldError."""
    return VideoFields(
        title=_single(parts, "title", TITLE_LIMIT),
        description=_single(parts, "description", DESCRIPTION_LIMIT),
        tags=_tags(parts),
        metadata=_metadata(parts),
    )


def _texts(parts: Sequence[tuple[str, bytes]], name: str) -> list[str]:
    try:
        return [value.decode() for part, value in parts if part == name]
    except UnicodeDecodeError as error:
        raise InvalidFieldError("The field is not UTF-8 text.", field=name) from error


def _single(parts: Sequence[tuple[str, bytes]], name: str, limit: int) -> str:
    texts = _texts(parts, name)
    if len(texts) > 1:
        raise InvalidFieldError("Send the field once.", field=name)
    return require_text(name, texts[0] if texts else "", limit)


def _tags(parts: Sequence[tuple[str, bytes]]) -> list[str]:
    return require_tags([word for text in _texts(parts, "tags") for word in text.split(",")])


def require_text(name: str, text: str, limit: int) -> str:
    """The field's text. Raises InvalidFieldError for one that is too long."""
    if len(text) > limit:
        raise InvalidFieldError(f"The field has {len(text)} characters; {limit} are allowed.", field=name)
    return text


def require_tags(words: Sequence[str]) -> list[str]:
    """Each tag once, without the spaces around it. Raises InvalidFieldError for too many or too long ones."""
    if len(words) > TAGS_LIMIT:
        raise InvalidFieldError(f"There are {len(words)} tags; {TAGS_LIMIT} are allowed.", field="tags")
    if any(len(word) > TAG_LIMIT for word in words):
        raise InvalidFieldError(f"A tag may have {TAG_LIMIT} characters.", field="tags")
    bare = (word.strip() for word in words)
    return list(dict.fromkeys(word for word in bare if word))


def require_no_comma(words: Sequence[str]) -> None:
    """Raises InvalidFieldError for a tag that a form would take for two."""
    if any("," in word for word in words):
        raise InvalidFieldError("A tag has no comma in it.", field="tags")


def _metadata(parts: Sequence[tuple[str, bytes]]) -> dict[str, str]:
    text = _single(parts, "metadata", METADATA_LIMIT_BYTES)
    if not text:
        return {}
    try:
        metadata = msgspec.json.decode(text, type=dict[str, str])
    except (msgspec.DecodeError, RecursionError) as error:
        raise InvalidFieldError("Send a JSON object whose values are strings.", field="metadata") from error
    require_metadata(metadata)
    return metadata


def require_metadata(metadata: Mapping[str, str]) -> None:
    """Raises InvalidFieldError for what the record could not hold."""
    if len(metadata) > METADATA_ENTRIES_LIMIT:
        raise InvalidFieldError(f"The object may have {METADATA_ENTRIES_LIMIT} entries.", field="metadata")
    if len(msgspec.json.encode(metadata)) > METADATA_LIMIT_BYTES:
        raise InvalidFieldError(f"The object may have {METADATA_LIMIT_BYTES} bytes as JSON.", field="metadata")
    if "" in metadata:
        raise InvalidFieldError("An entry needs a name.", field="metadata")
