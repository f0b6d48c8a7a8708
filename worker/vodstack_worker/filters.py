"""Filter graphs of an encode: decoded frames and samples, made alike and put on the grid.

Parameters of a source may change on the way. The video's graph stays as it is, for its first filter takes frames of any
kind. No filter of audio does: a graph that ffmpeg builds anew at each change stands before one that never sees any.
docs/adr/0081-parameters-may-change-on-the-way.md
"""

from vodstack_worker.colours import convert_filters
from vodstack_worker.ladder import Rung
from vodstack_worker.plans import Plan, Share

AUDIO_RATE = 48_000

_WIDEST_PIXEL = 8
_SPARE_SECONDS = 1.0
_BEFORE_FRAME_SECONDS = 0.001
# Less than a frame of any usual codec: shorter gaps come from clocks that count in milliseconds.
_SHORTEST_GAP_SECONDS = 0.015
# Rounding to even sizes changes a shape by less; a frame of another shape is shown whole, between bars.
_SHAPE_TOLERANCE = 0.05


def filter_graphs(plan: Plan, share: Share) -> list[str]:
    """Each is the value of one `-filter_complex`. Outputs: `r0`, `r1`, ... for the rungs, the audio folders' names."""
    return [*(_video_graphs(plan, share) if share.video else ()), *(_audio_graphs(plan) if share.audio else ())]


def _video_graphs(plan: Plan, share: Share) -> list[str]:
    top, *others = plan.rungs
    names = [f"r{index}" for index in range(len(plan.rungs))]
    split = [f"split={len(names)}"] if others else []
    outlets = "".join(f"[{name}]" for name in (names[0], *(f"v{name}" for name in names[1:])))
    sizes = [f"[v{name}]scale={rung.width}:{rung.height}[{name}]" for name, rung in zip(names[1:], others, strict=True)]
    filters = [*_converted(plan, top), *_grid_filters(plan, share), *split]
    return [";".join([f"[0:{plan.probe.video_index}]{','.join(filters)}{outlets}", *sizes])]


def _converted(plan: Plan, rung: Rung) -> list[str]:
    """Any decoded frame as one of the largest rung."""
    bars = f"pad={rung.width}:{rung.height}:-1:-1:eval=frame"
    return [*_deinterlaced(plan), *convert_filters(plan.probe.colours, *_fitted(plan, rung), bars), "setsar=1"]


def _deinterlaced(plan: Plan) -> list[str]:
    """Frames that are marked as interlaced, and no others; of one size, for the deinterlacer knows no change."""
    if plan.probe.field_size is None:
        return []
    width, height = plan.probe.field_size
    return [f"scale={width}:{height}:interl=-1:eval=frame", "bwdif=mode=send_frame:deint=interlaced"]


def _fitted(plan: Plan, rung: Rung) -> tuple[str, str]:
    """Width and height: the rung's own, or what fits into it where the frame has another shape."""
    shape = f"if(between(sar,1/{_WIDEST_PIXEL},{_WIDEST_PIXEL}),dar,a)"
    if plan.probe.shapes:
        # Decoded frames have their stream's first shape, whatever their own.
        pixel = "1"
        for moment, each in plan.probe.shapes:
            pixel = f"if(gte(t,{moment - _BEFORE_FRAME_SECONDS:.6f}),{each:.6f},{pixel})"
        shape = f"a*{pixel}"
    alike = f"lt(abs({shape}*{rung.height}/{rung.width}-1),{_SHAPE_TOLERANCE})"
    width = f"if({alike},{rung.width},max(2,2*trunc(min({rung.width},{rung.height}*{shape})/2)))"
    height = f"if({alike},{rung.height},max(2,2*trunc(min({rung.height},{rung.width}/({shape}))/2)))"
    return width, height


def _grid_filters(plan: Plan, share: Share) -> list[str]:
    """The frames that enter the encoders, each at its place on the grid, and as many as there are to be."""
    grid, chunk = plan.probe.grid, share.chunk
    # A run that begins in the middle has nothing to fill up to its first frame.
    start = ":start_time=0" if chunk is None or chunk.number == 0 else ""
    stay = [] if chunk and not chunk.last else [f"tpad=stop_mode=clone:stop_duration={share.hold_seconds(plan):.3f}"]
    first = f"start_pts={chunk.first}:" if chunk and chunk.number else ""
    return [
        f"fps={grid.rate_numerator}/{grid.rate_denominator}:round=near:eof_action=pass{start}",
        *stay,
        f"trim={first}end_pts={chunk.end if chunk else plan.frames}",
    ]


def _audio_graphs(plan: Plan) -> list[str]:
    """Silence fills what is missing at the beginning, in gaps and at the end, to the very end of the video."""
    samples = plan.audio_samples(AUDIO_RATE)
    alike = f"aresample={AUDIO_RATE},aformat=sample_fmts=fltp:channel_layouts=stereo"
    # The second graph hears nothing of the end: silence has to come from the first.
    silence = f"apad=pad_dur={float(plan.probe.grid.seconds) + _SPARE_SECONDS:.3f}"
    return [
        graph
        for track, name in zip(plan.probe.audios, plan.audio_names, strict=True)
        for graph in (
            f"[0:{track.index}]{alike},{silence}[d{name}]",
            f"[d{name}]aresample=async=1:min_hard_comp={_SHORTEST_GAP_SECONDS}:first_pts=0,atrim=end_sample={samples}[{name}]",
        )
    ]
