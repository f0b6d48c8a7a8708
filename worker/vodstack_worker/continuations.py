"""Recordings that were joined with tracks of their own: the video, or its audio, goes on in another track."""

from collections import deque
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from vodstack_contracts.videos import FailureCode, VideoWarning, WarningCode
from vodstack_worker.errors import GiveUpError

_LEAST_SECONDS = 0.5
# The last packets of a track in a transport stream are known to be whole at the end of the file alone.
_HELD_BACK = 5


@dataclass
class Span:
    """A track that is not used: where in the file its first packet and its last ones are, and the time it covers."""

    first: int = -1
    last: deque[int] = field(default_factory=lambda: deque[int](maxlen=_HELD_BACK))
    begins: float = 0.0
    ends: float = 0.0

    def add(self, place: int, shown: float) -> None:
        """Count a packet."""
        if not self.last:
            self.first, self.begins = place, shown
        self.last.append(place)
        self.ends = max(shown, self.ends)

    @property
    def seconds(self) -> float:
        return self.ends - self.begins


def seconds_elsewhere(places: Sequence[int], spans: list[Span]) -> float:
    """How long other tracks last that lie before or behind a track with packets at these places in the file."""
    first, last = places[0], places[-_HELD_BACK:][0]
    longer = [span for span in spans if span.seconds > _LEAST_SECONDS]
    return sum(span.seconds for span in longer if span.first > last or span.last[0] < first)


def require_whole(seconds: float, elsewhere: float) -> None:
    """Raises GiveUpError where part of the video is in other tracks."""
    if elsewhere:
        raise GiveUpError(
            FailureCode.INCOMPLETE,
            f"The file holds several recordings, one after the other, in tracks of their own: one has {seconds:.1f} "
            f"seconds of the video, others have {elsewhere:.1f}. Upload each recording by itself, or join them again "
            "by a tool that encodes them as one.",
        )


def require_no_late_video(kinds: Collection[str]) -> None:
    """Raises GiveUpError where tracks of these kinds came up so late that they are not used, and one is of video."""
    if "video" in kinds:
        raise GiveUpError(
            FailureCode.INCOMPLETE,
            "The file holds several recordings, one after the other, in tracks of their own. Upload each recording by "
            "itself, or join them again by a tool that encodes them as one.",
        )


def warn_of_late_audio(kinds: Collection[str]) -> list[VideoWarning]:
    """A warning where tracks of these kinds came up so late that they are not used, and one is of audio."""
    if "audio" not in kinds:
        return []
    message = (
        "An audio track begins late in the file, and is left out. Export the video as MP4 and upload that, if it is to "
        "be heard."
    )
    return [VideoWarning(code=WarningCode.AUDIO_DAMAGED, message=message)]


def warn_of_audio(elsewhere: float) -> list[VideoWarning]:
    """A warning where part of the audio is in other tracks."""
    if not elsewhere:
        return []
    message = (
        f"{elsewhere:.1f} seconds of the audio are in another audio track, which goes on where this one ends, and are "
        "silent in the video. Export the video with one audio track and upload that, if they are to be heard."
    )
    return [VideoWarning(code=WarningCode.AUDIO_DAMAGED, message=message)]
