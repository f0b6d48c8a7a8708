"""What is compared runs at the same time, each on a core of its own: a machine slows both down alike."""

import os
import resource
import time
from collections.abc import Callable, Generator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from typing import TypeVar

_First = TypeVar("_First")
_Second = TypeVar("_Second")


@dataclass(frozen=True)
class Cost:
    wall: float
    cpu: float


@contextmanager
def costing(costs: list[Cost]) -> Generator[None]:
    """Adds the wall time of a block, and the CPU time of the processes that ended in it."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    yield
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    costs.append(Cost(time.perf_counter() - start, cpu))


@contextmanager
def on_cores(cores: set[int]) -> Generator[None]:
    """What is started in the block stays on these cores."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores & before or before)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def side_by_side(first: Callable[[int], _First], second: Callable[[int], _Second], turn: int) -> tuple[_First, _Second]:
    """What both give, called with the core that is theirs: they change places each turn."""
    one, other = (0, 1) if turn % 2 == 0 else (1, 0)
    # Processes, for the CPU of what ended is counted for a process as a whole.
    with ProcessPoolExecutor(2, get_context("spawn")) as pool:
        begun = pool.submit(first, one), pool.submit(second, other)
        return begun[0].result(), begun[1].result()
