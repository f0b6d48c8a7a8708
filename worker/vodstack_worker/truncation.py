"""Whether a file ends before the video in it does, as its container tells; and what of it can still be shown."""

from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

from vodstack_contracts.videos import FailureCode, VideoWarning, WarningCode
from vodstack_worker.boxes import FileBytes, Part, Window, boxes, elements
from vodstack_worker.errors import GiveUpError

# A recording in fragments has thousands of boxes, a hostile file millions.
_MOST_BOXES = 20_000
# Each is a request. Of a recording with more, the end is looked at.
_MOST_REMOTE_BOXES = 50
_TAIL_BYTES = 1024 * 1024
_MOST_TAILS = 16
_FRAGMENT_HEAD = b"moof\x00\x00\x00\x10mfhd"
_INDEX_BYTES = 1024 * 1024
# Nothing is lost with these.
_SPARE_BOXES = frozenset({b"free", b"skip", b"wide", b"mfra"})
_SEGMENT = b"\x18\x53\x80\x67"
_ASF_FILE_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")
_ASF_SIZE_AT = 40
_ASF_FLAGS_AT = 88
_ASF_HEAD_BYTES = 64 * 1024
_MOST_RIFFS = 1000
_UNKNOWN_LENGTH = 0xFFFFFFFF
_HEAD_BYTES = 8
_LEAST_MISSING_SECONDS = 1.0
# Those that declare how long they are without having been read; elsewhere libavformat looks at the end itself.
_DECLARING = frozenset({"matroska", "flv", "avi", "asf"})
_ADVICE = "Upload the whole file, if there is one."


class Cut(NamedTuple):
    """Where a file was cut off, in a sentence. Beyond `readable_bytes` lies what media tools stumble over."""

    sentence: str
    readable_bytes: int


def find_cut(file: FileBytes, demuxer: str, *, remote: bool) -> Cut | None:
    """Where the file was cut off; None where it is whole, or does not tell.

    Raises GiveUpError for an MP4 of which nothing can be shown.
    """
    if demuxer == "mov":
        return _cut_of_mp4(file, _MOST_REMOTE_BOXES if remote else _MOST_BOXES)
    declared = 0
    if demuxer == "matroska":
        declared = next((part.end for part in elements(file, 0, file.size) if _is_sized_segment(part)), 0)
    elif demuxer == "avi":
        declared = max((end for end in _riff_ends(file)), default=0)
    elif demuxer == "asf":
        declared = _asf_size(file.read(0, _ASF_HEAD_BYTES))
    if declared <= file.size:
        return None
    return Cut(f"The file ends before the video does: it has {file.size:,} of {declared:,} bytes.", file.size)


def is_whole(file: FileBytes, demuxer: str) -> bool:
    """Whether the container says how many bytes it has, and all of them are there, whatever length it declares."""
    parts = elements(file, 0, file.size) if demuxer == "matroska" else iter(())
    return any(_is_sized_segment(part) and part.end <= file.size for part in parts)


def warn_of_cut(cut: Cut, seconds: float) -> VideoWarning:
    message = f"{cut.sentence} The video was made of what is there, {seconds:.1f} seconds. {_ADVICE}"
    return VideoWarning(code=WarningCode.SOURCE_TRUNCATED, message=message)


def warn_of_missing(demuxer: str, declared: float, found: float) -> list[VideoWarning]:
    """A warning where a container declares more seconds than all of its tracks have."""
    if demuxer not in _DECLARING or declared - found < _LEAST_MISSING_SECONDS:
        return []
    message = f"The file ends before the video does: {found:.1f} of {declared:.1f} seconds are there. {_ADVICE}"
    return [VideoWarning(code=WarningCode.SOURCE_TRUNCATED, message=message)]


