"""Whether the tracks of a file are encrypted, as its container tells. Media tools would decode noise, or nothing."""

from collections.abc import Iterator
from itertools import islice

from vodstack_contracts.containers import find_transport_packets
from vodstack_contracts.videos import FailureCode
from vodstack_worker.boxes import MOST_PARTS, FileBytes, Part, Window, boxes, boxes_in, child_box, elements, elements_in
from vodstack_worker.errors import GiveUpError

_MOST_ENCODINGS = 8
# Sample entries of Common Encryption (ISO/IEC 23001-7, all schemes) and of FairPlay.
_ENCRYPTED_ENTRIES = frozenset({b"encv", b"enca", b"drmi", b"drms"})
_WAY_TO_ENTRIES = (b"mdia", b"minf", b"stbl", b"stsd")
_STSD_HEAD_BYTES = 8
_MATROSKA_SEGMENT = b"\x18\x53\x80\x67"
_MATROSKA_CLUSTER = b"\x1f\x43\xb6\x75"
_MATROSKA_TRACKS = b"\x16\x54\xae\x6b"
_MATROSKA_TRACK = b"\xae"
_MATROSKA_TRACK_TYPE = b"\x83"
_MATROSKA_ENCODINGS = b"\x6d\x80"
_MATROSKA_ENCODING = b"\x62\x40"
_MATROSKA_ENCRYPTION = b"\x50\x35"
# Content Encryption, and Extended and Advanced Content Encryption, as ASF writes their GUIDs.
_ASF_ENCRYPTIONS = (
    bytes.fromhex("fbb3112223bdd211b4b700a0c955fc6e"),
    bytes.fromhex("14e68a292226174cb935dae07ee9289c"),
    bytes.fromhex("b69b077aa4da124ea5caf1d8f0e0f2e7"),
)
_ASF_HEAD_BYTES = 64 * 1024
_PIECE_BYTES = 64 * 1024
_PIECES = 4
_TS_PACKET_BYTES = 188
_TS_FIRST_PID = 0x20
_TS_NULL_PID = 0x1FFF
_TS_FEWEST_PACKETS = 8
# Stream types of HLS SAMPLE-AES: H.264, AAC, AC-3, Enhanced AC-3.
_SAMPLE_AES = frozenset({0xDB, 0xCF, 0xC1, 0xC2})
_PACK_BYTES = 2048
_PACK = b"\x00\x00\x01\xba"
_PES = frozenset({0xBD, *range(0xC0, 0xF0)})


def require_clear(file: FileBytes, demuxer: str) -> None:
    """Raise GiveUpError for a file whose video, or all of whose audio, is encrypted."""
    if demuxer == "mov":
        video, audio = _tracks_of_mp4(file)
    elif demuxer == "matroska":
        video, audio = _tracks_of_matroska(file)
    else:
        video, audio = [_IS_ENCRYPTED[demuxer](file)] if demuxer in _IS_ENCRYPTED else [], []
    if any(video):
        raise _refusal("video")
    if audio and all(audio):
        raise _refusal("audio track")


def _refusal(what: str) -> GiveUpError:
    return GiveUpError(
        FailureCode.ENCRYPTED,
        f"The {what} is encrypted, and cannot be decoded without its key. "
        "Export it without copy protection and upload that.",
    )


def _tracks_of_mp4(file: FileBytes) -> tuple[list[bool], list[bool]]:
    """Whether each video track is encrypted, and each audio track."""
    video: list[bool] = []
    audio: list[bool] = []
    window = Window(file)
    moov = next((part for part in islice(boxes(file, 0, file.size), MOST_PARTS) if part.kind == b"moov"), None)
    for track in (part for part in boxes_in(window, moov) if part.kind == b"trak"):
        handler = child_box(window, child_box(window, track, b"mdia"), b"hdlr")
        kind = window.read(handler.content + 8, 4) if handler else b""
        found = {b"vide": video, b"soun": audio}.get(kind)
        if found is not None:
            found.append(not _ENCRYPTED_ENTRIES.isdisjoint(_sample_entries(window, track)))
    return video, audio


def _sample_entries(file: Window, track: Part) -> Iterator[bytes]:
    part: Part | None = track
    for kind in _WAY_TO_ENTRIES:
        part = child_box(file, part, kind)
    yield from (entry.kind for entry in boxes_in(file, part, _STSD_HEAD_BYTES))


