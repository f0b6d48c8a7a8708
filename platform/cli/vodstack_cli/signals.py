"""Ctrl-C and SIGTERM: the work under way is given up in good order, and the command says so."""

import asyncio
import signal
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from vodstack_cli.errors import StoppedError

_Result = TypeVar("_Result")


async def until_stopped(work: Coroutine[Any, Any, _Result], *, on_signal: Callable[[], None], message: str) -> _Result:
    """Return what `work` returns. Raises StoppedError with `message` where a signal has cancelled it, once it ended."""
    task = asyncio.create_task(work)
    received: list[signal.Signals] = []

    def stop(number: signal.Signals) -> None:
        if not received:
            on_signal()
            task.cancel()
        received.append(number)

    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop, number)
    try:
        return await task
    except asyncio.CancelledError:
        if not received:
            raise
        raise StoppedError(message, received[0]) from None
