"""Which container formats are accepted, told by a file's first bytes. The worker and the command both ask."""

ACCEPTED = "MP4, MOV, MKV, WebM, MPEG-TS, MPEG-PS, AVI, FLV, Ogg or WMV"
HEAD_BYTES = 4096

_TS_PACKET_BYTES = 188
_M2TS_PACKET_BYTES = 192
_TS_SYNC = 0x47
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
    for size, offset in ((_TS_PACKET_BYTES, 0), (_M2TS_PACKET_BYTES, 4)):
        marks = head[offset::size]
        if len(marks) > 1 and all(mark == _TS_SYNC for mark in marks):
            return True
    return False