def _tracks_of_matroska(file: FileBytes) -> tuple[list[bool], list[bool]]:
    window = Window(file)
    kinds: dict[int, list[bool]] = {1: [], 2: []}
    segment = next((each for each in elements(window, 0, file.size) if each.kind == _MATROSKA_SEGMENT), None)
    for part in elements_in(window, segment):
        if part.kind == _MATROSKA_CLUSTER:
            break
        tracks = elements_in(window, part) if part.kind == _MATROSKA_TRACKS else ()
        for track in (each for each in tracks if each.kind == _MATROSKA_TRACK):
            named = next((each for each in elements_in(window, track) if each.kind == _MATROSKA_TRACK_TYPE), None)
            kind = int.from_bytes(window.read(named.content, 1)) if named else 0
            if kind in kinds:
                kinds[kind].append(_has_encryption(window, track))
    return kinds[1], kinds[2]


def _has_encryption(file: Window, track: Part) -> bool:
    wanted = (_MATROSKA_ENCODINGS, _MATROSKA_ENCODING, _MATROSKA_ENCRYPTION)
    parts = [track]
    for kind in wanted:
        found = [child for part in parts for child in elements_in(file, part) if child.kind == kind]
        # A track has one or two; a hostile file has thousands.
        parts = found[:_MOST_ENCODINGS]
    return bool(parts)


def _is_encrypted_asf(file: FileBytes) -> bool:
    head = file.read(0, _ASF_HEAD_BYTES)
    return any(guid in head for guid in _ASF_ENCRYPTIONS)


def _pieces(file: FileBytes) -> Iterator[bytes]:
    for number in range(_PIECES):
        yield file.read(file.size * number // _PIECES, _PIECE_BYTES)


def _is_scrambled_transport_stream(file: FileBytes) -> bool:
    """Whether most packets say so, or the program's table names the streams of HLS SAMPLE-AES."""
    scrambled = counted = 0
    tables: set[int] = set()
    for packet in (packet for piece in _pieces(file) for packet in _packets(piece)):
        pid = int.from_bytes(packet[1:3]) & 0x1FFF
        begins, payload = bool(packet[1] & 0x40), _payload(packet)
        if pid == 0 and begins:
            tables |= _program_tables(_section(payload))
        elif pid in tables:
            if begins and _SAMPLE_AES.intersection(_stream_types(_section(payload))):
                return True
        elif _TS_FIRST_PID <= pid < _TS_NULL_PID and payload:
            counted += 1
            scrambled += bool(packet[3] & 0xC0)
    return counted >= _TS_FEWEST_PACKETS and 2 * scrambled > counted


def _packets(piece: bytes) -> Iterator[bytes]:
    offset, size = find_transport_packets(piece) or (len(piece), _TS_PACKET_BYTES)
    for start in range(offset, len(piece) - _TS_PACKET_BYTES + 1, size):
        if piece[start] == 0x47:  # noqa: PLR2004 - the sync byte
            yield piece[start : start + _TS_PACKET_BYTES]


def _payload(packet: bytes) -> bytes:
    control = packet[3] >> 4 & 3
    if not control & 1:
        return b""
    return packet[5 + packet[4] :] if control & 2 else packet[4:]


def _section(payload: bytes) -> bytes:
    """A table from its table_id on, without the checksum at its end."""
    section = payload[1 + payload[0] :] if payload else b""
    return section[: 3 + (int.from_bytes(section[1:3]) & 0xFFF) - 4]


def _program_tables(section: bytes) -> set[int]:
    entries = (section[at : at + 4] for at in range(8, len(section) - 3, 4))
    return {int.from_bytes(entry[2:]) & 0x1FFF for entry in entries if any(entry[:2])}


def _stream_types(section: bytes) -> Iterator[int]:
    at = 12 + (int.from_bytes(section[10:12]) & 0xFFF)
    while at + 5 <= len(section):
        yield section[at]
        at += 5 + (int.from_bytes(section[at + 3 : at + 5]) & 0xFFF)


def _is_scrambled_program_stream(file: FileBytes) -> bool:
    """A DVD's packs are sectors, and some in each stretch are scrambled."""
    scrambled = 0
    for number in range(_PIECES):
        piece = file.read(file.size * number // _PIECES // _PACK_BYTES * _PACK_BYTES, _PIECE_BYTES)
        for start in range(0, len(piece) - _PACK_BYTES + 1, _PACK_BYTES):
            at = start + 14 + (piece[start + 13] & 7)
            is_pes = piece[at : at + 3] == b"\x00\x00\x01" and piece[at + 3] in _PES
            # The first two bits say that it is MPEG-2, the others how it is scrambled.
            is_scrambled = piece[at + 6] >> 6 == 2 and bool(piece[at + 6] & 0x30)  # noqa: PLR2004
            scrambled += piece[start : start + 4] == _PACK and is_pes and is_scrambled
    return scrambled >= _TS_FEWEST_PACKETS


_IS_ENCRYPTED = {
    "asf": _is_encrypted_asf,
    "mpegts": _is_scrambled_transport_stream,
    "mpeg": _is_scrambled_program_stream,
}
