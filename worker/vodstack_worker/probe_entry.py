"""The sandboxed process that opens an original: prints a Probe, or a Refusal, as JSON.

`python -I -m vodstack_worker.probe_entry SANDBOX DEMUXER MAX_DURATION MAX_FRAMES SOURCE`, in the folder that holds
the source, unless that is an address at which the worker serves it.
"""

import sys

import msgspec
from av.error import FFmpegError

from vodstack_contracts.videos import Failure, FailureCode, SourceFacts
from vodstack_worker.chosen_tracks import ChosenTracks, choose_tracks
from vodstack_worker.confine import PORT, confine, read_sandbox
from vodstack_worker.containers import SEEKABLE
from vodstack_worker.continuations import require_whole, seconds_elsewhere, warn_of_audio
from vodstack_worker.errors import GiveUpError
from vodstack_worker.extent import Extent
from vodstack_worker.frame_samples import DAMAGED, FrameSamples
from vodstack_worker.grid import Grid, make_grid
from vodstack_worker.jumps import MOST_JUMPS, Corrections
from vodstack_worker.late_imports import import_all
from vodstack_worker.memory import fitting_threads
from vodstack_worker.probe_check import require_duration
from vodstack_worker.probe_source import Source, has_late_tracks, open_source, require_readable
from vodstack_worker.probed import LATE_TRACK_BYTES, AudioTrack, Probe, Refusal
from vodstack_worker.timeline import JOINED, Timeline, Track, measure, scan
from vodstack_worker.truncation import warn_of_missing


def main() -> None:
    """Confine, probe, print."""
    sandbox, demuxer, max_duration, max_frames, source = sys.argv[1:6]
    bounds = read_sandbox(sandbox)
    import_all()
    port = confine(bounds)
    address = Source(source.replace(PORT, str(port)), demuxer)
    require_readable(address)
    try:
        found: Probe | Refusal = _probe(address, int(max_duration), int(max_frames), bounds["memory_bytes"])
    except GiveUpError as refused:
        found = Refusal(failure=refused.failure)
    except (MemoryError, FFmpegError) as error:
        print(repr(error)[:500], file=sys.stderr)  # noqa: T201 - the worker logs it
        found = Refusal(failure=Failure(code=FailureCode.CORRUPT, message=DAMAGED))
    sys.stdout.buffer.write(msgspec.json.encode(found))


def _probe(source: Source, max_duration: int, max_frames: int, memory_bytes: int) -> Probe:
    tracks, samples = choose_tracks(source)
    # What no encode could hold is refused before anything is planned.
    fitting_threads(samples.bytes, memory_bytes, 1)
    with open_source(source) as container:
        audio = [sound.index for sound, _ in tracks.audios]
        others = [*tracks.other_videos, *tracks.other_audios] if source.demuxer in JOINED else []
        timeline = scan(container, tracks.video_index, audio, samples, others=others, max_frames=max_frames)
        if not source.probe_bytes and has_late_tracks(container):
            return _probe(source._replace(probe_bytes=LATE_TRACK_BYTES), max_duration, max_frames, memory_bytes)
    fitting_threads(samples.bytes, memory_bytes, 1)
    return _assemble(source, tracks, samples, timeline, max_duration)


