"""What the command tells its user instead of a traceback.

CommandError
├── ApiError          the API answered with a problem, or not at all
├── VideoFailedError  the video is `failed`
├── VerificationError what is stored is not what was promised
├── LaptopError       the local stack did not come up
└── StoppedError      Ctrl-C or SIGTERM ended the command
"""

import signal
from pathlib import Path


class CommandError(Exception):
    """A sentence that says what to do. `log` is the file with the log it came from, if there is one."""

    exit_status = 1
    log: Path | None = None


class ApiError(CommandError):
    """The API answered with a problem, or not at all. `status` is None where there was no answer.

    `wait_seconds` is after how long it may be asked again.
    """

    def __init__(self, message: str, status: int | None = None, wait_seconds: float = 1.0) -> None:
        super().__init__(message)
        self.status = status
        self.wait_seconds = wait_seconds


class VideoFailedError(CommandError):
    """The video is `failed`; `code` is the failure's own."""

    def __init__(self, message: str, code: str) -> None:
        super().__init__(message)
        self.code = code


class VerificationError(CommandError):
    """What is stored is not what was promised."""


class LaptopError(CommandError):
    """The local stack did not come up."""


class StoppedError(CommandError):
    """Ctrl-C or SIGTERM ended the command; the exit status is the one by which a shell tells of that signal."""

    def __init__(self, message: str = "stopped", number: signal.Signals = signal.SIGINT) -> None:
        super().__init__(message)
        self.exit_status = 128 + number
