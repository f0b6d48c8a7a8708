"""Which of a source's tracks are shown and heard. Runs in the sandbox, where PyAV has opened the source."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import cast

from av.audio.codeccontext import AudioCodecContext
from av.audio.stream import AudioStream
from av.codec.context import CodecContext
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from vodstack_contracts.videos import AudioRole
from vodstack_worker.audio_tracks import NO_LABEL, AudioChoice
from vodstack_worker.caption_tracks import UNKNOWN_LANGUAGE, clean_label, clean_language
from vodstack_worker.codecs import AUDIO_CODECS, VIDEO_CODECS

_STILLS = Disposition.attached_pic | Disposition.timed_thumbnails | Disposition.still_image
# Codecs of covers and thumbnails, where there is a track in another codec.
_STILL_CODECS = frozenset({"mjpeg", "png"})
_COMMENTARY = Disposition.comment
_DESCRIPTION = Disposition.visual_impaired | Disposition.descriptions
_PARTIAL = (
    Disposition.hearing_impaired
    | Disposition.clean_effects
    | Disposition.karaoke
    | Disposition.lyrics
    | Disposition.non_diegetic
    | Disposition.dependent
    | Disposition.multilayer
)
_COMMENTARY_WORDS = re.compile(r"comment(?:ary|aries|aire|ario|arios|o)\b|kommentar|commentaar", re.IGNORECASE)
_DESCRIPTION_WORDS = re.compile(
    r"audio[ _-]?des[ck]ri|descriptive|described|description (?:track|for)|(?:visually|vision) impaired|\bdvs\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, kw_only=True)
class Sound:
    """An audio track as its container describes it, in words that outlast the open container."""

    index: int
    codec: str
    language: str
    role: AudioRole
    title: str


def count_tracks(container: InputContainer) -> int:
    """How much there is to show, to hear and to read. Attachments, covers and timed data are none of it."""
    streams = container.streams
    shown = [stream for stream in streams.video if not stream.disposition & _STILLS]
    return len(shown) + len(streams.audio) + len(streams.subtitles)


def rank_pictures(container: InputContainer) -> list[VideoStream]:
    """Tracks that may be shown, the best first. Pictures that are marked as stills are none."""
    streams = [stream for stream in container.streams.video if not stream.disposition & _STILLS]
    flagged = _default_flags(streams)
    return sorted(
        streams,
        key=lambda stream: (
            codec_of(stream) not in VIDEO_CODECS,
            stream.frames == 1,
            codec_of(stream) in _STILL_CODECS,
            *_standing(stream, flagged),
        ),
    )


def rank_sound(container: InputContainer, video: VideoStream) -> list[AudioStream]:
    """Tracks that may be heard with `video`, the best first."""
    streams = _of_one_program(container, video)
    flagged = _default_flags(streams)
    return sorted(
        streams,
        key=lambda stream: (
            codec_of(stream) not in AUDIO_CODECS,
            not _is_known(stream),
            stream.frames == 0,
            *_standing(stream, flagged),
        ),
    )


def describe_sound(stream: AudioStream) -> Sound:
    words = _words(stream)
    role = AudioRole.COMMENTARY if is_commentary(stream) else AudioRole.MAIN
    return Sound(
        index=stream.index,
        codec=codec_of(stream) or "",
        language=clean_language(words.get("language", "")),
        role=AudioRole.DESCRIPTION if is_description(stream) else role,
        title=words.get("title") or words.get("name") or "",
    )


def further_sound(ranked: Sequence[Sound]) -> list[Sound]:
    """Tracks in a language that follow the first: new languages, then commentary in one, then the rest."""
    further = [sound for sound in ranked[1:] if sound.language != UNKNOWN_LANGUAGE]
    kinds = [(sound.language, sound.role) for sound in ranked[:1]]
    new: list[Sound] = []
    for sound in further:
        if (sound.language, sound.role) not in kinds:
            kinds.append((sound.language, sound.role))
            new.append(sound)
    return [
        *(sound for sound in new if sound.role is not AudioRole.COMMENTARY),
        *(sound for sound in new if sound.role is AudioRole.COMMENTARY),
        *(sound for sound in further if sound not in new),
    ]


def name_sound(sounds: Sequence[Sound]) -> list[AudioChoice]:
    """How each of these tracks is offered."""
    choices: list[AudioChoice] = []
    for sound in sounds:
        choices.append(_choice(sound, {choice.label for choice in choices}))
    return choices


def _choice(sound: Sound, taken: Collection[str]) -> AudioChoice:
    known = sound.language if sound.language != UNKNOWN_LANGUAGE else NO_LABEL
    unnamed = known if sound.role is AudioRole.MAIN else f"{known} ({sound.role.value})"
    label = clean_label(sound.title or unnamed, sound.language, taken, otherwise=NO_LABEL)
    return AudioChoice(language=sound.language, label=label, role=sound.role)


def codec_of(stream: VideoStream | AudioStream) -> str | None:
    """A stream for which no decoder is allowed comes without a context, whatever PyAV's types say."""
    context = cast("CodecContext | None", stream.codec_context)
    return None if context is None else context.codec.canonical_name


def is_commentary(stream: VideoStream | AudioStream) -> bool:
    return bool(stream.disposition & _COMMENTARY) or _COMMENTARY_WORDS.search(_names(stream)) is not None


def is_description(stream: VideoStream | AudioStream) -> bool:
    """Whether the track tells the blind what is to be seen."""
    return bool(stream.disposition & _DESCRIPTION) or _DESCRIPTION_WORDS.search(_names(stream)) is not None


def _standing(stream: VideoStream | AudioStream, flagged: frozenset[int]) -> tuple[bool, bool]:
    """Less is better; sorting keeps the order of equals."""
    aside = is_commentary(stream) or is_description(stream) or bool(stream.disposition & _PARTIAL)
    return stream.index not in flagged, aside


def _default_flags(streams: Sequence[VideoStream] | Sequence[AudioStream]) -> frozenset[int]:
    """Tracks that their author made the default. Muxers flag the first, if it is the only one: that says nothing."""
    flagged = [stream.index for stream in streams if stream.disposition & Disposition.default]
    return frozenset[int]() if flagged == [stream.index for stream in streams[:1]] else frozenset(flagged)


def _names(stream: VideoStream | AudioStream) -> str:
    words = _words(stream)
    return " ".join(words.get(key, "") for key in ("title", "name", "handler_name"))


def _words(stream: VideoStream | AudioStream) -> dict[str, str]:
    return {key.lower(): value for key, value in stream.metadata.items()}


def _is_known(stream: AudioStream) -> bool:
    """Whether the track has parameters. One that a transport stream only announces has none."""
    context = cast("AudioCodecContext | None", stream.codec_context)
    return context is not None and context.sample_rate > 0


def _of_one_program(container: InputContainer, video: VideoStream) -> list[AudioStream]:
    """Sound of the video's own program, for a transport stream may carry several.

    PyAV shows libavformat's programs by the one track alone that it finds best: each gets to be the best in turn.
    """
    streams = list(container.streams.audio)
    was = [stream.disposition for stream in streams]
    related: list[AudioStream] = []
    for candidate in streams:
        for stream in streams:
            stream.disposition = Disposition.default if stream is candidate else Disposition.visual_impaired
        best = container.streams.best("audio", related=video)
        # One without parameters is never found, and its program unknown.
        if not _is_known(candidate) or (best is not None and best.index == candidate.index):
            related.append(candidate)
    for stream, disposition in zip(streams, was, strict=True):
        stream.disposition = disposition
    return related
