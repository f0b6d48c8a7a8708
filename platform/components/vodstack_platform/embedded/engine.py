"""Runs a stack's Pulumi program in this process, and hands back what it made."""

import asyncio
import contextlib
import contextvars
import gc
import inspect
import runpy
import sys
import threading
import warnings
from collections.abc import Generator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from types import CoroutineType
from typing import Any, cast

import pulumi
from pulumi.runtime import config as pulumi_config
from pulumi.runtime import mocks, settings
from pulumi.runtime.stack import Stack, run_pulumi_func

from vodstack_platform.embedded.deployed import Deployed
from vodstack_platform.embedded.errors import EngineError, ProgramError
from vodstack_platform.embedded.live import LIVE
from vodstack_platform.embedded.monitor import Monitor, NoMocks
from vodstack_platform.embedded.stack_config import StackConfig, read_stack_config
from vodstack_platform.embedded.wire import UNKNOWN

_DEFAULT_REGION = "us-east-1"
# A program changes sys.path and sys.modules while it runs.
_ONE_AT_A_TIME = threading.Lock()


@dataclass(frozen=True, kw_only=True)
class _Run:
    stack: str
    config: StackConfig
    monitor: Monitor
    preview: bool
    project: Path
    region: str
    endpoint: str | None = field(default=None)


def run_program(
    stack: str,
    *,
    project: Path,
    endpoint: str | None,
    config_overrides: Mapping[str, object] | None = None,
    preview: bool = False,
    name: str | None = None,
    references: Mapping[str, Mapping[str, Any]] | None = None,
) -> Deployed:
    """Run the program for `stack`, whose files lie in `project`.

    With an `endpoint`, the types that come to life are made there; without one all are recorded, as AWS would answer.
    `name` is the stack's name where it is not that of its file, so that several runs get along in one emulator.
    `references` holds the outputs of the stacks that the program refers to. Raises EngineError.
    """
    config = read_stack_config(project, stack, config_overrides or {})
    region = config.values.get("aws:region", _DEFAULT_REGION)
    monitor = Monitor(region=region, endpoint=endpoint, preview=preview, makers=LIVE, references=references or {})
    run = _Run(
        stack=name or stack,
        config=config,
        monitor=monitor,
        preview=preview,
        project=project,
        region=region,
        endpoint=endpoint,
    )
    with _ONE_AT_A_TIME, _without_collections(), warnings.catch_warnings():
        # Some of what a failing program never comes to await is gone before it could be closed.
        warnings.filterwarnings("ignore", r"coroutine 'Output\.\w+' was never awaited", RuntimeWarning)
        return _in_a_thread_of_its_own(run)


@contextlib.contextmanager
def _without_collections() -> Generator[None]:
    """The SDKs and a program make a million objects that stay: to look through them would take a third of the time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _in_a_thread_of_its_own(run: _Run) -> Deployed:
    """Pulumi keeps its state in context variables and drives its own event loop: both end with the thread."""
    result: Future[Deployed] = Future()

    def work() -> None:
        try:
            result.set_result(asyncio.run(_run(run)))
        except BaseException as error:  # noqa: BLE001 - carried over to the caller's thread
            result.set_exception(error)

    thread = threading.Thread(target=contextvars.Context().run, args=(work,), name=f"pulumi-{run.stack}")
    thread.start()
    thread.join()
    if result.exception():
        _close_what_never_ran()
    return result.result()


async def _run(run: _Run) -> Deployed:
    # What a failed resource leaves unawaited would be logged over and over; the first error is raised below.
    asyncio.get_running_loop().set_exception_handler(lambda _loop, _context: None)
    settings.configure(settings.Settings(project=run.config.project, stack=run.stack, root_directory=str(run.project)))
    pulumi_config.set_all_config(dict(run.config.values), [])
    mocks.set_mocks(
        NoMocks(),
        project=run.config.project,
        stack=run.stack,
        preview=run.preview,
        monitor=run.monitor,
        organization="organization",
    )
    try:
        await run_pulumi_func(lambda: _execute(run.config.program))
    except EngineError:
        raise
    except (Exception, SystemExit) as error:
        raise ProgramError(f"the program of stack {run.stack!r} failed: {_sentence(error)}") from error
    outputs, secret = await _exports()
    return Deployed(
        project=run.config.project,
        stack=run.stack,
        region=run.region,
        endpoint=run.endpoint,
        outputs=outputs,
        secret_outputs=secret,
        resources=tuple(run.monitor.deployed.values()),
    )


def _close_what_never_ran() -> None:
    """The SDK makes coroutines that a failing program never comes to await, and Python would warn of each."""
    # Not isinstance, which asks a weak proxy for its class: that of a dead object raises ReferenceError.
    for candidate in gc.get_objects():
        if type(candidate) is CoroutineType and candidate.__qualname__.startswith("Output."):
            coroutine = cast("CoroutineType[Any, Any, Any]", candidate)
            if inspect.getcoroutinestate(coroutine) == inspect.CORO_CREATED:
                coroutine.close()


def _execute(program: Path) -> None:
    """Run `__main__.py` as the Pulumi CLI does: its folder first on the path, its modules fresh."""
    before, program = set(sys.modules), program.resolve()
    try:
        with warnings.catch_warnings():
            # The SDKs warn of resources that nobody uses, merely because they are imported.
            warnings.filterwarnings("ignore", category=DeprecationWarning, module=r"pulumi(_\w+)?\.")
            runpy.run_path(str(program), run_name="__main__")
    finally:
        for name in set(sys.modules) - before:
            if _lies_in(sys.modules[name], program):
                del sys.modules[name]


def _lies_in(module: object, folder: Path) -> bool:
    # Asked in the ordinary way, the SDKs' lazy modules would all load at once.
    path = cast("dict[str, object]", object.__getattribute__(module, "__dict__")).get("__file__")
    return isinstance(path, str) and Path(path).is_relative_to(folder)


async def _exports() -> tuple[dict[str, Any], frozenset[str]]:
    root = cast("Stack", settings.get_root_resource())
    exported = {name: pulumi.Output.from_input(value) for name, value in root.outputs.items()}
    secret = [name for name, output in exported.items() if await output.is_secret()]
    values = {
        name: await output.future(with_unknowns=True) if await output.is_known() else UNKNOWN
        for name, output in exported.items()
    }
    return values, frozenset(secret)


def _sentence(error: BaseException) -> str:
    return str(error) or type(error).__name__
