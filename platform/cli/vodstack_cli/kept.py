"""Keeps what a demo published, as files that a player opens."""

import os
import shutil
from pathlib import Path

from vodstack_cli.errors import CommandError


def require_room(folder: Path) -> None:
    """Raises CommandError where the folder holds files already, or cannot be written."""
    try:
        if folder.exists() and any(folder.iterdir()):
            raise CommandError(f"{folder} is not empty: name a new folder, or an empty one, to keep the renditions in")
    except NotADirectoryError as error:
        raise CommandError(f"{folder} is a file: name a folder to keep the renditions in") from error
    except OSError as error:
        raise CommandError(f"{folder} cannot be read: {error.strerror}") from error
    existing = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
        raise CommandError(f"{folder} cannot be made, for {existing} cannot be written: name another folder")


def keep(published: Path, folder: Path) -> None:
    """Copy all of it. Raises CommandError where the disk does not take it."""
    try:
        shutil.copytree(published, folder, dirs_exist_ok=True)
    except OSError as error:
        raise CommandError(f"{folder} does not take the renditions: {error.strerror or error}") from error
