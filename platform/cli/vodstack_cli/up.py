"""`vodstack up`: the whole stack on this machine, until Ctrl-C."""

import asyncio
import itertools
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console
from rich.text import Text

from vodstack_cli.clip import ready_clip
from vodstack_cli.laptop import STACK, Laptop, Ports, running_laptop
from vodstack_cli.project import state_folder
from vodstack_cli.signals import until_stopped

_COLOURS = ("cyan", "magenta", "yellow", "green", "blue")
_STOPPED = "stopped: everything has ended, and what was stored is gone"
# Inside of -F these end a file's name, unless it stands in quotes.
_SPECIAL_TO_CURL = frozenset(',;"\\')


def run_up(project: Path, port: int, metrics_port: int) -> None:
    """Raises CommandError where the stack does not come up, and StoppedError once it was told to leave."""
    console = Console(soft_wrap=True, highlight=False)
    asyncio.run(
        until_stopped(
            _serve(console, project.resolve(), Ports(api=port, metrics=metrics_port)),
            on_signal=lambda: console.print("stopping ..."),
            message=_STOPPED,
        )
    )


async def _serve(console: Console, project: Path, ports: Ports) -> None:
    console.print("provisioning: the Pulumi program on an AWS emulator ...")
    clip = asyncio.create_task(asyncio.to_thread(ready_clip, state_folder(project)))
    async with running_laptop(project, ports, on_line=_LinePrinter(console)) as laptop:
        for line in _introduction(laptop, ports, await clip):
            console.print(line, markup=False)
        await laptop.run()


def _introduction(laptop: Laptop, ports: Ports, clip: Path) -> Iterator[str]:
    """Each line of commands works as it stands when it is pasted into a shell, in whatever folder."""
    yield f"\n{laptop.deployed.summary()}"
    for what, url in {
        "API": laptop.api_url,
        "its pages": f"{laptop.api_url}/docs",
        "API metrics": f"{laptop.api_url}/metrics",
        "worker metrics": f"http://127.0.0.1:{ports.metrics}/metrics",
        "AWS emulator": laptop.endpoint_url,
    }.items():
        yield f"  {what:<15}{url}"
    yield "\nIn another terminal, upload a clip and see what becomes of it:"
    yield f"  curl -F {_form_file(clip)} -F title=Hello {laptop.api_url}/videos"
    yield f"  curl '{laptop.api_url}/videos?limit=1'"
    yield "\nA page that plays it: docs/examples/player. One that uploads: docs/examples/uppy."
    yield "\nLook inside, with this command or with `aws`:"
    yield f"  export {' '.join(f'{name}={value}' for name, value in laptop.operator_environment.items())}"
    yield f"  {_own_command()} jobs --stack {STACK}"
    yield "\nCtrl-C stops everything. What is stored lives in the emulator's memory and ends with it.\n"


def _form_file(path: Path) -> str:
    name = str(path)
    if _SPECIAL_TO_CURL & set(name):
        name = '"{}"'.format(name.replace("\\", "\\\\").replace('"', '\\"'))
    return shlex.quote(f"file=@{name}")


def _own_command() -> str:
    """How a shell finds this command, which is not on its PATH."""
    installed = Path(sys.prefix) / "bin" / "vodstack"
    return shlex.join([str(installed)] if installed.exists() else [sys.executable, "-m", "vodstack_cli"])


class _LinePrinter:
    """Prints a process's line behind its name, each name in a colour of its own."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._colours: dict[str, str] = {}
        self._free = itertools.cycle(_COLOURS)

    def __call__(self, process: str, line: str) -> None:
        colour = self._colours.setdefault(process, next(self._free))
        self._console.print(Text.assemble((f"{process:<7}| ", colour), Text.from_ansi(line)))
