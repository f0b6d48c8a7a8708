"""A job's output: files that media tools wrote, opened as if they were meant to mislead, and the worker's own.

A tool that was taken over leaves links to files of others, pipes that never answer, and files that grow. So each is
opened below a folder's descriptor without following links, and has to be a regular file with one name.
docs/adr/0085-files-of-tools-are-opened-without-trust.md
"""

import ctypes
import errno
import os
import stat
import struct
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from vodstack_worker.arguments import OUTPUT
from vodstack_worker.errors import RetryError
from vodstack_worker.scratch import OWN

TEXT_BYTES = 16 * 1024 * 1024
INIT_BYTES = 1024 * 1024
PICTURE_BYTES = 32 * 1024 * 1024
# Segments and MP4s; all that a job's tools write is bounded by its scratch.
MEDIA_BYTES = 1024**4
# A pipe without a writer, or a device, is not waited for.
_FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY
_FOLDER = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_DIRECTORY
_OPENAT2 = 437
_NO_MOUNTS, _NO_MAGIC_LINKS, _NO_LINKS, _BENEATH = 0x01, 0x02, 0x04, 0x08
# Kernels before 5.6 lack the call, some containers refuse it.
_UNAVAILABLE = (errno.ENOSYS, errno.EPERM)


class JobFiles:
    """Files by their names below a job's output. One that the worker wrote hides a tool's of the same name."""

    def __init__(self, job: Path) -> None:
        self._tools = job / OUTPUT
        self._own = job / OWN

    def open(self, name: str, most_bytes: int) -> BinaryIO:
        """Open a file to read it. Raises RetryError where it is missing, no plain file, or larger than it may be."""
        for home in (self._own, self._tools):
            try:
                descriptor = _open_beneath(home, name, _FLAGS)
            except FileNotFoundError:
                continue
            except OSError as error:
                raise RetryError(f"{name} was written as no plain file: {error.strerror}") from error
            return _require_plain(descriptor, name, most_bytes)
        raise RetryError(f"{name} was not written")

    def read(self, name: str, most_bytes: int) -> bytes:
        """The content of a file. Raises RetryError as `open` does."""
        with self.open(name, most_bytes) as file:
            return file.read(most_bytes)

    def size(self, name: str, most_bytes: int) -> int:
        """Raises RetryError as `open` does."""
        with self.open(name, most_bytes) as file:
            return os.fstat(file.fileno()).st_size

    def pieces(self, name: str, size: int, length: int) -> Iterator[bytes]:
        """The first `size` bytes, so many at a time. Raises RetryError where there are fewer."""
        left = size
        with self.open(name, MEDIA_BYTES) as file:
            while left and (piece := file.read(min(left, length))):
                left -= len(piece)
                yield piece
        if left:
            raise RetryError(f"{name} became shorter while it was read")

    def names(self, folder: str) -> list[str]:
        """The names that tools left in a folder, whatever they are. Raises RetryError where it is no folder."""
        try:
            descriptor = _open_beneath(self._tools, folder, _FOLDER)
        except OSError as error:
            raise RetryError(f"{folder} is no folder: {error.strerror}") from error
        try:
            return sorted(os.listdir(descriptor))  # noqa: PTH208 - pathlib knows no descriptors
        finally:
            os.close(descriptor)

    def remove(self, name: str) -> None:
        """Remove a tool's file. Raises RetryError where it is not there, or a folder."""
        folder, _, last = name.rpartition("/")
        try:
            descriptor = _open_beneath(self._tools, folder, _FOLDER)
            try:
                os.unlink(last, dir_fd=descriptor)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise RetryError(f"{name} cannot be removed: {error.strerror}") from error

    def write(self, name: str, *contents: bytes) -> None:
        """Write a file of the worker's own."""
        path = self._own / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        with path.open("xb") as file:
            for content in contents:
                file.write(content)


def _require_plain(descriptor: int, name: str, most_bytes: int) -> BinaryIO:
    found = os.fstat(descriptor)
    if stat.S_ISREG(found.st_mode) and found.st_nlink == 1 and found.st_size <= most_bytes:
        return os.fdopen(descriptor, "rb")
    os.close(descriptor)
    if found.st_size > most_bytes:
        raise RetryError(f"{name} has {found.st_size:,} bytes, more than the {most_bytes:,} that it may have")
    raise RetryError(f"{name} was written as no plain file")


def _open_beneath(home: Path, name: str, flags: int) -> int:
    """A descriptor of what lies at a relative path, no step of which is a link."""
    base = os.open(home, _FOLDER)
    try:
        return _open_at_once(base, name, flags)
    except OSError as error:
        if error.errno not in _UNAVAILABLE:
            raise
        return _open_stepwise(base, name, flags)
    finally:
        os.close(base)


def _open_at_once(base: int, name: str, flags: int) -> int:
    if sys.platform != "linux":
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS), name)
    system_call = ctypes.CDLL(None, use_errno=True).syscall
    how = struct.pack("=QQQ", flags, 0, _NO_MOUNTS | _NO_MAGIC_LINKS | _NO_LINKS | _BENEATH)
    number, size = ctypes.c_long(_OPENAT2), ctypes.c_long(len(how))
    descriptor = int(system_call(number, ctypes.c_int(base), os.fsencode(name), how, size))
    if descriptor < 0:
        found = ctypes.get_errno()
        raise OSError(found, os.strerror(found), name)
    return descriptor


def _open_stepwise(base: int, name: str, flags: int) -> int:
    *folders, last = name.split("/")
    if not all(step not in {"", ".", ".."} for step in (*folders, last)):
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL), name)
    descriptor = os.dup(base)
    for step in folders:
        try:
            following = os.open(step, _FOLDER, dir_fd=descriptor)
        finally:
            os.close(descriptor)
        descriptor = following
    try:
        return os.open(last, flags, dir_fd=descriptor)
    finally:
        os.close(descriptor)
