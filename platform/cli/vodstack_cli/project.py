"""Which project a command speaks of, and where it keeps files of its own."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import click

from vodstack_contracts.environment import Variable

_FILE = "Pulumi.yaml"


def _require_project(_context: click.Context, parameter: click.Parameter, folder: Path) -> Path:
    if not (folder / _FILE).is_file():
        raise click.BadParameter(
            f"{folder.resolve()} holds no {_FILE}: go to vodstack's folder, or name it by --project", param=parameter
        )
    return folder


project_option = click.option(
    "--project",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=Path(),
    help=f"Folder of {_FILE}.",
    show_default="this folder",
    callback=_require_project,
)


def state_folder(project: Path) -> Path:
    """Return the folder of clips and logs: the project's own, or the user's where the project is read-only."""
    return next(folder for folder in _candidates(project) if _takes_files(folder))


def _candidates(project: Path) -> Iterator[Path]:
    if chosen := os.environ.get(Variable.STATE_DIRECTORY):
        yield Path(chosen).absolute()
    yield project.absolute() / ".vodstack"
    yield Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "vodstack"
    yield Path(tempfile.mkdtemp(prefix="vodstack-"))


def _takes_files(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False
