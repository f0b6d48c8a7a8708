"""The media types that an original is stored with: those of video and audio, which no browser runs as a program."""

from typing import TypedDict

UNKNOWN_TYPE = "application/octet-stream"
# By name: a browser takes whatever ends in `+xml` for a document, `video/x+xml` too.
_MEDIA_TYPES = frozenset(
    {
        "audio/aac",
        "audio/mp4",
        "audio/mpeg",
        "audio/ogg",
        "audio/webm",
        "audio/x-matroska",
        "video/3gpp",
        "video/3gpp2",
        "video/avi",
        "video/matroska",
        "video/mp2p",
        "video/mp2t",
        "video/mp4",
        "video/mpeg",
        "video/msvideo",
        "video/ogg",
        "video/quicktime",
        "video/vnd.avi",
        "video/vnd.dlna.mpeg-tts",
        "video/webm",
        "video/x-flv",
        "video/x-m4v",
        "video/x-matroska",
        "video/x-ms-asf",
        "video/x-ms-wmv",
        "video/x-msvideo",
    }
)


class Stored(TypedDict):
    """What S3 is told of an original."""

    ContentType: str
    ContentDisposition: str


def stored_as(given: str) -> Stored:
    """How to store an original of which its client says that it is of this type."""
    media_type = given.partition(";")[0].strip().lower()
    known = media_type if media_type in _MEDIA_TYPES else UNKNOWN_TYPE
    return {"ContentType": known, "ContentDisposition": "attachment"}