def _assemble(
    source: Source, tracks: ChosenTracks, samples: FrameSamples, timeline: Timeline, max_duration: int
) -> Probe:
    demuxer = source.demuxer
    corrections, audio_corrections = timeline.corrections(demuxer)
    video = measure(timeline.video, corrections)
    if video is None:
        raise GiveUpError(FailureCode.CORRUPT, DAMAGED)
    _require_mendable(corrections)
    require_whole(video.end - video.start, _elsewhere(timeline, timeline.video, tracks.other_videos))
    audios, heard = _audio_tracks(tracks, timeline, audio_corrections)
    default = heard[0] if heard else None
    grid = make_grid(video, default, tracks.declared_rate)
    duration = max(video.end, video.last, default.end if default else video.end) - grid.origin
    duration = min(duration, float(grid.seconds)) if default else duration
    require_duration(duration, max_duration)
    width, height = samples.size
    codecs = {sound.index: sound.codec for sound, _ in tracks.audios}
    facts = SourceFacts(
        container=demuxer,
        duration_seconds=round(duration, 6),
        width=width,
        height=height,
        frame_rate=round(1 / video.mean_interval if video.mean_interval else float(grid.rate), 3),
        video_codec=tracks.video_codec,
        audio_codec=codecs[audios[0].index] if audios else None,
    )
    spoken = _elsewhere(timeline, timeline.audio[audios[0].index], tracks.other_audios) if audios else 0.0
    start = timeline.container_start
    found = max(video.end, video.last, *(extent.end for extent in heard)) - start
    return Probe(
        facts=facts,
        demuxer=demuxer,
        video_index=tracks.video_index,
        audios=audios,
        grid=grid,
        corrections=corrections,
        field_size=samples.field_size,
        upright=samples.upright,
        colours=samples.colours,
        start=start,
        keys=[(shown - start, decoded - start) for shown, decoded in timeline.keys.moments],
        key_gap=timeline.keys.widest,
        probe_bytes=source.probe_bytes,
        obstacle=_obstacle(source, timeline, corrected=bool(corrections.pieces)),
        captions=tracks.captions,
        captions_left_out=tracks.captions_left_out,
        picture_bytes=samples.bytes,
        shapes=_shapes(timeline, corrections, samples, grid),
        warnings=[*tracks.warnings, *warn_of_audio(spoken), *warn_of_missing(demuxer, tracks.declared_seconds, found)],
    )


def _shapes(
    timeline: Timeline, corrections: Corrections, samples: FrameSamples, grid: Grid
) -> list[tuple[float, float]]:
    """From which moment of the grid on pixels have which shape; nothing where they are all alike."""
    if len(samples.shapes) < 2:  # noqa: PLR2004 - one shape is no change
        return []
    shown = list(corrections.applied(timeline.video.shown))
    return [(shown[number] - grid.origin, float(pixel)) for number, pixel in samples.shapes]


def _elsewhere(timeline: Timeline, track: Track, others: list[int]) -> float:
    """How many seconds of a track are in others."""
    spans = [timeline.others[index] for index in others if index in timeline.others]
    return seconds_elsewhere(track.places, spans)


def _audio_tracks(
    tracks: ChosenTracks, timeline: Timeline, corrections: dict[int, Corrections]
) -> tuple[list[AudioTrack], list[Extent]]:
    """Those of which something is heard, the default before those that are offered beside it."""
    audios: list[AudioTrack] = []
    extents: list[Extent] = []
    for sound, choice in tracks.audios:
        found = corrections[sound.index]
        extent = measure(timeline.audio[sound.index], found)
        if extent is None:
            continue
        if not audios:
            _require_mendable(found)
        elif len(found.pieces) > MOST_JUMPS:
            continue
        seconds = extent.end - extent.start
        audio = AudioTrack(index=sound.index, seconds=seconds, corrections=found, choice=choice)
        audios.append(audio)
        extents.append(extent)
    return audios, extents


def _obstacle(source: Source, timeline: Timeline, *, corrected: bool) -> str:
    if source.demuxer not in SEEKABLE:
        return f"frames of {source.demuxer} files cannot be found exactly"
    if corrected:
        return "timestamps jump"
    if timeline.untimed:
        return "frames lack timestamps"
    if source.probe_bytes:
        return "a track begins late"
    if timeline.changes:
        return "the video's parameters change on the way"
    return ""


def _require_mendable(corrections: Corrections) -> None:
    if len(corrections.pieces) > MOST_JUMPS:
        raise GiveUpError(
            FailureCode.CORRUPT,
            f"The video's timestamps jump more than {MOST_JUMPS} times. Export the video again and upload that.",
        )


if __name__ == "__main__":
    main()
