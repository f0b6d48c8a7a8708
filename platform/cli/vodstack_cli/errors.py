"""What the command tells its user instead of a traceback.

CommandError
├── ApiError          the API answered with a problem, or not at all
├── VideoFailedError  the video is `failed`
├── VerificationError what is stored is not what was promised
└── LaptopError       the local stack did not come up
"""

from collections.abc import Sequence


class CommandError(Exception):
    """A sentence that says what to do. `log` holds the end of the log it came from, if there is one."""

    def __init__(self, message: str, log: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.log = tuple(log)


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