def _cut_of_mp4(file: FileBytes, limit: int) -> Cut | None:
    """An MP4 says how long each of its parts is. Without its whole index, nothing in it can be found."""
    found = list(islice(boxes(file, 0, file.size), limit))
    moov = next((part for part in found if part.kind == b"moov" and part.end <= file.size), None)
    last = found[-1:]
    if len(found) == limit:
        last = list(_last_boxes(file))[-1:] or last
    is_cut = _is_cut(file, last) or any(_sidx_end(file, part) > file.size for part in found if part.kind == b"sidx")
    if moov and not is_cut:
        return None
    if moov is None or not _is_fragmented(file, moov) or not _has_whole_fragment(found, file.size):
        raise GiveUpError(
            FailureCode.CORRUPT, "The file ends before the video does. Upload it again, whole, from the original."
        )
    # Of media data what is there can be read; half a table of it cannot.
    is_half = bool(last) and last[0].end > file.size and last[0].kind != b"mdat"
    return Cut(f"The file ends within a fragment, after {file.size:,} bytes.", last[0].start if is_half else file.size)


def _is_cut(file: FileBytes, last: list[Part]) -> bool:
    """Whether the last box is cut, or the one that has to follow it, be it within its head."""
    if not last or last[0].end > file.size:
        return not last or last[0].kind not in _SPARE_BOXES
    rest = file.size - last[0].end
    return last[0].kind == b"moof" or (0 < rest < _HEAD_BYTES and any(file.read(last[0].end, rest)))


def _is_fragmented(file: FileBytes, moov: Part) -> bool:
    return any(part.kind == b"mvex" for part in boxes(Window(file), moov.content, moov.end))


def _has_whole_fragment(found: list[Part], size: int) -> bool:
    first = next((number for number, part in enumerate(found) if part.kind == b"moof"), len(found))
    return any(part.kind == b"mdat" and part.end <= size for part in found[first:])


def _last_boxes(file: FileBytes) -> Iterator[Part]:
    """Boxes from the last fragment's on, where one begins near the end."""
    for number in range(1, _MOST_TAILS + 1):
        start = max(0, file.size - number * _TAIL_BYTES)
        # A head that lies across two pieces is in neither, without a little of the next.
        at = file.read(start, _TAIL_BYTES + len(_FRAGMENT_HEAD)).rfind(_FRAGMENT_HEAD)
        if at >= 4:  # noqa: PLR2004 - the length in front of the name
            yield from boxes(file, start + at - 4, file.size)
            return


def _sidx_end(file: FileBytes, part: Part) -> int:
    """Where the last of the segments ends that an index of them names; 0 where it cannot be told."""
    if part.end > file.size:
        return 0
    data = file.read(part.content, min(part.end - part.content, _INDEX_BYTES))
    wide = data[:1] == b"\x01"
    at = 20 if wide else 12
    offset = int.from_bytes(data[at : at + (8 if wide else 4)])
    at += 8 if wide else 4
    count = int.from_bytes(data[at + 2 : at + 4])
    sizes = (int.from_bytes(data[at + 4 + 12 * number :][:4]) & 0x7FFFFFFF for number in range(count))
    return part.end + offset + sum(sizes)


def _is_sized_segment(part: Part) -> bool:
    return part.kind == _SEGMENT and not part.open_ended


def _riff_ends(file: FileBytes) -> Iterator[int]:
    """A long AVI is several lists, one after the other. One that was never completed says nothing of its length."""
    start = 0
    for _ in range(_MOST_RIFFS):
        head = file.read(start, 12)
        length = int.from_bytes(head[4:8], "little")
        if head[:4] != b"RIFF" or head[8:] not in {b"AVI ", b"AVIX"} or not 0 < length < _UNKNOWN_LENGTH:
            return
        start += 8 + length + length % 2
        yield start


def _asf_size(head: bytes) -> int:
    """What the header says, unless it is of a broadcast."""
    at = head.find(_ASF_FILE_PROPERTIES)
    if at < 0 or head[at + _ASF_FLAGS_AT : at + _ASF_FLAGS_AT + 1] != b"\x02":
        return 0
    return int.from_bytes(head[at + _ASF_SIZE_AT : at + _ASF_SIZE_AT + 8], "little")
