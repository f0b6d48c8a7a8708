"""Parts of an MP4 or a Matroska file: where they begin and end, read without their content."""

from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple, Protocol

_BLOCK_BYTES = 64 * 1024
_BOX_HEAD_BYTES = 8
_LARGE_BOX_HEAD_BYTES = 16
_ELEMENT_HEAD_BYTES = 12
_LONGEST_ID_BYTES = 4
_LONGEST_SIZE_BYTES = 8
# What is not looked through is not judged: a hostile file has millions of parts.
MOST_PARTS = 200


class FileBytes(Protocol):
    """A file's bytes, wherever it lies."""

    @property
    def size(self) -> int: ...

    def read(self, start: int, length: int) -> bytes: ...


class Window:
    """A file's bytes by the block: looking at heads that lie close together takes one request."""

    def __init__(self, file: FileBytes) -> None:
        self._file = file
        self._start = 0
        self._block = b""
        self.size = file.size

    def read(self, start: int, length: int) -> bytes:
        if not self._start <= start <= start + length <= self._start + len(self._block):
            self._start, self._block = start, self._file.read(start, max(length, _BLOCK_BYTES))
        return self._block[start - self._start :][:length]


class Part(NamedTuple):
    """A box or an element. `end` is what its head says, or the end of what holds it where the head says nothing."""

    kind: bytes
    start: int
    content: int
    end: int
    open_ended: bool = False


def boxes(file: FileBytes, start: int, end: int) -> Iterator[Part]:
    """Boxes of an MP4 between two places; the last one's end may lie beyond. What is no box ends them."""
    while start + _BOX_HEAD_BYTES <= end:
        head = file.read(start, _LARGE_BOX_HEAD_BYTES)
        length, kind, content = int.from_bytes(head[:4]), head[4:8], start + _BOX_HEAD_BYTES
        open_ended = length == 0
        if length == 1:
            length, content = int.from_bytes(head[8:16]), start + _LARGE_BOX_HEAD_BYTES
        elif open_ended:
            length = end - start
        if length < content - start or not kind.isalnum():
            return
        yield Part(kind, start, content, start + length, open_ended)
        start += length


def elements(file: FileBytes, start: int, end: int) -> Iterator[Part]:
    """Elements of a Matroska file between two places (RFC 8794); the last one's end may lie beyond."""
    while start < end:
        head = file.read(start, _ELEMENT_HEAD_BYTES)
        named = _LONGEST_SIZE_BYTES + 1 - head[0].bit_length() if head else _LONGEST_SIZE_BYTES
        if named > _LONGEST_ID_BYTES or len(head) <= named:
            return
        sized = _LONGEST_SIZE_BYTES + 1 - head[named].bit_length()
        if sized > _LONGEST_SIZE_BYTES or len(head) < named + sized:
            return
        most = (1 << 7 * sized) - 1
        length = int.from_bytes(head[named : named + sized]) & most
        content = start + named + sized
        open_ended = length == most
        stop = end if open_ended else content + length
        yield Part(head[:named], start, content, stop, open_ended)
        start = stop


def boxes_in(file: Window, part: Part | None, head: int = 0) -> Iterator[Part]:
    """The first boxes of a box, behind a `head` of so many bytes; none where there is no such box."""
    if part is not None:
        yield from islice(boxes(file, part.content + head, min(part.end, file.size)), MOST_PARTS)


def child_box(file: Window, part: Part | None, kind: bytes) -> Part | None:
    return next((child for child in boxes_in(file, part) if child.kind == kind), None)


def elements_in(file: Window, part: Part | None) -> Iterator[Part]:
    """The first elements of an element; none where there is no such element."""
    if part is not None:
        yield from islice(elements(file, part.content, min(part.end, file.size)), MOST_PARTS)
