"""Whether an encode holds all of its original: what was made is compared with what the original's packets say.

docs/adr/0082-what-was-made-is-compared.md
"""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

from vodstack_contracts.videos import VideoWarning, WarningCode
from vodstack_worker.continuations import require_no_late_video, warn_of_late_audio
from vodstack_worker.encode_log import Decoded, EncodeLog
from vodstack_worker.errors import IncompleteError, MismatchError
from vodstack_worker.filters import AUDIO_RATE
from vodstack_worker.fragments import Fragments, read_fragments
from vodstack_worker.plans import Plan
from vodstack_worker.playlists import list_segments
from vodstack_worker.probed import AudioTrack
from vodstack_worker.tool_files import MEDIA_BYTES, JobFiles

# An encoder of AAC works in frames of so many samples; one is put before the first, and the last is filled up.
AAC_SAMPLES = 1024
_PRIMING_SAMPLES = AAC_SAMPLES
_WORTH_TELLING_SECONDS = 0.05
# Where each packet holds one frame that is shown. A decoder that is not asked for all of its frames keeps some.
_FRAMES_AS_PACKETS = frozenset({"mov", "matroska", "mpegts", "flv"})
_CODECS_OF_FRAMES = frozenset({"h264", "hevc", "mpeg1video", "mpeg2video", "mjpeg", "prores", "dnxhd"})
_SILENT_SECONDS = 1.0
# A recording may begin long before its first key frame. What decoders pass over beyond this is not that.
_MOST_SILENT = 1 / 3


def count_frames(files: JobFiles, names: Sequence[str], plan: Plan, first: int = 0) -> int:
    """Frames of one rendition's segments, which follow one another from frame `first` on. Raises MismatchError."""
    frames = 0
    for name in names:
        found = read_segment(files, name)
        begins = Fraction((first + frames) * plan.timescale) / plan.probe.rate
        if found.begins != begins:
            raise MismatchError(f"{name} begins at {found.begins} of {plan.timescale}, not {begins}")
        frames += found.samples
    return frames


def read_segment(files: JobFiles, name: str) -> Fragments:
    """Raises MismatchError where nothing is in it, RetryError where it is no file."""
    try:
        with files.open(name, MEDIA_BYTES) as file:
            found = read_fragments(file)
    except ValueError as error:
        raise MismatchError(f"{name} is no segment: {error}") from error
    if found.samples == 0:
        raise MismatchError(f"{name} is empty")
    return found


def require_complete(folder: Path, plan: Plan, log: EncodeLog) -> list[VideoWarning]:
    """What little is missing of a video that was encoded in one pass.

    Raises IncompleteError, MismatchError, or GiveUpError where no other way gives more.
    """
    require_no_late_video(log.late)
    rate = float(plan.probe.rate)
    # The frame at which the last one of the source is shown may be one off, by rounding.
    cut_off = max(0, plan.probe.grid.last - log.grid_frames) / rate
    missing = max(cut_off, _lost(log.decoded.get(plan.probe.video_index), _seconds(plan)))
    if missing > plan.tolerance_seconds:
        raise IncompleteError(missing, plan.probe.facts.duration_seconds)
    files = JobFiles(folder)
    for rung in plan.rungs:
        require_frames(count_frames(files, _segments(files, rung.name), plan), plan)
    for name in plan.audio_names:
        require_audio(sum(read_segment(files, each).duration for each in _segments(files, name)), plan)
    silent = _silently_lost(plan, log)
    if silent > max(plan.tolerance_seconds, _MOST_SILENT * _seconds(plan)):
        raise IncompleteError(silent, plan.probe.facts.duration_seconds)
    missing = max(missing, silent)
    warnings = [_frames_missing(missing)] if missing > 1 / rate else []
    lost = max((lost_audio(track, log) for track in plan.probe.audios), default=0.0)
    return [*warnings, *audio_warnings(lost), *warn_of_late_audio(log.late)]


def _segments(files: JobFiles, name: str) -> list[str]:
    home = f"hls/{name}"
    return [f"{home}/{segment}" for segment in list_segments(files, home).segments]


def require_frames(frames: int, plan: Plan) -> None:
    """Raises IncompleteError where a rendition has not exactly as many as are to be shown."""
    if frames != plan.frames:
        missing = float((plan.frames - frames) / plan.probe.rate)
        raise IncompleteError(missing, plan.probe.facts.duration_seconds)


def require_audio(samples: int, plan: Plan) -> None:
    """Raises IncompleteError where a rendition of audio does not last as long as the video."""
    missing = plan.audio_samples(AUDIO_RATE) + _PRIMING_SAMPLES - samples
    if abs(missing) > AAC_SAMPLES:
        raise IncompleteError(missing / AUDIO_RATE, plan.probe.facts.duration_seconds)


def lost_audio(track: AudioTrack, log: EncodeLog) -> float:
    """Seconds of a track that could not be decoded, and are silent."""
    return _lost(log.decoded.get(track.index), track.seconds)


def audio_warnings(seconds: float) -> list[VideoWarning]:
    """For so many seconds that are silent; none for what is hardly heard."""
    if seconds < _WORTH_TELLING_SECONDS:
        return []
    message = f"{seconds:.1f} seconds of the audio could not be decoded and are silent. The original is damaged there."
    return [VideoWarning(code=WarningCode.AUDIO_DAMAGED, message=message)]


def merged(promised: list[VideoWarning], measured: list[VideoWarning]) -> list[VideoWarning]:
    """What was measured, in place of what the probe could tell of the same."""
    codes = {warning.code for warning in measured}
    return [*(warning for warning in promised if warning.code not in codes), *measured]


def _seconds(plan: Plan) -> float:
    return float(plan.probe.grid.content / plan.probe.rate)


def _lost(decoded: Decoded | None, seconds: float) -> float:
    """How long the packets last that a decoder gave an error for, and no frame. Some hold none in good order."""
    if decoded is None or not decoded.errors or not decoded.packets:
        return 0.0
    packets = min(decoded.errors, decoded.packets - decoded.frames)
    return max(0, packets) / decoded.packets * seconds


def _silently_lost(plan: Plan, log: EncodeLog) -> float:
    """How long frames last of which decoders say nothing, as at the beginning of a recording that has no key frame."""
    decoded = log.decoded.get(plan.probe.video_index)
    one_frame_each = plan.probe.demuxer in _FRAMES_AS_PACKETS and plan.probe.facts.video_codec in _CODECS_OF_FRAMES
    if decoded is None or not decoded.packets or plan.probe.field_size or not one_frame_each:
        return 0.0
    seconds = (decoded.packets - decoded.frames) / decoded.packets * _seconds(plan)
    return seconds if seconds > _SILENT_SECONDS else 0.0


def _frames_missing(seconds: float) -> VideoWarning:
    message = (
        f"{seconds:.1f} seconds of the video could not be decoded: the frame before stays meanwhile. "
        "The original is damaged there."
    )
    return VideoWarning(code=WarningCode.FRAMES_MISSING, message=message)
