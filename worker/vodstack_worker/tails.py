"""The last segment of the sound, where it is too short to be one."""

from pathlib import Path

from vodstack_worker.arguments import PLAYLIST
from vodstack_worker.playlists import list_segments, playlist_text

# Of what begins shortly beyond its buffer hls.js takes no more notice, and then it waits for the end of it for ever.
_SHORTEST_SECONDS = 0.5
_FEWEST = 2


def join_tail(home: Path) -> None:
    """Append a last segment that is too short to the one before. Raises RetryError where the playlist is not whole."""
    path = home / PLAYLIST
    listed = list_segments(path)
    if len(listed.segments) < _FEWEST or listed.durations[-1] >= _SHORTEST_SECONDS:
        return
    *names, last = listed.segments
    *lengths, length, rest = listed.durations
    with (home / names[-1]).open("ab") as joined:
        joined.write((home / last).read_bytes())
    path.write_text(playlist_text(listed.init.name, names, [*lengths, length + rest]))
    (home / last).unlink()
