"""Encrypted files are refused by a word of their own, before anything tries to decode them."""

import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from vodstack_contracts.videos import FailureCode
from vodstack_worker.containers import LocalBytes, demuxer_of
from vodstack_worker.encryption import require_clear
from vodstack_worker.errors import GiveUpError
from vodstack_worker.probed import Probe

KEY = ("-encryption_key", "0" * 32, "-encryption_kid", "1" * 32, "-encryption_scheme", "cenc-aes-ctr")
FRAGMENTS = ("-movflags", "frag_keyframe+empty_moov")
TS_BYTES = 188


def remux(ffmpeg: str, clip: Path, path: Path, *options: str, codecs: Sequence[str] = ("-c", "copy")) -> Path:
    subprocess.run([ffmpeg, "-v", "error", "-i", clip, *codecs, *options, path], check=True)
    return path


def refused(path: Path) -> str | None:
    """What is said of a file that is refused for being encrypted."""
    file = LocalBytes(path)
    try:
        require_clear(file, demuxer_of(file))
    except GiveUpError as error:
        return error.failure.message if error.failure.code is FailureCode.ENCRYPTED else None
    return None


def replaced(path: Path, old: bytes, new: bytes) -> Path:
    data = path.read_bytes()
    assert old in data
    changed = path.with_name(f"changed_{path.name}")
    changed.write_bytes(data.replace(old, new))
    return changed


def scrambled(path: Path) -> Path:
    """A transport stream whose packets of video and audio say that they are scrambled."""
    data = bytearray(path.read_bytes())
    for start in range(0, len(data), TS_BYTES):
        if 0x100 <= int.from_bytes(data[start + 1 : start + 3]) & 0x1FFF < 0x1000:
            data[start + 3] |= 0x80
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("options", [KEY, (*KEY, *FRAGMENTS)], ids=["whole", "fragments"])
def test_common_encryption_fails_with_a_sentence_that_says_so(
    ffmpeg: str, tmp_path: Path, tiny_clip: Path, probed: Callable[[Path], Probe], options: Sequence[str]
):
    with pytest.raises(GiveUpError) as error:
        probed(remux(ffmpeg, tiny_clip, tmp_path / "clip.mp4", *options))
    assert error.value.failure.code is FailureCode.ENCRYPTED
    assert "The video is encrypted" in error.value.failure.message


def test_the_scheme_does_not_matter_nor_does_one_clear_track(ffmpeg: str, tmp_path: Path, tiny_clip: Path):
    mp4 = remux(ffmpeg, tiny_clip, tmp_path / "clip.mp4")
    assert "The video" in (refused(replaced(mp4, b"avc1\x00\x00\x00\x00", b"encv\x00\x00\x00\x00")) or "")
    assert "The video" in (refused(replaced(mp4, b"avc1\x00\x00\x00\x00", b"drmi\x00\x00\x00\x00")) or "")
    assert "The audio track" in (refused(replaced(mp4, b"mp4a\x00\x00\x00\x00", b"enca\x00\x00\x00\x00")) or "")


@pytest.mark.parametrize("ending", ["mp4", "mkv", "ts", "asf", "flv", "avi", "vob"])
def test_what_is_clear_is_taken(ffmpeg: str, tmp_path: Path, tiny_clip: Path, ending: str):
    codecs = ("-c:v", "mpeg2video", "-r", "25", "-c:a", "mp2") if ending == "vob" else ("-c", "copy")
    assert refused(remux(ffmpeg, tiny_clip, tmp_path / f"clip.{ending}", codecs=codecs)) is None


def element(kind: str, content: bytes) -> bytes:
    return bytes.fromhex(kind) + bytes([0x80 | len(content)]) + content


@pytest.mark.parametrize("is_encrypted", [True, False])
def test_a_matroska_track_with_content_encryption_is_refused(tmp_path: Path, *, is_encrypted: bool):
    encoding = element("5035", element("47e1", b"\x05")) if is_encrypted else element("5034", b"")
    track = element("ae", element("83", b"\x01") + element("6d80", element("6240", encoding)))
    path = tmp_path / "clip.mkv"
    path.write_bytes(element("1a45dfa3", b"") + element("18538067", element("1654ae6b", track)))
    assert bool(refused(path)) is is_encrypted


@pytest.mark.parametrize("cut", [0, 77])
def test_a_scrambled_transport_stream_is_refused(ffmpeg: str, tmp_path: Path, tiny_clip: Path, cut: int):
    path = scrambled(remux(ffmpeg, tiny_clip, tmp_path / "clip.ts"))
    path.write_bytes(path.read_bytes()[cut:])
    assert "is encrypted" in (refused(path) or "")


def test_sample_aes_is_known_by_its_stream_types(ffmpeg: str, tmp_path: Path, tiny_clip: Path):
    path = remux(ffmpeg, tiny_clip, tmp_path / "clip.ts")
    assert "is encrypted" in (refused(replaced(path, b"\x1b\xe1\x00", b"\xdb\xe1\x00")) or "")


def test_a_scrambled_dvd_is_refused(ffmpeg: str, tmp_path: Path, tiny_clip: Path):
    path = remux(ffmpeg, tiny_clip, tmp_path / "a.vob", codecs=("-c:v", "mpeg2video", "-r", "25", "-c:a", "mp2"))
    data = bytearray(path.read_bytes())
    for start in range(0, len(data) - 2047, 2048):
        pes = start + 14 + (data[start + 13] & 7)
        if data[pes + 3] in {0xE0, 0xC0}:
            data[pes + 6] |= 0x10
    path.write_bytes(data)
    assert "is encrypted" in (refused(path) or "")


def test_protected_windows_media_is_refused(ffmpeg: str, tmp_path: Path, tiny_clip: Path):
    path = remux(ffmpeg, tiny_clip, tmp_path / "clip.asf")
    codec_list, protection = "4052d1861d31d011a3a400a0c90348f6", "fbb3112223bdd211b4b700a0c955fc6e"
    assert "is encrypted" in (refused(replaced(path, bytes.fromhex(codec_list), bytes.fromhex(protection))) or "")
