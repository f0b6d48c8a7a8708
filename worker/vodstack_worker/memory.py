"""How much memory an encode takes, and how many threads fit into what there is.

docs/adr/0019-memory-is-counted-where-it-counts.md
"""

from vodstack_contracts.memory import MIB
from vodstack_contracts.videos import FailureCode
from vodstack_worker.errors import GiveUpError

# An upper bound of what was measured: encoders of all rungs, and pictures that decoder and filters hold.
_BASE_BYTES = 400 * MIB
_THREAD_BYTES = 45 * MIB
_BASE_PICTURES = 11
_THREAD_PICTURES = 2


def encode_bytes(picture_bytes: int, threads: int) -> int:
    """What an encode may come to hold, from decoded pictures of that size."""
    pictures = _BASE_PICTURES + _THREAD_PICTURES * threads
    return _BASE_BYTES + _THREAD_BYTES * threads + pictures * picture_bytes


def fitting_threads(picture_bytes: int, memory_bytes: int, most: int) -> int:
    """How many threads, `most` at most, an encode may use. Raises GiveUpError where not even one fits."""
    spare = memory_bytes - encode_bytes(picture_bytes, 0)
    threads = spare // (_THREAD_BYTES + _THREAD_PICTURES * picture_bytes)
    if threads < 1:
        largest = max(0, (memory_bytes - encode_bytes(0, 1)) // (_BASE_PICTURES + _THREAD_PICTURES))
        raise GiveUpError(
            FailureCode.DIMENSIONS_TOO_LARGE,
            f"A picture takes {picture_bytes:,} bytes, more than the {largest:,} for which there is memory here. "
            f"Export the video with at most {largest * 2 // 3:,} pixels in all, in 8 bits.",
        )
    return min(most, threads)
