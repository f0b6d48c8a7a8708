"""Which container formats are accepted, told by a file's first bytes. The worker and the command both ask."""

ACCEPTED = "MP4, MOV, MKV, WebM, MPEG-TS, MPEG-PS, AVI, FLV, Ogg or WMV"
HEAD_BYTES = 4096

_TS_SYNC = 0x47
# Of broadcasts, of Blu-ray discs and cameras, and with the code that corrects errors on the air.
_TS_PACKET_BYTES = (188, 192, 204)
_TS_CERTAIN_PACKETS = 8
_MOV_BOXES = frozenset({b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot", b"uuid"})
_SIGNATURES = {
    b"\x1aE\xdf\xa3": "matroska",
    b"\x00\x00\x01\xba": "mpeg",
    b"FLV\x01": "flv",
    b"OggS": "ogg",
    b"0&\xb2u\x8ef\xcf\x11": "asf",
}


def container_of(head: bytes) -> str | None:
    """Return the format of a file that begins with `head` (HEAD_BYTES of it), or None where it is not accepted."""
    for signature, container in _SIGNATURES.items():
        if head.startswith(signature):
            return container
    if head[4:8] in _MOV_BOXES:
        return "mov"
    if head.startswith(b"RIFF") and head[8:12] == b"AVI ":
        return "avi"
    return "mpegts" if _is_transport_stream(head) else None


def _is_transport_stream(head: bytes) -> bool:
    return find_transport_packets(head) is not None


def find_transport_packets(head: bytes) -> tuple[int, int] | None:
    """Return where the first whole packet of a transport stream has its sync byte, and the packets' size.

    A recording may begin within a packet: then eight in a row are wanted, elsewhere two.
    """
    for size in _TS_PACKET_BYTES:
        for offset in (0, 4):
            marks = head[offset::size]
            if len(marks) > 1 and all(mark == _TS_SYNC for mark in marks):
                return offset, size
        for offset in range(len(head) - (_TS_CERTAIN_PACKETS - 1) * size):
            if head[offset] == _TS_SYNC and _begin_packets(head, offset, size):
                return offset, size
    return None


def _begin_packets(head: bytes, offset: int, size: int) -> bool:
    return all(head[offset + number * size] == _TS_SYNC for number in range(_TS_CERTAIN_PACKETS))
