"""`vodstack up`: the whole stack on this machine, until Ctrl-C."""

import asyncio
import itertools
import signal
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from vodstack_cli.laptop import Ports, running_laptop

_COLOURS = ("cyan", "magenta", "yellow", "green", "blue")


def run_up(project: Path, port: int, metrics_port: int) -> None:
    """Raises CommandError where the stack does not come up."""
    console = Console(soft_wrap=True)
    asyncio.run(_until_told(console, _serve(console, project.resolve(), Ports(api=port, metrics=metrics_port))))


async def _until_told(console: Console, serving: Coroutine[Any, Any, None]) -> None:
    """What is up leaves in good order, what is still coming up is given up: a signal says when."""
    task = asyncio.create_task(serving)
    told = asyncio.Event()

    def leave() -> None:
        if not told.is_set():
            console.print("stopping ...")
            task.cancel()
        told.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, leave)
    try:
        await task
    except asyncio.CancelledError:
        if not told.is_set():
            raise


async def _serve(console: Console, project: Path, ports: Ports) -> None:
    console.print("provisioning: the Pulumi program on an AWS emulator ...")
    async with running_laptop(project, ports, on_line=_LinePrinter(console)) as laptop:
        console.print(f"\n{laptop.deployed.summary()}", highlight=False)
        for what, url in {
            "API": laptop.api_url,
            "its pages": f"{laptop.api_url}/docs",
            "API metrics": f"{laptop.api_url}/metrics",
            "worker metrics": f"http://127.0.0.1:{ports.metrics}/metrics",
            "AWS emulator": laptop.endpoint_url,
        }.items():
            console.print(f"  {what:<15}{url}", highlight=False)
        keys = " ".join(f"{name}={value}" for name, value in laptop.operator_environment.items())
        console.print(f"\nto look inside with `vodstack jobs --stack local` or `aws`:\n  export {keys}")
        console.print(f"\ntry: curl -F file=@clip.mp4 -F title=Hello {laptop.api_url}/videos", highlight=False)
        console.print("Ctrl-C stops everything. What is stored lives in the emulator's memory and ends with it.\n")
        await laptop.run()


class _LinePrinter:
    """Prints a process's line behind its name, each name in a colour of its own."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._colours: dict[str, str] = {}
        self._free = itertools.cycle(_COLOURS)

    def __call__(self, process: str, line: str) -> None:
        colour = self._colours.setdefault(process, next(self._free))
        self._console.print(Text.assemble((f"{process:<7}| ", colour), Text.from_ansi(line)))
