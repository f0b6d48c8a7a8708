"""Whether an audio track can be decoded, found by decoding a little of it. For the sandboxed process alone."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import islice
from typing import Any, NamedTuple

from av.audio.stream import AudioStream
from av.container import InputContainer
from av.error import FFmpegError
from av.packet import Packet

from vodstack_contracts.videos import VideoWarning, WarningCode
from vodstack_worker.containers import SEEKABLE
from vodstack_worker.probe_source import demux

_MOST_CANDIDATES = 8
_PLACES = 8
_PACKETS_OF_A_PLACE = 16
# Between two packets of one track lie those of others: so many at most are read in search of the next.
_PACKETS_READ_AT_A_PLACE = 2000
# Containers that say where a packet of audio begins and ends; elsewhere that is found by its content.
_FRAMED = frozenset({"mov", "matroska"})
_PLACES_UNTIL_WHOLE = 4
# ffmpeg gives a whole run up where two thirds of a track cannot be decoded. A little before that, nothing is lost
# with the rest.
_LEAST_READABLE = 0.4
_SUBSTANTIAL_DAMAGE = 0.05


class AudioTrial(NamedTuple):
    """How many packets were tried, how many of them could not be decoded, and how many gave audio."""

    tried: int
    failed: int
    heard: int

    @property
    def readable(self) -> bool:
        """A track without packets is empty, which is no damage."""
        return not self.tried or (self.heard > 0 and self.failed <= (1 - _LEAST_READABLE) * self.tried)

    def warnings(self, codec: str) -> list[VideoWarning]:
        """What the record has to say of a video whose audio track this is."""
        if not self.readable:
            message = (
                f"The audio track ({codec}) cannot be decoded, and the video was made without audio. "
                "Export it with AAC audio and upload that, if it is to be heard."
            )
            return [VideoWarning(code=WarningCode.AUDIO_UNREADABLE, message=message)]
        if self.failed > _SUBSTANTIAL_DAMAGE * self.tried:
            message = (
                f"About {self.failed / self.tried:.0%} of the audio track ({codec}) cannot be decoded, and is silent "
                "in the video. Export it again and upload that, if all of it is to be heard."
            )
            return [VideoWarning(code=WarningCode.AUDIO_DAMAGED, message=message)]
        return []


def first_readable(
    container: InputContainer, candidates: Sequence[AudioStream], *, remote: bool
) -> tuple[AudioStream | None, list[VideoWarning]]:
    """The first track that can be decoded, and what the record has to say of it. A track with packets comes first."""
    empty: AudioStream | None = None
    refused: list[VideoWarning] = []
    for audio in candidates[:_MOST_CANDIDATES]:
        trial = try_audio(container, audio, remote=remote)
        warnings = trial.warnings(audio.codec_context.codec.canonical_name)
        if trial.readable and trial.tried:
            return audio, warnings
        if trial.readable:
            empty = empty or audio
        refused = refused or warnings
    return empty, refused


def further_readable(
    container: InputContainer, candidates: Sequence[AudioStream], most: int, *, remote: bool
) -> tuple[list[AudioStream], list[VideoWarning]]:
    """Up to so many further tracks with packets that can be decoded, and what the record has to say of the others."""
    found: list[AudioStream] = []
    warnings: list[VideoWarning] = []
    for audio in candidates[:_MOST_CANDIDATES]:
        if len(found) == most:
            break
        trial = try_audio(container, audio, remote=remote)
        if trial.readable and trial.tried:
            found.append(audio)
        elif trial.tried:
            warnings.append(_left_out(audio.codec_context.codec.canonical_name))
    return found, warnings


def _left_out(codec: str) -> VideoWarning:
    message = (
        f"A further audio track ({codec}) cannot be decoded, and is left out. "
        "Export it with AAC audio and upload that, if it is to be heard."
    )
    return VideoWarning(code=WarningCode.AUDIO_UNREADABLE, message=message)


def try_audio(container: InputContainer, audio: AudioStream, *, remote: bool) -> AudioTrial:
    """Decode some packets of a track, spread over the whole where that costs little.

    The container is read from somewhere else after this: decode what lies at its beginning first.
    """
    formats = frozenset(container.format.name.split(","))
    framed = not _FRAMED.isdisjoint(formats)
    if remote and SEEKABLE.isdisjoint(formats):
        return _try_each([_next_packets(container, audio, _PLACES)], framed=True)
    trial = _try_each(_places(container, audio, framed=framed), framed=framed)
    if trial.readable:
        return trial
    # What was found may be due to jumping about: audio that plays from its beginning on is never left out.
    from_beginning = _try_each(_from_beginning(container, audio), framed=True)
    return AudioTrial(*(one + other for one, other in zip(trial, from_beginning, strict=True)))


def _try_each(places: "Iterable[Iterator[Packet[Any]]]", *, framed: bool) -> AudioTrial:
    # Places overlap in a short track, and beyond the end of one that was cut off: a packet counts once.
    found: dict[tuple[int | None, int | None, int], int | None] = {}
    for packets in places:
        decoded = [((packet.dts, packet.pos, packet.size), _decode(packet)) for packet in packets]
        first = 0
        if found and not framed:
            # In the middle of a stream of bytes it takes some packets to find a whole one.
            first = next((number for number, (_, samples) in enumerate(decoded) if samples is not None), 0)
        found |= decoded[first:][: _PACKETS_OF_A_PLACE if first else None]
    results = list(found.values())
    return AudioTrial(len(results), results.count(None), sum(bool(samples) for samples in results))


def _decode(packet: "Packet[Any]") -> int | None:
    """The samples in a packet; None where it cannot be decoded."""
    try:
        return sum(frame.samples for frame in packet.decode())
    except FFmpegError:
        return None


def _places(container: InputContainer, audio: AudioStream, *, framed: bool) -> "Iterator[Iterator[Packet[Any]]]":
    length, start = audio.duration or 0, audio.start_time or 0
    if not length and container.duration:
        length = int(container.duration / 1_000_000 / (audio.time_base or 1))
    if not length:
        yield _next_packets(container, audio, _PLACES)
        return
    for place in range(_PLACES):
        try:
            container.seek(start + length * place // _PLACES, stream=audio)
        except FFmpegError:
            continue
        yield _next_packets(container, audio, 1 if framed or not place else _PLACES_UNTIL_WHOLE)


def _from_beginning(container: InputContainer, audio: AudioStream) -> "Iterator[Iterator[Packet[Any]]]":
    with suppress(FFmpegError):
        container.seek(audio.start_time or 0, stream=audio)
        yield _next_packets(container, audio, _PLACES)


def _next_packets(container: InputContainer, audio: AudioStream, places: int) -> "Iterator[Packet[Any]]":
    """Those from here on. What cannot be read on ends here, as it does for the encoder."""
    read = islice(demux(container, list(container.streams)), places * _PACKETS_READ_AT_A_PLACE)
    wanted = (packet for packet in read if packet.stream_index == audio.index and packet.size)
    try:
        yield from islice(wanted, places * _PACKETS_OF_A_PLACE)
    except FFmpegError:
        return
