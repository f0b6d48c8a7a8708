"""How long a track is."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Extent:
    """What of a track is shown, its jumps corrected: from `start` to `end`, the last packet's at `last`."""

    start: float
    last: float
    end: float
    packets: int
    interval: float | None

    @property
    def mean_interval(self) -> float | None:
        return (self.last - self.start) / (self.packets - 1) if self.packets > 1 and self.last > self.start else None
