"""How many requests an owner makes in a minute, counted for all processes together.

A process draws permits from the owner's counter, some at a time, so that most requests cost no write
(docs/adr/0016-fair-use-is-counted-in-the-work-table.md).
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import structlog

from vodstack_app.aws import storage_errors
from vodstack_app.errors import TooManyRequestsError, UnavailableError
from vodstack_contracts.items import from_attribute, to_attribute

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb.client import DynamoDBClient

log: structlog.stdlib.BoundLogger = structlog.get_logger()

WINDOW_SECONDS = 60
# The share of a minute's permits that a process may hold unused, and others then lack.
DRAWS_A_WINDOW = 50


@dataclass
class _Permits:
    """What this process holds for one owner in this minute."""

    left: int = 0
    are_spent: bool = False
    drawing: asyncio.Lock = field(default_factory=asyncio.Lock)


class Rates:
    """Lets requests through; with `limit` 0, all of them."""

    def __init__(
        self, dynamodb: "DynamoDBClient", table: str, limit: int, clock: Callable[[], float] = time.time
    ) -> None:
        self._dynamodb = dynamodb
        self._table = table
        self._limit = limit
        self._clock = clock
        self._window = 0
        self._held: dict[str, _Permits] = {}

    async def spend(self, owner: str) -> None:
        """Take one permit of this minute's. Raises TooManyRequestsError."""
        if not self._limit:
            return
        now = self._clock()
        window = int(now) // WINDOW_SECONDS
        if window != self._window:
            self._window, self._held = window, {}
        permits = self._held.setdefault(owner, _Permits())
        async with permits.drawing:
            if not permits.left and not permits.are_spent:
                permits.left = await self._draw(owner, window)
                permits.are_spent = not permits.left
            if permits.are_spent:
                raise TooManyRequestsError(self._limit, WINDOW_SECONDS, (window + 1) * WINDOW_SECONDS - now)
            permits.left -= 1

    async def _draw(self, owner: str, window: int) -> int:
        """Some of the permits that are left; a table that does not answer must not stop everybody."""
        wanted = max(1, self._limit // DRAWS_A_WINDOW)
        try:
            with storage_errors():
                answer = await self._dynamodb.update_item(
                    TableName=self._table,
                    Key={"pk": to_attribute(f"requests#{owner}"), "sk": to_attribute(str(window))},
                    UpdateExpression="SET expires_at = :end ADD drawn :wanted",
                    ExpressionAttributeValues={
                        ":end": to_attribute((window + 2) * WINDOW_SECONDS),
                        ":wanted": to_attribute(wanted),
                    },
                    ReturnValues="UPDATED_NEW",
                )
        except UnavailableError as error:
            log.warning("requests not counted", cause=repr(error.__cause__))
            return wanted
        drawn: int = from_attribute(answer.get("Attributes", {})["drawn"])
        return min(wanted, max(0, self._limit - (drawn - wanted)))
