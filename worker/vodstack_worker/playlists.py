"""Playlists: what ffmpeg wrote, read back and measured, and the multivariant playlist over them."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from vodstack_contracts.videos import AudioRole
from vodstack_worker.arguments import INIT, PLAYLIST
from vodstack_worker.audio_tracks import AudioChoice
from vodstack_worker.caption_tracks import UNKNOWN_LANGUAGE, CaptionFile, fit_for_quotes
from vodstack_worker.errors import RetryError
from vodstack_worker.ladder import Rung
from vodstack_worker.tool_files import INIT_BYTES, MEDIA_BYTES, TEXT_BYTES, JobFiles

_EXTINF = re.compile(r"#EXTINF:([0-9]+(?:\.[0-9]+)?),")
_MAP = re.compile(r'#EXT-X-MAP:URI="([A-Za-z0-9_.-]+)"')
_SEGMENT = re.compile(r"[A-Za-z0-9_-]+\.m4s")
_AUDIO_GROUP = "audio"
_CAPTIONS_GROUP = "captions"
_DESCRIBES_VIDEO = "public.accessibility.describes-video"
_AVC_CONFIGURATION = b"avcC"
AUDIO_CODECS_STRING = "mp4a.40.2"


@dataclass(frozen=True, kw_only=True)
class MediaPlaylist:
    """One rendition's segments, measured. Files go by their names in its folder."""

    init: str
    segments: list[str]
    durations: list[float]
    size_bytes: int
    peak_bitrate: int

    @property
    def duration(self) -> float:
        return sum(self.durations)

    @property
    def bitrate(self) -> int:
        return round(self.size_bytes * 8 / self.duration) if self.duration else 0

    @property
    def text(self) -> str:
        return playlist_text(self.init, self.segments, self.durations)

    @property
    def names(self) -> list[str]:
        """All of its files but itself."""
        return [self.init, *self.segments]


@dataclass(frozen=True, kw_only=True)
class AudioRendition:
    """`name` is the folder of its files."""

    name: str
    choice: AudioChoice
    playlist: MediaPlaylist


@dataclass(frozen=True, kw_only=True)
class Listing:
    """What a playlist names, whether it is there or not."""

    segments: list[str]
    durations: list[float]


def list_segments(files: JobFiles, home: str, prefix: str = "") -> Listing:
    """What a tool's playlist names: an init segment, and segments in order, under the names that were asked for.

    Raises RetryError where the playlist is not whole, or names anything else.
    """
    text = files.read(f"{home}/{PLAYLIST}", TEXT_BYTES).decode(errors="replace")
    init = _MAP.search(text)
    durations = [float(found) for found in _EXTINF.findall(text)]
    names = [line for line in text.splitlines() if _SEGMENT.fullmatch(line)]
    if init is None or not names or len(names) != len(durations) or "#EXT-X-ENDLIST" not in text:
        raise RetryError(f"{home}: the playlist is not whole")
    if init[1] != f"{prefix}{INIT}" or names != [segment_name(number, prefix) for number in range(len(names))]:
        raise RetryError(f"{home}: the playlist names files that are not of the plan")
    if not all(math.isfinite(length) for length in durations):
        raise RetryError(f"{home}: the playlist's lengths are no numbers")
    return Listing(segments=names, durations=durations)


def segment_name(number: int, prefix: str = "") -> str:
    """The file of a segment, in its rendition's folder."""
    return f"{prefix}{number:05d}.m4s"


def read_playlist(files: JobFiles, home: str) -> MediaPlaylist:
    """Raises RetryError where the playlist is not whole or names a file that is not there."""
    listed = list_segments(files, home)
    sizes = [files.size(f"{home}/{INIT}", INIT_BYTES)]
    sizes += [files.size(f"{home}/{name}", MEDIA_BYTES) for name in listed.segments]
    if not all(sizes):
        raise RetryError(f"{home}: a file is empty")
    return measured(INIT, listed.segments, listed.durations, sizes)


def measured(init: str, segments: list[str], durations: list[float], sizes: list[int]) -> MediaPlaylist:
    """A playlist over files whose sizes are known: the init segment's, then those of the segments."""
    rates = (round(size * 8 / max(length, 0.001)) for size, length in zip(sizes[1:], durations, strict=True))
    return MediaPlaylist(
        init=init, segments=segments, durations=durations, size_bytes=sum(sizes), peak_bitrate=max(rates)
    )


