"""Audio tracks as viewers choose among them. The worker's own process reads them, without PyAV."""

from msgspec import Struct

from vodstack_contracts.videos import AudioRole
from vodstack_worker.caption_tracks import UNKNOWN_LANGUAGE

MOST_AUDIO = 4
NO_LABEL = "Audio"


class AudioChoice(Struct, frozen=True, kw_only=True):
    """How a track is offered. `language` is a BCP 47 tag; `label` is unlike every other track's."""

    language: str = UNKNOWN_LANGUAGE
    label: str = NO_LABEL
    role: AudioRole = AudioRole.MAIN
