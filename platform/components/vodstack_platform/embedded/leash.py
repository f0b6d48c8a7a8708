"""Ends the processes of a supervisor that died without ending them.

Reads process group ids from standard input, `+id` for one that started and `-id` for one that is gone. When the input
ends, what is left gets SIGTERM, and SIGKILL a little later. Stands alone, so that it starts in no time.
"""

import contextlib
import os
import signal
import sys
import time

_GRACE_SECONDS = 5.0
_POLL_SECONDS = 0.05


def main() -> None:
    # Ctrl-C in a terminal reaches the whole foreground group; the end of the input is the only sign that counts.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    groups: set[int] = set()
    for line in sys.stdin:
        group = int(line[1:])
        (groups.add if line[0] == "+" else groups.discard)(group)
    _send(groups, signal.SIGTERM)
    deadline = time.monotonic() + _GRACE_SECONDS
    while time.monotonic() < deadline and any(_alive(group) for group in groups):
        time.sleep(_POLL_SECONDS)
    _send(groups, signal.SIGKILL)


def _send(groups: set[int], signal_number: int) -> None:
    for group in groups:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(group, signal_number)


def _alive(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except (ProcessLookupError, PermissionError):
        return False
    return True


if __name__ == "__main__":
    main()
