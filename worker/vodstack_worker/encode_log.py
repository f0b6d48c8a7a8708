"""What ffmpeg tells of an encode at its end: how much it decoded, and how many frames the grid took of that."""

import re
from dataclasses import dataclass, field

_SERIOUS = re.compile(r"\[(panic|fatal|error)\]")
_INPUT = re.compile(
    r"Input stream #0:(\d+) \((?:video|audio)\): (\d+) packets read .*; (\d+) frames decoded; (\d+) decode errors"
)
_LATE = re.compile(r"\[warning\] New (video|audio) stream with index \d+ at pos:")
_GRID = re.compile(r"\[Parsed_fps_\d+ @ .*\] \[verbose\] (\d+) frames in, (\d+) frames out;")


@dataclass(frozen=True)
class Decoded:
    """Of one track."""

    packets: int
    frames: int
    errors: int


@dataclass
class EncodeLog:
    """Reads the lines of `-v level+verbose`. `decoded` goes by the source's track.

    `grid_frames` are those that the source's own frames fill, the last one's stay left out. `late` are the kinds of the
    tracks that came up after the encode had begun, and are not used.
    """

    decoded: dict[int, Decoded] = field(default_factory=dict[int, Decoded])
    grid_frames: int = 0
    late: set[str] = field(default_factory=set[str])

    def read(self, line: str) -> bool:
        """Take what there is of a line; whether it is worth being kept for the log."""
        if found := _INPUT.search(line):
            index, packets, frames, errors = map(int, found.groups())
            self.decoded[index] = Decoded(packets, frames, errors)
        elif found := _LATE.search(line):
            self.late.add(found[1])
        elif found := _GRID.search(line):
            self.grid_frames = max(self.grid_frames, int(found[2]))
        return bool(_SERIOUS.search(line))
