"""Which project a command speaks of."""

from pathlib import Path

import click

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
