"""The description as it is served: Litestar's, with the limits that it cannot be told of."""

from collections.abc import Mapping
from typing import Any

from litestar import Litestar

from vodstack_app.settings import Settings
from vodstack_app.uploads.plan import MOST_PARTS
from vodstack_app.videos.body import MULTIPART
from vodstack_app.videos.fields import METADATA_ENTRIES_LIMIT, TAG_LIMIT
from vodstack_app.videos.form import FILE_FIELD
from vodstack_app.videos.listing import CURSOR_PATTERN

_STATE_KEY = "described"
# Litestar reads a field's own limits, and none of what the field is made of.
_WORDS: Mapping[str, Mapping[str, Any]] = {
    "tags": {"items": {"type": "string", "maxLength": TAG_LIMIT}},
    "metadata": {"maxProperties": METADATA_ENTRIES_LIMIT},
}
_ANSWERS: Mapping[str, Mapping[str, Mapping[str, Any]]] = {
    "VideoView": _WORDS,
    "SummaryView": _WORDS,
    "PageView": {"nextCursor": {"pattern": CURSOR_PATTERN}},
    "UploadView": {"arrived": {"items": {"type": "integer", "minimum": 1, "maximum": MOST_PARTS}}},
}


def describe_app(app: Litestar, settings: Settings) -> dict[str, Any]:
    """What /openapi.json says. The largest file is the one that this service takes."""
    # Made once, for it takes longer than any answer should keep the others waiting.
    if _STATE_KEY not in app.state:
        app.state[_STATE_KEY] = _describe(app, settings)
    return app.state[_STATE_KEY]


def _describe(app: Litestar, settings: Settings) -> dict[str, Any]:
    described = app.openapi_schema.to_schema()
    for name, fields in _ANSWERS.items():
        for field, limits in fields.items():
            described["components"]["schemas"][name]["properties"][field].update(limits)
    _sent_fields(described, "/videos", MULTIPART)[FILE_FIELD]["maxLength"] = settings.max_upload_bytes
    _sent_fields(described, "/uploads", "application/json")["sizeBytes"]["maximum"] = settings.max_upload_bytes
    return described


def _sent_fields(described: Mapping[str, Any], path: str, media_type: str) -> dict[str, Any]:
    return described["paths"][path]["post"]["requestBody"]["content"][media_type]["schema"]["properties"]
