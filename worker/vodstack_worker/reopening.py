"""A plan that was given up and is wanted again: which of its jobs are still done."""

from collections.abc import Iterator

from vodstack_worker.arguments import INIT
from vodstack_worker.chunk_table import Standing
from vodstack_worker.plans import Chunk, ChunkPlan


def lost_jobs(standing: Standing, names: set[str]) -> list[int]:
    """Jobs that are done, yet whose files are not all among `names`, those that lie under the video's `hls/`."""
    return [number for number in sorted(standing.results) if not names.issuperset(_files(standing, number))]


def _files(standing: Standing, number: int) -> Iterator[str]:
    made, result = standing.plan, standing.results[number]
    if number == made.sound_number:
        for name in made.plan.audio_names:
            yield f"{name}/{made.prefix}{INIT}"
            yield from (f"{name}/{made.segment_name(segment)}" for segment in range(len(result.lengths)))
        return
    for rung in made.plan.rungs:
        if number == 0:
            yield f"{rung.name}/{made.prefix}{INIT}"
        segments = _segments(made, made.chunks[number], result.frames)
        yield from (f"{rung.name}/{made.segment_name(segment)}" for segment in segments)


def _segments(made: ChunkPlan, chunk: Chunk, frames: int) -> range:
    length = made.plan.segment
    return range(chunk.first // length, -(-(chunk.first + frames) // length))
