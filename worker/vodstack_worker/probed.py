"""What a probe tells, and what a source may be. Imported by the caged process, of whose time imports are the most."""

from fractions import Fraction

from msgspec import Struct

from vodstack_contracts.videos import Failure, SourceFacts, VideoWarning
from vodstack_worker.audio_tracks import AudioChoice
from vodstack_worker.caption_tracks import CaptionTrack
from vodstack_worker.colours import Colours
from vodstack_worker.grid import Grid
from vodstack_worker.jumps import Corrections

SOURCE = "source"
MAX_TRACKS = 64
# What media tools open at most: tracks, and what else libavformat calls a stream, such as attached fonts and covers.
MAX_STREAMS = 512
MAX_SIDE = 8192
MAX_PIXELS = 8192 * 4608
# Files that do not list their tracks at the beginning are read so far in search of those that begin late.
LATE_TRACK_BYTES = 64 * 1024**2
ANALYZE_MICROSECONDS = 24 * 3600 * 1_000_000
# Four hours at 120 a second.
MAX_FRAMES = 1_728_000


class AudioTrack(Struct, frozen=True, kw_only=True):
    """A track of audio that is encoded: `seconds` long in the source, offered as a `choice`.

    See Corrections for the rest.
    """

    index: int
    seconds: float
    corrections: Corrections = Corrections()
    choice: AudioChoice = AudioChoice()


class Probe(Struct, frozen=True, kw_only=True, tag="probe"):
    """Facts for the client, and what the plan of the encode stands on.

    `start` is the moment from which players count a source's time; `keys` are the key frames at which decoding may
    begin, as moments of display and of decoding after it, `key_gap` the longest way from one to the next. `obstacle`
    says why the source cannot be taken up in its middle. `picture_bytes` are those of one decoded frame; `audios` begin
    with the default. `probe_bytes` have to be read in search of the tracks, 0 for no more than usual. `field_size` is
    that of interlaced frames, None where there are none; `upright` says that frames need not be turned. `shapes` are
    those of pixels where they change, each from a moment of the grid on. `readable_bytes` are what media tools can read
    of a file that was cut off, 0 of any other. `warnings` go into the record of a video that becomes ready.
    """

    facts: SourceFacts
    demuxer: str
    video_index: int
    audios: list[AudioTrack]
    grid: Grid
    corrections: Corrections
    field_size: tuple[int, int] | None
    upright: bool
    start: float
    keys: list[tuple[float, float]]
    key_gap: float
    obstacle: str
    captions: list[CaptionTrack] = []
    captions_left_out: int = 0
    picture_bytes: int = 0
    shapes: list[tuple[float, float]] = []
    probe_bytes: int = 0
    readable_bytes: int = 0
    colours: Colours = Colours()
    warnings: list[VideoWarning] = []

    @property
    def rate(self) -> Fraction:
        return self.grid.rate


class Refusal(Struct, frozen=True, kw_only=True, tag="refusal"):
    """The probe's word that the file is no use."""

    failure: Failure
