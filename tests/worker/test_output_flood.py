"""What a media tool prints without end keeps nothing else in the worker from its turn."""

import asyncio
from dataclasses import replace

from vodstack_worker.media_process import Limits, run_tool
from vodstack_worker.scratch import Scratch

MOST_LINES = 1000


def test_a_flood_of_lines_leaves_other_tasks_their_turns(scratch: Scratch, limits: Limits):
    between = [0]

    def count(_: str) -> None:
        between[-1] += 1

    async def take_turns() -> None:
        while True:
            await asyncio.sleep(0)
            between.append(0)

    async def flood() -> None:
        with scratch.job() as folder:
            turns = asyncio.create_task(take_turns())
            await run_tool("/usr/bin/yes", [""], folder, replace(limits, wall_seconds=1.5), count)
            turns.cancel()

    asyncio.run(flood())
    assert sum(between) > 10 * MOST_LINES
    assert max(between) <= MOST_LINES
