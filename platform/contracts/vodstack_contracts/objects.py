"""Where things lie in the bucket.

originals/{video_id}/source           the client's file, byte for byte; its arrival is the job
renditions/{video_id}/hls/...         playlists, init segments and media segments, and a DASH manifest of the same
renditions/{video_id}/hls/captions/   each track of text as WebVTT, and its playlist
renditions/{video_id}/video.mp4       the progressive MP4
renditions/{video_id}/poster.jpg
renditions/{video_id}/thumbnails/     sheets of small pictures, and the WebVTT file over them
"""

import re

from vodstack_contracts.errors import UnknownKeyError
from vodstack_contracts.videos import is_video_id

ORIGINALS_PREFIX = "originals/"
RENDITIONS_PREFIX = "renditions/"
MULTIVARIANT_PLAYLIST = "hls/master.m3u8"
DASH_MANIFEST = "hls/manifest.mpd"
CAPTIONS = "hls/captions"
MP4 = "video.mp4"
POSTER = "poster.jpg"
THUMBNAILS = "thumbnails/index.vtt"

_RENDITION_PATH = re.compile(r"[A-Za-z0-9_-]+(?:[./][A-Za-z0-9_-]+)*")


def original_key(video_id: str) -> str:
    return f"{ORIGINALS_PREFIX}{video_id}/source"


def rendition_prefix(video_id: str) -> str:
    return f"{RENDITIONS_PREFIX}{video_id}/"


def rendition_key(video_id: str, path: str) -> str:
    """The key of one published file. `path` may come from a URL: anything that could climb out is refused.

    Raises UnknownKeyError.
    """
    if not _RENDITION_PATH.fullmatch(path):
        raise UnknownKeyError(f"no rendition has the path {path!r}")
    return rendition_prefix(video_id) + path


def video_of_original(key: str) -> str:
    """The video whose original lies at `key`. Raises UnknownKeyError."""
    prefix, _, rest = key.partition("/")
    video_id, _, name = rest.partition("/")
    if f"{prefix}/" != ORIGINALS_PREFIX or name != "source" or not is_video_id(video_id):
        raise UnknownKeyError(f"{key!r} is not the key of an original ({ORIGINALS_PREFIX}{{video_id}}/source)")
    return video_id
