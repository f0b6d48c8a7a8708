"""The last segment of the sound, where it is too short to be one."""

from vodstack_worker.arguments import INIT, PLAYLIST
from vodstack_worker.playlists import list_segments, playlist_text
from vodstack_worker.tool_files import JobFiles

# Of what begins shortly beyond its buffer hls.js takes no more notice, and then it waits for the end of it for ever.
_SHORTEST_SECONDS = 0.5
_FEWEST = 2
# Some seconds of audio take a fraction of it.
_SEGMENT_BYTES = 16 * 1024 * 1024


def join_tail(files: JobFiles, home: str, prefix: str = "") -> None:
    """Write a last segment that is too short with the one before, as one. Raises RetryError as `list_segments` does."""
    listed = list_segments(files, home, prefix)
    if len(listed.segments) < _FEWEST or listed.durations[-1] >= _SHORTEST_SECONDS:
        return
    *names, last = listed.segments
    *lengths, length, rest = listed.durations
    before = f"{home}/{names[-1]}"
    # The tools' own files stay as they are: these are the worker's, and hide them.
    files.write(before, files.read(before, _SEGMENT_BYTES), files.read(f"{home}/{last}", _SEGMENT_BYTES))
    text = playlist_text(f"{prefix}{INIT}", names, [*lengths, length + rest])
    files.write(f"{home}/{PLAYLIST}", text.encode())
