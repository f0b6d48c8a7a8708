"""Whether the worker's loops still turn, for the liveness probe."""

import time
from collections.abc import Callable

LONGEST_SILENCE_SECONDS = 180.0


class Pulse:
    """Every loop beats; one that is silent for too long hangs. Ready once the queue has answered."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._beats: dict[str, float] = {}
        self._ready = False

    def beat(self, loop: str) -> None:
        self._beats[loop] = self._clock()

    def forget(self, loop: str) -> None:
        self._beats.pop(loop, None)

    def answered(self) -> None:
        self._ready = True

    def silent(self) -> list[str]:
        """The loops that hang."""
        now = self._clock()
        return [loop for loop, beat in self._beats.items() if now - beat > LONGEST_SILENCE_SECONDS]

    @property
    def ready(self) -> bool:
        return self._ready
