"""WorkerError
├── InstallationError   media tools do not run on this machine: the worker stops, and no video is blamed
├── RetryError          may go well another time: the message comes back
│   ├── CrashError      a media tool crashed over the video: another way is tried first
│   ├── MismatchError   a chunk, or a segment, is not what was planned
│   └── ToolError       a media tool ended without a word about the video
├── IncompleteError     what was made is shorter than the original: another way is tried, then the video is `failed`
├── GiveUpError         never will: the video is `failed`, and the client is told why
├── FallBackError       these chunks will never fit together: the video is transcoded in one pass
├── NotYetError         the video's owner has had its share: the video waits, and goes on later
├── LeaseLostError      somebody else has the video now, or it is deleted: stop, write nothing
├── JobRefusedError     somebody else has a chunk in hand
└── ConditionFalseError a conditional write found another state than it asked for
"""  # noqa: D205, D400 - the hierarchy is the summary

from vodstack_contracts.videos import Failure, FailureCode, Lease, VideoRecord


class WorkerError(Exception):
    """The worker could not do what it set out to do."""


class RetryError(WorkerError):
    """`counted` failures end in `failed` after some attempts; trouble that is AWS's own is not counted."""

    def __init__(self, reason: str, *, counted: bool = True) -> None:
        super().__init__(reason)
        self.counted = counted


class InstallationError(WorkerError):
    """The message says what is missing on this machine, and what to do about it."""


class ToolError(RetryError):
    """A media tool could not be run, or broke off: the installation may be at fault as well as the video."""


class CrashError(RetryError):
    """A media tool ended by a signal of its own, such as SIGSEGV."""


class MismatchError(RetryError):
    """One further attempt is made before the chunks are given up."""


class IncompleteError(WorkerError):
    """`missing` of `seconds` are not in what was made; less than none where it is too long."""

    def __init__(self, missing: float, seconds: float) -> None:
        super().__init__(f"{missing:.3f} of {seconds:.3f} seconds are missing")
        self.missing = missing
        self.seconds = seconds


class FallBackError(WorkerError):
    """The reason is written into the record's plan."""


class GiveUpError(WorkerError):
    """`message` is read by the client: what is wrong, and what to do about it."""

    def __init__(self, code: FailureCode, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.failure = Failure(code=code, message=message)


class NotYetError(WorkerError):
    """`until` is the moment, in epoch seconds, from which the owner may encode again; None where a turn is awaited."""

    def __init__(self, reason: str, until: float | None = None) -> None:
        super().__init__(reason)
        self.until = until


class LeaseLostError(WorkerError):
    """`record` is what the table holds instead, where that is known."""

    def __init__(self, reason: str, record: VideoRecord | None = None, *, known: bool = False) -> None:
        super().__init__(reason)
        self.record = record
        self.known = known

    @property
    def kind(self) -> str:
        """Whether somebody else has it, or the lease could not be extended."""
        return "taken" if self.known else "unreachable"


class JobRefusedError(WorkerError):
    """`lease` is the one that is held."""

    def __init__(self, lease: Lease) -> None:
        super().__init__(f"held until {lease.expires_at:.0f}")
        self.lease = lease


class ConditionFalseError(WorkerError):
    """`record` is what the table holds; None where it holds nothing."""

    def __init__(self, record: VideoRecord | None) -> None:
        super().__init__(f"the record is {record.status if record else 'missing'}")
        self.record = record
