"""How a file is cut into parts: of one size but for the last, as few as S3 allows and as small as a bad line likes."""

from collections.abc import Mapping
from dataclasses import dataclass

from vodstack_app.settings import MIB

SMALLEST_PART_BYTES = 8 * MIB
# S3 takes 10,000.
MOST_PARTS = 9_000


@dataclass(frozen=True)
class Plan:
    """The parts of a file, numbered from 1 as S3 does."""

    size_bytes: int
    part_bytes: int

    @property
    def count(self) -> int:
        return -(-self.size_bytes // self.part_bytes)

    def size_of(self, number: int) -> int:
        return min(self.part_bytes, self.size_bytes - (number - 1) * self.part_bytes)

    def missing(self, sizes: Mapping[int, int]) -> list[int]:
        """Numbers of the parts that have not arrived, or not with their size; `sizes` are those that have."""
        last = self.count
        absent = [number for number in range(1, last) if sizes.get(number) != self.part_bytes]
        return absent if sizes.get(last) == self.size_of(last) else [*absent, last]


def make_plan(size_bytes: int) -> Plan:
    mebibytes = -(-size_bytes // (MOST_PARTS * MIB))
    return Plan(size_bytes, max(SMALLEST_PART_BYTES, mebibytes * MIB))
