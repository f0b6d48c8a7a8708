"""Folders for files in the making. Nothing in them outlives its process for longer than until the next start."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

from vodstack_worker.errors import RetryError

_LOCK = "lock"
_PREFIX = "worker-"
_RESERVE = 0.1


def used_bytes(folder: Path) -> int:
    """What the files below `folder` take, as far as they hold still."""
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):
                total += (Path(parent) / name).lstat().st_size
    return total


def require_disk(code: int, stderr: str, step: str) -> None:
    """Raise RetryError, not counted, where a tool failed for want of disk.

    A video that is too large for its scratch was stopped before that: the disk is smaller than the config says.
    """
    if code and "No space left" in stderr:
        raise RetryError(f"{step}: the disk is full: {stderr}", counted=False)


def make_folder(job: Path, path: str, uid: int) -> None:
    """A folder in a job's, which the media tools can write to whoever they run as."""
    folder = job
    for part in path.split("/"):
        folder /= part
        folder.mkdir(exist_ok=True)
        if os.getuid() == 0:
            os.chown(folder, uid, uid)


class Scratch:
    """One process's folder, held by a lock that the kernel drops when the process dies, however it dies."""

    def __init__(self, root: Path, *, jobs: int, job_bytes: int, uid: int) -> None:
        root.mkdir(parents=True, exist_ok=True)
        self.root = root
        self._uid = uid
        self.swept = _sweep(root)
        self._folder, self._lock = _claim(root)
        free = shutil.disk_usage(root).free
        self.job_bytes = job_bytes or int(free * (1 - _RESERVE) / jobs)

    @contextmanager
    def job(self) -> Generator[Path]:
        """A folder for one job, gone when the job is over."""
        folder = Path(tempfile.mkdtemp(dir=self._folder))
        try:
            if os.getuid() == 0:
                os.chown(folder, self._uid, self._uid)
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def close(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)
        os.close(self._lock)


def _claim(root: Path) -> tuple[Path, int]:
    """A new folder and its lock. Another process that sweeps may be faster than the lock: then once more."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=root))
        try:
            lock = os.open(folder / _LOCK, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        except FileNotFoundError:
            continue
        fcntl.flock(lock, fcntl.LOCK_EX)
        if (folder / _LOCK).exists():
            folder.chmod(0o711)
            return folder, lock
        os.close(lock)


def _sweep(root: Path) -> int:
    """Remove the folders of dead processes: those whose lock nobody holds."""
    swept = 0
    for folder in root.glob(f"{_PREFIX}*"):
        try:
            lock = os.open(folder / _LOCK, os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            # A process that is just starting has no lock file yet, and nothing in its folder either.
            with suppress(OSError):
                folder.rmdir()
            continue
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
            swept += 1
        except BlockingIOError:
            pass
        finally:
            os.close(lock)
    return swept
