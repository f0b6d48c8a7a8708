"""The open connections of a process: how many there may be, whose place is given away, and who does not read."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import structlog

from vodstack_app.connections import answers
from vodstack_app.connections.limits import ConnectionLimits
from vodstack_app.metrics import Metrics

log: structlog.stdlib.BoundLogger = structlog.get_logger()

SWEEP_SECONDS = 1.0
#: Connections over the limit that are still told so; what comes beyond is cut off.
TOLD_SHARE = 2


class Open(Protocol):
    """A connection, as the registry sees it."""

    transport: asyncio.Transport

    def give_way(self) -> None:
        """Close: another client needs the place, and no request is being served here."""


@dataclass
class _Unsent:
    """What a client has not read so far, and when it has to have done so."""

    size_bytes: int
    ends_at: float


class Registry:
    """Counts connections, in all and by address, and ends those whose client does not read its answers."""

    def __init__(self, limits: ConnectionLimits, metrics: Metrics) -> None:
        self.limits = limits
        self.metrics = metrics
        self._open: dict[Open, str | None] = {}
        self._of_address: Counter[str] = Counter()
        # Those that serve no request, the longest waiting first.
        self._waiting: dict[Open, None] = {}
        self._unsent: dict[Open, _Unsent] = {}
        self._sweeper: asyncio.TimerHandle | None = None

    def admit(self, connection: Open, address: str | None) -> bytes | None:
        """Take a connection in; else what to answer. `address` is None where many clients share it."""
        limits = self.limits
        if address is not None and self._of_address[address] >= limits.connections_per_address:
            self.metrics.connections_refused.labels("address").inc()
            refusal = answers.too_many_of_address(limits.connections_per_address)
        elif len(self._open) >= limits.connections and not self._make_room():
            self.metrics.connections_refused.labels("process").inc()
            refusal = answers.too_many()
        else:
            refusal, self._waiting[connection] = None, None
        self._open[connection] = address if refusal is None else None
        if refusal is None and address is not None:
            self._of_address[address] += 1
        self.metrics.connections_open.set(len(self._open))
        if self._sweeper is None:
            self._sweep_later()
        if refusal and len(self._open) > TOLD_SHARE * limits.connections:
            connection.transport.abort()
        return refusal

    def release(self, connection: Open) -> None:
        address = self._open.pop(connection, None)
        if address is not None:
            self._of_address[address] -= 1
            if not self._of_address[address]:
                del self._of_address[address]
        self._waiting.pop(connection, None)
        self._unsent.pop(connection, None)
        self.metrics.connections_open.set(len(self._open))

    def wait(self, connection: Open) -> None:
        """The connection serves no request from now on."""
        if connection in self._open:
            self._waiting[connection] = None

    def serve(self, connection: Open) -> None:
        """The connection serves a request."""
        self._waiting.pop(connection, None)

    def _make_room(self) -> bool:
        """Whether a connection that serves no request gave its place away."""
        oldest = next(iter(self._waiting), None)
        if oldest is None:
            return False
        del self._waiting[oldest]
        oldest.give_way()
        return True

    def _sweep_later(self) -> None:
        self._sweeper = asyncio.get_running_loop().call_later(SWEEP_SECONDS, self._sweep)

    def _sweep(self) -> None:
        self._sweeper = None
        for connection in [*self._late(), *self._greediest()]:
            self.metrics.connections_refused.labels("unread").inc()
            connection.transport.abort()
        if self._open:
            self._sweep_later()

    def _late(self) -> Iterator[Open]:
        """Those whose client reads slower than the least rate."""
        now = asyncio.get_running_loop().time()
        for connection in self._open:
            size = connection.transport.get_write_buffer_size()
            if not size:
                self._unsent.pop(connection, None)
                continue
            known = self._unsent.get(connection)
            if known is None:
                known = self._unsent[connection] = _Unsent(0, now + self.limits.grace_seconds)
            known.ends_at += max(0, size - known.size_bytes) / self.limits.least_bytes_per_second
            known.size_bytes = size
            if now >= known.ends_at:
                yield connection

    def _greediest(self) -> Iterator[Open]:
        """Those whose unread answers, the largest first, take more memory than there is for all of them."""
        excess = sum(unsent.size_bytes for unsent in self._unsent.values()) - self.limits.unsent_bytes
        if excess <= 0:
            return
        for connection, unsent in sorted(self._unsent.items(), key=lambda each: -each[1].size_bytes):
            if excess <= 0:
                return
            excess -= unsent.size_bytes
            yield connection
