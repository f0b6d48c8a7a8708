"""What a probe tells, and what a source may be. Imported by the caged process, of whose time imports are the most."""

from fractions import Fraction

from msgspec import Struct

from vodstack_contracts.videos import Failure, SourceFacts, VideoWarning
from vodstack_worker.caption_tracks import CaptionTrack

SOURCE = "source"
MAX_TRACKS = 64
# What media tools open at most: tracks, and what else libavformat calls a stream, such as attached fonts and covers.
MAX_STREAMS = 512
MAX_SIDE = 8192
MAX_PIXELS = 8192 * 4608


class Probe(Struct, frozen=True, kw_only=True, tag="probe"):
    """Facts for the client, and what the plan of the encode stands on.

    `grid` holds when timestamps run forward without great gaps: then frame N of the output lies at `origin + N / rate`
    of the source's own clock. `pad` is how long the sound goes on after the last picture.

    `start` is the moment from which players count a source's time; `keys` are the key frames at which decoding may
    begin, as moments of display and of decoding after it, `key_gap` the longest way from one to the next. `obstacle`
    says why the source cannot be taken up in its middle. `picture_bytes` are those of one decoded picture. `warnings`
    go into the record of a video that becomes ready.
    """

    facts: SourceFacts
    demuxer: str
    video_index: int
    audio_index: int | None
    rate_numerator: int
    rate_denominator: int
    origin: float
    grid: bool
    interlaced: bool
    hdr: bool
    pad: float
    start: float
    keys: list[tuple[float, float]]
    key_gap: float
    obstacle: str
    captions: list[CaptionTrack] = []
    captions_left_out: int = 0
    picture_bytes: int = 0
    warnings: list[VideoWarning] = []

    @property
    def rate(self) -> Fraction:
        return Fraction(self.rate_numerator, self.rate_denominator)


class Refusal(Struct, frozen=True, kw_only=True, tag="refusal"):
    """The probe's word that the file is no use."""

    failure: Failure
