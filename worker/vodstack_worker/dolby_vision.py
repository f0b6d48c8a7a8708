"""Whether video is Dolby Vision that other decoders show in false colours, as its container tells.

PyAV does not hand out the configuration that libavformat reads, and decoders without Dolby's mapping do not miss it.
"""

from collections.abc import Iterator
from itertools import islice

from vodstack_contracts.videos import FailureCode
from vodstack_worker.boxes import MOST_PARTS, FileBytes, Part, Window, boxes, boxes_in, child_box, elements, elements_in
from vodstack_worker.errors import GiveUpError

_CONFIGURATIONS = frozenset({b"dvcC", b"dvvC", b"dvwC"})
_CONFIGURATION_BYTES = 5
# Profile 5 is IPTPQc2 alone; those of AV1 and MV-HEVC are where they claim no compatibility.
_ALONE = 5
_ALONE_WITHOUT_COMPATIBILITY = frozenset({10, 20})
_WAY_TO_ENTRIES = (b"mdia", b"minf", b"stbl", b"stsd")
_STSD_HEAD_BYTES = 8
_VIDEO_ENTRY_HEAD_BYTES = 78
_SEGMENT = b"\x18\x53\x80\x67"
_CLUSTER = b"\x1f\x43\xb6\x75"
_TRACKS = b"\x16\x54\xae\x6b"
_TRACK = b"\xae"
_TRACK_TYPE = b"\x83"
_VIDEO = 1
_MAPPING = b"\x41\xe4"
_MAPPING_TYPE = b"\x41\xe7"
_MAPPING_DATA = b"\x41\xed"


def require_common_colours(file: FileBytes, demuxer: str) -> None:
    """Raise GiveUpError where every video track of an MP4 or a Matroska file is Dolby Vision alone."""
    tracks: list[bool] = []
    if demuxer == "mov":
        tracks = list(_tracks_of_mp4(Window(file)))
    elif demuxer == "matroska":
        tracks = list(_tracks_of_matroska(Window(file)))
    if tracks and all(tracks):
        raise GiveUpError(
            FailureCode.UNSUPPORTED_DOLBY_VISION,
            "The video is Dolby Vision that only Dolby's own decoders show in its colours (profile 5). "
            "Export it as SDR, as HDR10, or as Dolby Vision profile 8, and upload that.",
        )


def _is_alone(configuration: bytes) -> bool:
    """By a DOVIDecoderConfigurationRecord (Dolby Vision Streams within ISO base media, 3.2)."""
    if len(configuration) < _CONFIGURATION_BYTES:
        return False
    profile, compatibility = configuration[2] >> 1, configuration[4] >> 4
    return profile == _ALONE or (profile in _ALONE_WITHOUT_COMPATIBILITY and not compatibility)


def _tracks_of_mp4(file: Window) -> Iterator[bool]:
    moov = next((part for part in islice(boxes(file, 0, file.size), MOST_PARTS) if part.kind == b"moov"), None)
    for track in boxes_in(file, moov):
        media = child_box(file, track, b"mdia") if track.kind == b"trak" else None
        handler = child_box(file, media, b"hdlr")
        if handler is None or file.read(handler.content + 8, 4) != b"vide":
            continue
        part: Part | None = track
        for kind in _WAY_TO_ENTRIES:
            part = child_box(file, part, kind)
        entries = boxes_in(file, part, _STSD_HEAD_BYTES)
        inner = (each for entry in entries for each in boxes_in(file, entry, _VIDEO_ENTRY_HEAD_BYTES))
        records = (each for each in inner if each.kind in _CONFIGURATIONS)
        yield any(_is_alone(file.read(each.content, _CONFIGURATION_BYTES)) for each in records)


def _tracks_of_matroska(file: Window) -> Iterator[bool]:
    segment = next((each for each in elements(file, 0, file.size) if each.kind == _SEGMENT), None)
    for part in elements_in(file, segment):
        if part.kind == _CLUSTER:
            return
        for track in elements_in(file, part if part.kind == _TRACKS else None):
            inner = list(elements_in(file, track)) if track.kind == _TRACK else []
            if any(each.kind == _TRACK_TYPE and file.read(each.content, 1) == bytes([_VIDEO]) for each in inner):
                yield any(_is_mapped_alone(file, each) for each in inner if each.kind == _MAPPING)


def _is_mapped_alone(file: Window, mapping: Part) -> bool:
    """By a track's BlockAdditionMapping."""
    values = {each.kind: file.read(each.content, _CONFIGURATION_BYTES) for each in elements_in(file, mapping)}
    return values.get(_MAPPING_TYPE, b"")[:4] in _CONFIGURATIONS and _is_alone(values.get(_MAPPING_DATA, b""))
