"""An MP4 on its way from the sandboxed process that writes it: pieces with their places, and the parts they make."""

from struct import Struct

from vodstack_worker.errors import RetryError

# A piece's place in the file and its length come before it.
PIECE = Struct(">QI")
LARGEST_PIECE_BYTES = 256 * 1024


class Parts:
    """Parts of one length, in order, but for the first: the writer comes back to its beginning, so it stays to the end.

    The writer may leave out nothing but what it comes back to, and may not write more than `most_bytes`.
    """

    def __init__(self, *, first_bytes: int, part_bytes: int, most_bytes: int) -> None:
        self._first = bytearray(first_bytes)
        self._rest = bytearray()
        self._part_bytes = part_bytes
        self._most_bytes = most_bytes
        self.size = 0

    def add(self, at: int, piece: bytes) -> list[bytes]:
        """Parts that are full now. Raises RetryError."""
        end, head = at + len(piece), len(self._first)
        if end > self._most_bytes:
            raise RetryError(f"the MP4 is longer than the {self._most_bytes:,} bytes that its segments may come to")
        if end > head and max(at, head) != max(self.size, head):
            raise RetryError(f"the MP4 goes on at {at:,} where {self.size:,} bytes are written")
        within = max(0, head - at)
        self._first[at : at + len(piece[:within])] = piece[:within]
        self._rest += piece[within:]
        self.size = max(self.size, end)
        full: list[bytes] = []
        while len(self._rest) >= self._part_bytes:
            full.append(bytes(self._rest[: self._part_bytes]))
            del self._rest[: self._part_bytes]
        return full

    def last(self) -> bytes:
        """The part that never got full, which may be empty."""
        return bytes(self._rest)

    def first(self) -> bytes:
        """To be asked for when everything is written."""
        return bytes(self._first[: self.size])
