"""How a file is cut into parts: of one size but for the last, as few as S3 allows and as small as a bad line likes."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from vodstack_app.settings import MIB

SMALLEST_PART_BYTES = 8 * MIB
# S3 takes 10,000.
MOST_PARTS = 9_000


@dataclass(frozen=True)
class Part:
    """A part by its number, counted from 1 as S3 does."""

    number: int
    size_bytes: int


@dataclass(frozen=True)
class Plan:
    """The parts of a file."""

    size_bytes: int
    part_bytes: int

    @property
    def count(self) -> int:
        return -(-self.size_bytes // self.part_bytes)

    def size_of(self, number: int) -> int:
        return min(self.part_bytes, self.size_bytes - (number - 1) * self.part_bytes)

    def missing(self, arrived: Iterable[Part]) -> Iterator[Part]:
        """What has not arrived, or not with its size."""
        sizes = {part.number: part.size_bytes for part in arrived}
        for number in range(1, self.count + 1):
            if sizes.get(number) != self.size_of(number):
                yield Part(number, self.size_of(number))


def make_plan(size_bytes: int) -> Plan:
    mebibytes = -(-size_bytes // (MOST_PARTS * MIB))
    return Plan(size_bytes, max(SMALLEST_PART_BYTES, mebibytes * MIB))
