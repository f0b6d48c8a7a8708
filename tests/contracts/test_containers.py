"""Which container a file is, by its first bytes."""

import random

import pytest

from vodstack_contracts.containers import HEAD_BYTES, container_of, find_transport_packets


def packets(size: int) -> bytes:
    """A transport stream's packets of that size."""
    chance = random.Random(3)  # noqa: S311 - it has to be the same each time
    before, after = {188: (b"", b""), 192: (bytes(4), b""), 204: (b"", bytes(16))}[size]
    return b"".join(before + b"\x47\x40\x00\x10" + chance.randbytes(184) + after for _ in range(40))


@pytest.mark.parametrize("size", [188, 192, 204])
@pytest.mark.parametrize("cut", [0, 1, 100, 187])
def test_a_transport_stream_may_begin_within_a_packet(size: int, cut: int):
    head = packets(size)[cut : cut + HEAD_BYTES]
    assert container_of(head) == "mpegts"
    offset, found = find_transport_packets(head) or (0, 0)
    lead = 4 if size == 192 else 0
    assert (found, (cut + offset - lead) % size) == (size, 0)


def test_a_transport_stream_is_found_behind_junk():
    junk = random.Random(1).randbytes(1500)  # noqa: S311 - it has to be the same each time
    assert find_transport_packets((junk + packets(188))[:HEAD_BYTES]) == (1500, 188)


def test_noise_and_text_are_no_transport_stream():
    chance = random.Random(2)  # noqa: S311 - it has to be the same each time
    assert {container_of(chance.randbytes(HEAD_BYTES)) for _ in range(20)} == {None}
    assert container_of(b"GGG Going by the G train. " * 160) is None
    assert container_of(b"G" * 188) is None
