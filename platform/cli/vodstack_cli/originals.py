"""Checks of a file that is about to be uploaded, before anything is started for it."""

from pathlib import Path

from vodstack_cli.errors import CommandError
from vodstack_contracts.containers import ACCEPTED, HEAD_BYTES, container_of


def require_video(path: Path) -> None:
    """Raises CommandError where the file cannot be read, or its first bytes are those of no video."""
    try:
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
    except FileNotFoundError as error:
        raise CommandError(f"{path} is not there: give the path of a video, from {Path.cwd()} on or whole") from error
    except IsADirectoryError as error:
        raise CommandError(f"{path} is a folder: give the path of a video in it") from error
    except OSError as error:
        raise CommandError(f"{path} cannot be read: {error.strerror}") from error
    if not head:
        raise CommandError(f"{path} is empty: give the path of a video")
    if container_of(head) is None:
        raise CommandError(f"{path} is no video, by its first bytes: accepted are {ACCEPTED}")
