"""Folders for files in the making. Nothing in them outlives its process for longer than until the next start."""

import fcntl
import os
import shutil
import sys
import tempfile
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from pathlib import Path

from vodstack_worker.confine import WRITABLE
from vodstack_worker.errors import RetryError

_LOCK = "lock"
_PREFIX = "worker-"
_RESERVE = 0.1
# Of a job's folder, where the worker writes what it makes of the tools' output.
OWN = "own"
_READABLE, _PRIVATE = 0o755, 0o700
_FOLDER = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_DIRECTORY
# Of a file without content: there is room for so and so many, as well as for so many bytes.
_ENTRY_BYTES = 4096
# Less is left of a disk on which a tool has just met the end.
_FULL_BYTES = 64 * 1024**2
_FULL_FILES = 16
# Of `st_blocks`, on every file system.
_BLOCK_BYTES = 512
# Below a job's folder: more take long to count and to remove.
_MOST_ENTRIES = 100_000
# How long the end of a job waits for its folder to go: the event loop stands still meanwhile.
_REMOVAL_SECONDS = 0.1


def used_bytes(folder: Path, enough: int = sys.maxsize) -> int:
    """What the files below `folder` take, as far as they hold still; once more than `enough` is found, so much.

    More than `_MOST_ENTRIES` count as more than `enough`.
    """
    total = count = 0
    folders = [str(folder)]
    while folders and total <= enough:
        with suppress(OSError), os.scandir(folders.pop()) as entries:
            for entry in entries:
                with suppress(OSError):
                    count += 1
                    found = entry.stat(follow_symlinks=False)
                    # Blocks may be taken beyond a file's end.
                    total += max(found.st_size, found.st_blocks * _BLOCK_BYTES) + _ENTRY_BYTES
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(entry.path)
                if count > _MOST_ENTRIES:
                    return max(total, enough + 1)
                if total > enough:
                    break
    return total


def require_disk(code: int, stderr: str, step: str, folder: Path, most_bytes: int) -> None:
    """Raise RetryError, not counted, where a tool failed for want of disk, and its job has not used up its share.

    A video that is too large for its scratch was stopped before that: the disk is smaller than the config says. What
    a tool says is not believed alone: a taken-over one could fail for ever without being counted.
    """
    if code and "No space left" in stderr and _is_full(folder) and used_bytes(folder, most_bytes) <= most_bytes:
        raise RetryError(f"{step}: the disk is full: {stderr}", counted=False)


def _is_full(folder: Path) -> bool:
    """Whether the disk has no room for more bytes or more files. Some file systems do not count files."""
    disk = os.statvfs(folder)
    return disk.f_bavail * disk.f_frsize < _FULL_BYTES or (disk.f_files > 0 and disk.f_favail < _FULL_FILES)


def make_folder(job: Path, path: str, uid: int) -> None:
    """A folder in the one that a job's media tools write to, whoever they run as.

    None of its steps is followed where it is a link: tools that ran before may have left one. Raises OSError.
    """
    descriptor = os.open(job, _FOLDER)
    try:
        for part in path.split("/"):
            with suppress(FileExistsError):
                os.mkdir(part, dir_fd=descriptor)
            following = os.open(part, _FOLDER, dir_fd=descriptor)
            os.close(descriptor)
            descriptor = following
            if os.getuid() == 0:
                os.fchown(descriptor, uid, uid)
    finally:
        os.close(descriptor)


class Scratch:
    """One process's folder, held by a lock that the kernel drops when the process dies, however it dies."""

    def __init__(self, root: Path, *, jobs: int, job_bytes: int, uid: int) -> None:
        root.mkdir(parents=True, exist_ok=True)
        self.root = root
        self._uid = uid
        self.swept = _sweep(root)
        self._folder, self._lock = _claim(root)
        self._removals = ThreadPoolExecutor(1, "scratch")
        free = shutil.disk_usage(root).free
        self.job_bytes = job_bytes or int(free * (1 - _RESERVE) / jobs)

    @contextmanager
    def job(self) -> Generator[Path]:
        """A folder for one job, removed when the job is over. Its media tools write in one folder of it alone.

        It is removed in a thread, for which the job's end waits briefly: many files would hold up the event loop.
        """
        folder = Path(tempfile.mkdtemp(dir=self._folder))
        try:
            folder.chmod(_READABLE)
            self._make_folders(folder)
            yield folder
        finally:
            wait([self._removals.submit(shutil.rmtree, folder, ignore_errors=True)], _REMOVAL_SECONDS)

    def clear(self, job: Path) -> None:
        """Take away all that was made of the original."""
        for name in (WRITABLE, OWN):
            shutil.rmtree(job / name)
        self._make_folders(job)

    def _make_folders(self, job: Path) -> None:
        make_folder(job, WRITABLE, self._uid)
        (job / OWN).mkdir(_PRIVATE)

    def close(self) -> None:
        self._removals.shutdown()
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
