"""The `vodstack` command."""

import atexit
import gc
import logging
import os
import sys
from pathlib import Path
from typing import Any, Never

import click
from rich.console import Console
from rich.text import Text

from vodstack_cli.bootstrap import bootstrap
from vodstack_cli.cost import cost
from vodstack_cli.dead_letters import dead_letters
from vodstack_cli.errors import CommandError, StoppedError
from vodstack_cli.images import images
from vodstack_cli.jobs import jobs
from vodstack_cli.open import open_page
from vodstack_cli.project import project_option
from vodstack_cli.redrive import redrive
from vodstack_cli.retry import retry
from vodstack_cli.unread_variables import refuse_unread_variables
from vodstack_cli.upload import upload
from vodstack_contracts.environment import DEFAULT_METRICS_PORT, DEFAULT_PORT

# Below are ports that only root may listen on.
PORT = click.IntRange(1024, 65535)


class _HomePath(click.Path):
    """A path in which `~` is the home folder: not every shell says so behind a `=`, as in VIDEO=~/film.mov."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        return Path(os.fsdecode(super().convert(value, param, ctx))).expanduser()


_PATH = _HomePath()


class _Commands(click.Group):
    """Commands that Ctrl-C ends with a word and a status of its own, and that no variable misleads."""

    def invoke(self, ctx: click.Context) -> Any:
        refuse_unread_variables(self, os.environ)
        try:
            return super().invoke(ctx)
        except (KeyboardInterrupt, click.Abort) as error:
            raise _with_status(StoppedError(), ctx.params["stopped_status"]) from error
        except StoppedError as error:
            raise _with_status(error, ctx.params["stopped_status"]) from error


def _with_status(error: StoppedError, status: int | None) -> StoppedError:
    error.exit_status = error.exit_status if status is None else status
    return error


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="vodstack-cli")
@click.option(
    "--stopped-status",
    type=click.IntRange(0, 255),
    help="Exit status after Ctrl-C or SIGTERM.  [default: 130 and 143, as shells have it]",
)
def cli(stopped_status: int | None) -> None:
    """A video platform that a team owns: run it on a laptop, look after it on AWS."""


@cli.command()
@project_option
@click.option("--port", type=PORT, default=DEFAULT_PORT, show_default=True, help="Port of the API.")
@click.option(
    "--metrics-port",
    type=PORT,
    default=DEFAULT_METRICS_PORT,
    show_default=True,
    help="Port of the worker's metrics and probes.",
)
def up(project: Path, port: int, metrics_port: int) -> None:
    """Run the whole stack on this machine until Ctrl-C."""
    from vodstack_cli.up import run_up  # noqa: PLC0415 - the laptop's engine is an extra that a client does without

    run_up(project, port, metrics_port)


@cli.command()
@project_option
@click.argument("video", required=False, type=_PATH)
@click.option("--keep", type=_PATH, help="Folder, new or empty, to keep the renditions in.")
@click.option("--outputs", is_flag=True, help="Show the stack's outputs too.")
@click.option("--port", type=PORT, help="Port of the API.  [default: a free one]")
@click.option("--metrics-port", type=PORT, help="Port of the worker's metrics and probes.  [default: a free one]")
def demo(**options: Any) -> None:
    """Provision, start, upload VIDEO (or a clip made for it), process it, check the result, stop."""
    from vodstack_cli.demo import DemoOptions, run_demo  # noqa: PLC0415 - as above

    run_demo(DemoOptions(**options))


@cli.command()
@project_option
@click.option("--stack", default="dev", show_default=True, help="The stack whose Kubernetes objects are written.")
@click.argument("directory", type=click.Path(file_okay=False, path_type=Path))
def render(project: Path, stack: str, directory: Path) -> None:
    """Write a stack's Kubernetes objects as YAML below DIRECTORY, for Argo CD or kubectl."""
    from vodstack_platform.embedded.engine import run_program  # noqa: PLC0415 - as above
    from vodstack_platform.embedded.errors import EngineError  # noqa: PLC0415 - as above

    try:
        deployed = run_program(stack, project=project.resolve(), endpoint=None)
        written = deployed.render(directory)
    except EngineError as error:
        raise CommandError(f"nothing was written: {error}") from error
    click.echo(f"{deployed.summary()}; {len(written)} objects written below {directory}")


for command in (bootstrap, cost, dead_letters, images, jobs, open_page, redrive, retry, upload):
    cli.add_command(command)


def main() -> None:
    """The entry point: a failure is a sentence, and the file that holds the log it came from, never a traceback."""
    # The interpreter's last collection walks all of Pulumi's types, for a second or more after Ctrl-C.
    atexit.register(gc.freeze)
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    try:
        cli()
    except CommandError as error:
        _tell(error)
    except ModuleNotFoundError as error:
        if (error.name or "").startswith(("vodstack_cli", "vodstack_contracts")):
            raise
        _tell(
            CommandError(
                f"this needs what is not installed ({error.name}): "
                "install vodstack-cli[local], or use `make` in a checkout"
            )
        )


def _tell(error: CommandError) -> Never:
    console = Console(stderr=True, soft_wrap=True, highlight=False)
    if error.log:
        console.print(Text(f"the services' log: {error.log}", "dim"))
    # A sentence quotes names and patterns that are no markup of ours.
    sentence = str(error) if isinstance(error, StoppedError) else Text.assemble(("error:", "bold red"), f" {error}")
    console.print(sentence, markup=False)
    sys.exit(error.exit_status)
