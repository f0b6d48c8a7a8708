"""The DASH manifest over the very segments that HLS plays. It is written from what was measured, as XML of our own."""

from collections.abc import Sequence
from fractions import Fraction
from itertools import groupby, pairwise
from xml.sax.saxutils import escape, quoteattr

from vodstack_contracts.videos import AudioRole
from vodstack_worker.arguments import INIT
from vodstack_worker.caption_tracks import UNKNOWN_LANGUAGE, CaptionFile
from vodstack_worker.filters import AUDIO_RATE
from vodstack_worker.ladder import Rung
from vodstack_worker.playlists import AUDIO_CODECS_STRING, AudioRendition, MediaPlaylist

_ROOT = (
    '<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" profiles="urn:mpeg:dash:profile:isoff-live:2011" type="static"'
    ' mediaPresentationDuration="{duration}" minBufferTime="PT4S">'
)
_TIMESCALE = 1_000_000
_ROLE = "urn:mpeg:dash:role:2011"
_FOR_THE_BLIND = '<Accessibility schemeIdUri="urn:tva:metadata:cs:AudioPurposeCS:2007" value="1"/>'


def manifest(
    rungs: Sequence[tuple[Rung, MediaPlaylist, str]],
    audios: Sequence[AudioRendition],
    rate: Fraction,
    captions: Sequence[CaptionFile] = (),
) -> str:
    """One period with a set of video, and one for each audio track and text. Players address segments by number."""
    video = rungs[0][1]
    duration = max([video.duration, *(audio.playlist.duration for audio in audios)])
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        _ROOT.format(duration=f"PT{duration:.3f}S"),
        '<Period id="0" start="PT0S">',
        '<AdaptationSet id="0" contentType="video" mimeType="video/mp4" segmentAlignment="true" startWithSAP="1">',
        *_template(video),
    ]
    frame_rate = f"{rate.numerator}/{rate.denominator}" if rate.denominator > 1 else f"{rate.numerator}"
    for rung, playlist, codecs in rungs:
        size = f'width="{rung.width}" height="{rung.height}" sar="1:1" frameRate="{frame_rate}"'
        lines.append(_representation(rung.name, codecs, playlist.peak_bitrate, size))
    lines.append("</AdaptationSet>")
    lines += [line for number, audio in enumerate(audios) for line in _audio(number, audio)]
    lines += [line for caption in captions for line in _text(caption, duration)]
    return "\n".join([*lines, "</Period>", "</MPD>", ""])


def _audio(number: int, audio: AudioRendition) -> list[str]:
    """The first is the default."""
    choice = audio.choice
    language = f" lang={quoteattr(choice.language)}" if choice.language != UNKNOWN_LANGUAGE else ""
    own = [] if choice.role is AudioRole.MAIN else [choice.role.value]
    roles = (own or ["alternate"]) if number else ["main", *own]
    described = [_FOR_THE_BLIND] if choice.role is AudioRole.DESCRIPTION else []
    kind = f'id="{number + 1}" contentType="audio" mimeType="audio/mp4"{language}'
    return [
        f'<AdaptationSet {kind} segmentAlignment="true" startWithSAP="1">',
        f"<Label>{escape(choice.label)}</Label>",
        *described,
        *(f'<Role schemeIdUri="{_ROLE}" value="{role}"/>' for role in roles),
        *_template(audio.playlist),
        _representation(
            audio.name, AUDIO_CODECS_STRING, audio.playlist.peak_bitrate, f'audioSamplingRate="{AUDIO_RATE}"'
        ),
        "</AdaptationSet>",
    ]


def _text(caption: CaptionFile, duration: float) -> list[str]:
    track = caption.track
    bandwidth = max(1, round(caption.size_bytes * 8 / max(duration, 0.001)))
    return [
        f'<AdaptationSet contentType="text" mimeType="text/vtt" lang={quoteattr(track.language)}>',
        f"<Label>{escape(track.label)}</Label>",
        f'<Role schemeIdUri="{_ROLE}" value="{"forced-subtitle" if track.forced else "subtitle"}"/>',
        f'<Representation id="captions-{caption.name}" bandwidth="{bandwidth}">',
        f"<BaseURL>captions/{caption.name}.vtt</BaseURL>",
        "</Representation>",
        "</AdaptationSet>",
    ]


def _representation(name: str, codecs: str, bandwidth: int, more: str) -> str:
    return f'<Representation id={quoteattr(name)} codecs={quoteattr(codecs)} bandwidth="{bandwidth}" {more}/>'


def _template(playlist: MediaPlaylist) -> list[str]:
    """Exact lengths, so that a player finds any moment without adding up errors."""
    boundaries = [0]
    elapsed = Fraction(0)
    for length in playlist.durations:
        elapsed += Fraction(length)
        boundaries.append(round(elapsed * _TIMESCALE))
    lengths = [after - before for before, after in pairwise(boundaries)]
    names = playlist.init.removesuffix(INIT)
    files = f'initialization="$RepresentationID$/{names}{INIT}" media="$RepresentationID$/{names}$Number%05d$.m4s"'
    lines = [f'<SegmentTemplate timescale="{_TIMESCALE}" startNumber="0" {files}>', "<SegmentTimeline>"]
    start = 0
    for length, alike in groupby(lengths):
        count = len(list(alike))
        lines.append(f'<S t="{start}" d="{length}" r="{count - 1}"/>')
        start += length * count
    return [*lines, "</SegmentTimeline>", "</SegmentTemplate>"]