def playlist_text(init: str, segments: Sequence[str], durations: Sequence[float]) -> str:
    """A media playlist in the very form that ffmpeg gives it."""
    lines = [
        "#EXTM3U",
        "#EXT-X-VERSION:7",
        f"#EXT-X-TARGETDURATION:{math.ceil(max(durations))}",
        "#EXT-X-MEDIA-SEQUENCE:0",
        "#EXT-X-PLAYLIST-TYPE:VOD",
        "#EXT-X-INDEPENDENT-SEGMENTS",
        f'#EXT-X-MAP:URI="{init}"',
    ]
    for segment, length in zip(segments, durations, strict=True):
        lines += [f"#EXTINF:{length:.6f},", segment]
    return "\n".join([*lines, "#EXT-X-ENDLIST", ""])


def caption_playlist(caption: CaptionFile, duration: float) -> str:
    """The whole of a text is one segment."""
    head = f"#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:{math.ceil(duration)}\n#EXT-X-MEDIA-SEQUENCE:0"
    return f"{head}\n#EXT-X-PLAYLIST-TYPE:VOD\n#EXTINF:{duration:.6f},\n{caption.name}.vtt\n#EXT-X-ENDLIST\n"


def video_codecs(init: bytes) -> str:
    """The codec string of an H.264 init segment, from its decoder configuration record. Raises RetryError."""
    at = init.find(_AVC_CONFIGURATION)
    if at < 0:
        raise RetryError("an init segment holds no H.264 configuration")
    profile, compatibility, level = init[at + 5 : at + 8].ljust(3, b"\0")
    return f"avc1.{profile:02x}{compatibility:02x}{level:02x}"


def multivariant(
    rungs: list[tuple[Rung, MediaPlaylist, str]],
    audios: Sequence[AudioRendition],
    rate: Fraction,
    captions: Sequence[CaptionFile] = (),
) -> str:
    """The playlist that a player opens. Bit rates are measured, with the audio rendition that takes most."""
    lines = ["#EXTM3U", "#EXT-X-VERSION:7", "#EXT-X-INDEPENDENT-SEGMENTS"]
    lines += _audio_lines(audios)
    lines += [_caption_line(caption) for caption in captions]
    texts = f',SUBTITLES="{_CAPTIONS_GROUP}"' if captions else ""
    peak = max((audio.playlist.peak_bitrate for audio in audios), default=0)
    mean = max((audio.playlist.bitrate for audio in audios), default=0)
    for rung, playlist, codecs in rungs:
        words = f"{codecs},{AUDIO_CODECS_STRING}" if audios else codecs
        group = f',AUDIO="{_AUDIO_GROUP}"' if audios else ""
        lines.append(
            f"#EXT-X-STREAM-INF:BANDWIDTH={playlist.peak_bitrate + peak},AVERAGE-BANDWIDTH={playlist.bitrate + mean},"
            f"RESOLUTION={rung.width}x{rung.height},FRAME-RATE={float(rate):.3f},"
            f'CODECS="{words}"{group}{texts}'
        )
        lines.append(f"{rung.name}/index.m3u8")
    return "\n".join([*lines, ""])


def _audio_lines(audios: Sequence[AudioRendition]) -> list[str]:
    """The first is the default. Players choose by themselves among what differs in language or is for the blind."""
    lines: list[str] = []
    chosen_from: set[tuple[str, AudioRole]] = set()
    for audio in audios:
        choice = audio.choice
        kind = (choice.language, choice.role)
        automatic = not lines or (choice.role is not AudioRole.COMMENTARY and kind not in chosen_from)
        chosen_from.add(kind)
        language = f'LANGUAGE="{fit_for_quotes(choice.language)}",' if choice.language != UNKNOWN_LANGUAGE else ""
        describes = f'CHARACTERISTICS="{_DESCRIBES_VIDEO}",' if choice.role is AudioRole.DESCRIPTION else ""
        lines.append(
            f'#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="{_AUDIO_GROUP}",NAME="{fit_for_quotes(choice.label)}",{language}'
            f"DEFAULT={'NO' if lines else 'YES'},AUTOSELECT={'YES' if automatic else 'NO'},{describes}"
            f'CHANNELS="2",URI="{audio.name}/index.m3u8"'
        )
    return lines


def _caption_line(caption: CaptionFile) -> str:
    track = caption.track
    language = f'LANGUAGE="{fit_for_quotes(track.language)}",' if track.language != UNKNOWN_LANGUAGE else ""
    return (
        f'#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID="{_CAPTIONS_GROUP}",NAME="{fit_for_quotes(track.label)}",{language}'
        f"DEFAULT=NO,AUTOSELECT=YES,FORCED={'YES' if track.forced else 'NO'},"
        f'URI="{_CAPTIONS_GROUP}/{caption.name}.m3u8"'
    )
