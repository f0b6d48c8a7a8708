"""Which message a free slot takes next: the queues take turns, so that neither starves the other."""

import asyncio
from collections.abc import Sequence

import structlog

from vodstack_worker.lease import AWS_ERRORS
from vodstack_worker.messages import JobQueue, Message

_QUICK_RETURNS = 3
_BRIEF_SECONDS = 1


class Inbox:
    """One slot's. A poll is never cut off: what it brings to a slot that is at work goes back at once.

    What came back several times waits until such polls have ended: it would go from one to the next, and be given up.
    """

    def __init__(self, queues: Sequence[JobQueue], poll_wait: int) -> None:
        self._queues = list(queues)
        self._poll_wait = poll_wait
        self._returns: set[asyncio.Task[None]] = set()
        self._log: structlog.typing.FilteringBoundLogger = structlog.get_logger()

    async def receive(self, *, briefly: bool = False) -> Message | None:
        """Return a message, if one comes within the wait, or `briefly`: the shortest that asks the whole queue."""
        wait = min(_BRIEF_SECONDS, self._poll_wait) if briefly else self._poll_wait
        if len(self._queues) > 1:
            for queue in tuple(self._queues):
                try:
                    message = await queue.receive(0)
                except AWS_ERRORS:
                    self._put_last(queue)
                    raise
                if message:
                    return self._taken(message)
        polls = {asyncio.create_task(queue.receive(wait)) for queue in self._queues}
        waiting, chosen = polls, None
        while waiting and chosen is None:
            ended, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            chosen = next((poll for poll in ended if poll.exception() or poll.result()), None)
        for poll in polls - {chosen}:
            self._returns.add(task := asyncio.create_task(self._give_back(poll)))
            task.add_done_callback(self._returns.discard)
        message = chosen.result() if chosen else None
        return self._taken(message) if message else None

    async def drain(self) -> None:
        """Wait for the polls under way, and return what they bring."""
        await asyncio.gather(*self._returns)

    def _taken(self, message: Message) -> Message:
        self._put_last(message.queue)
        return message

    def _put_last(self, queue: JobQueue) -> None:
        """The other one is next, also where this one cannot be reached."""
        self._queues.remove(queue)
        self._queues.append(queue)

    async def _give_back(self, poll: asyncio.Task[Message | None]) -> None:
        try:
            if message := await poll:
                await message.hide(0 if message.receive_count <= _QUICK_RETURNS else self._poll_wait)
        except AWS_ERRORS as error:
            self._log.warning("a poll failed", error=repr(error)[:300])
