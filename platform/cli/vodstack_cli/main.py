"""The `vodstack` command."""

import atexit
import gc
import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Never

import click
from rich.console import Console
from rich.text import Text

from vodstack_cli.bootstrap import bootstrap
from vodstack_cli.cost import cost
from vodstack_cli.dead_letters import dead_letters
from vodstack_cli.errors import CommandError
from vodstack_cli.images import images
from vodstack_cli.jobs import jobs
from vodstack_cli.project import project_option
from vodstack_cli.redrive import redrive
from vodstack_cli.retry import retry
from vodstack_cli.upload import upload
from vodstack_contracts.environment import DEFAULT_METRICS_PORT, DEFAULT_PORT

# Below are ports that only root may listen on.
PORT = click.IntRange(1024, 65535)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="vodstack-cli")
def cli() -> None:
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
@click.argument("video", required=False, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--port", type=PORT, help="Port of the API.  [default: a free one]")
@click.option("--metrics-port", type=PORT, help="Port of the worker's metrics and probes.  [default: a free one]")
def demo(project: Path, video: Path | None, port: int | None, metrics_port: int | None) -> None:
    """Provision, start, upload VIDEO (or a clip made for it), process it, check the result, stop."""
    from vodstack_cli.demo import run_demo  # noqa: PLC0415 - as above

    run_demo(project, video, port, metrics_port)


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


for command in (bootstrap, cost, dead_letters, images, jobs, redrive, retry, upload):
    cli.add_command(command)


def main() -> None:
    """The entry point: a failure is a sentence and the end of the log it came from, never a traceback."""
    # The interpreter's last collection walks all of Pulumi's types, for a second or more after Ctrl-C.
    atexit.register(gc.freeze)
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    try:
        cli()
    except CommandError as error:
        _tell(str(error), error.log)
    except ModuleNotFoundError as error:
        if (error.name or "").startswith(("vodstack_cli", "vodstack_contracts")):
            raise
        _tell(
            f"this needs what is not installed ({error.name}): install vodstack-cli[local], or use `make` in a checkout"
        )


def _tell(sentence: str, log: Sequence[str] = ()) -> Never:
    console = Console(stderr=True, soft_wrap=True)
    for line in log:
        console.print(Text(line, "dim"))
    # A sentence quotes names and patterns that are no markup of ours.
    console.print(Text.assemble(("error:", "bold red"), f" {sentence}"))
    sys.exit(1)
