"""How many minutes of an owner's videos were encoded today, as the workers count them.

What an upload will count as is known once a worker has looked at it: so one that is refused here comes after the day's
last, and those that came before wait for the next day (docs/adr/0089-encoded-minutes.md).
"""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from vodstack_app.aws import storage_errors
from vodstack_app.errors import EncodingUsedUpError
from vodstack_contracts.fair_use import MINUTES, day_of, encoded_key, end_of_day
from vodstack_contracts.items import from_attribute

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb.client import DynamoDBClient


class Encoding:
    """Refuses uploads beyond `limit` minutes a day; with 0, none."""

    def __init__(
        self, dynamodb: "DynamoDBClient", table: str, limit: int, clock: Callable[[], float] = time.time
    ) -> None:
        self._dynamodb = dynamodb
        self._table = table
        self._limit = limit
        self._clock = clock

    async def require_left(self, owner: str) -> None:
        """Raises EncodingUsedUpError, or UnavailableError."""
        if not self._limit:
            return
        now = self._clock()
        with storage_errors():
            answer = await self._dynamodb.get_item(TableName=self._table, Key=encoded_key(owner, day_of(now)))
        used = answer.get("Item", {}).get(MINUTES)
        if used and from_attribute(used) >= self._limit:
            raise EncodingUsedUpError(self._limit, end_of_day(now) - now)
