"""The work table, as far as chunks are concerned: plans, who encodes what, and the set of what is done.

pk plan#{plan_id}, sk plan           what is to be done
                   sk done           the numbers of the jobs that are done, and what each made
                   sk job#{number}   who has that job in hand
"""

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec
from botocore.exceptions import ClientError

from vodstack_contracts.items import from_attribute, to_attribute
from vodstack_contracts.videos import Lease
from vodstack_worker.conditions import refused
from vodstack_worker.errors import JobRefusedError, LeaseLostError, RetryError
from vodstack_worker.plans import ChunkPlan
from vodstack_worker.segments import ChunkResult

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient

# As long as the longest-lived message, a dead letter, may be sent again.
_KEPT_SECONDS = 14 * 86_400
_RESULT = "result_"
_plan_decoder = msgspec.json.Decoder(ChunkPlan)
_result_decoder = msgspec.json.Decoder(ChunkResult)


@dataclass(frozen=True)
class Standing:
    """What of a plan is done."""

    plan: ChunkPlan
    results: dict[int, ChunkResult]

    @property
    def missing(self) -> list[int]:
        return [number for number in self.plan.numbers if number not in self.results]

    @property
    def fraction(self) -> float:
        return len(self.results) / len(self.plan.numbers)


class ChunkTable:
    """Every write is conditional or may be repeated."""

    def __init__(self, dynamodb: "DynamoDBClient", table: str) -> None:
        self._dynamodb = dynamodb
        self._table = table

    async def put_plan(self, plan: ChunkPlan) -> None:
        """Write a new plan down, nothing of which is done. Raises RetryError where another has its id."""
        document = msgspec.json.encode(plan).decode()
        for sort, more in (("done", {}), ("plan", {"plan": document})):
            item = {**_key(plan.plan_id, sort), "expires_at": to_attribute(_expiry())}
            try:
                await self._dynamodb.put_item(
                    TableName=self._table,
                    Item=item | {name: to_attribute(value) for name, value in more.items()},
                    ConditionExpression="attribute_not_exists(pk)",
                )
            except ClientError as error:
                refused(error)
                raise RetryError(f"the id {plan.plan_id} is taken by another plan", counted=False) from error

    async def read_standing(self, plan_id: str) -> Standing | None:
        """None for a plan that is no longer kept."""
        plan = await self._get(plan_id, "plan")
        done = await self._get(plan_id, "done")
        if plan is None or done is None:
            return None
        return _standing(_plan_decoder.decode(from_attribute(plan["plan"])), done)

    async def take(self, plan_id: str, number: int, lease: Lease) -> int:
        """Take a job that nobody has in hand; gives its failures so far. Raises JobRefusedError."""
        update = {
            "UpdateExpression": "SET #lease = :lease, expires_at = :expiry",
            "ConditionExpression": "attribute_not_exists(#lease) OR #lease.expires_at < :now",
            "ExpressionAttributeNames": {"#lease": "lease"},
            "ExpressionAttributeValues": {
                ":lease": to_attribute(lease),
                ":expiry": to_attribute(_expiry()),
                ":now": to_attribute(time.time()),
            },
        }
        try:
            item = await self._update(plan_id, f"job#{number}", update)
        except ClientError as error:
            item = refused(error)
            held = msgspec.convert(from_attribute(item["lease"]), Lease)
            # A write whose answer was lost is sent again, and finds itself.
            if held.token != lease.token:
                raise JobRefusedError(held) from error
        return from_attribute(item["failures"]) if "failures" in item else 0

    async def extend(self, plan_id: str, number: int, lease: Lease, *, failures: int | None = None) -> None:
        """Move the end of a lease that is held. Raises LeaseLostError."""
        counted = ", failures = :failures" if failures is not None else ""
        values = {":lease": to_attribute(lease), ":token": to_attribute(lease.token)}
        update = {
            "UpdateExpression": f"SET #lease = :lease{counted}",
            "ConditionExpression": "#lease.#token = :token",
            "ExpressionAttributeNames": {"#lease": "lease", "#token": "token"},
            "ExpressionAttributeValues": values | ({":failures": to_attribute(failures)} if counted else {}),
        }
        try:
            await self._update(plan_id, f"job#{number}", update)
        except ClientError as error:
            refused(error)
            raise LeaseLostError(f"somebody else has job {number}", known=True) from error

    async def complete(self, plan: ChunkPlan, number: int, result: ChunkResult) -> Standing | None:
        """Add a job to the set of those that are done. None for a plan that is no longer kept."""
        update = {
            "UpdateExpression": "ADD done :number SET #result = :result",
            "ConditionExpression": "attribute_exists(pk)",
            "ExpressionAttributeNames": {"#result": f"{_RESULT}{number}"},
            "ExpressionAttributeValues": {
                ":number": {"NS": [str(number)]},
                ":result": to_attribute(msgspec.json.encode(result).decode()),
            },
        }
        try:
            return _standing(plan, await self._update(plan.plan_id, "done", update))
        except ClientError as error:
            refused(error)
            return None

    async def reopen(self, plan_id: str, *, undone: list[int], free: list[int]) -> None:
        """Take jobs from the set of those that are done; forget failures and leases of those that are `free`."""
        if undone:
            update = {
                "UpdateExpression": "DELETE done :numbers",
                "ConditionExpression": "attribute_exists(pk)",
                "ExpressionAttributeValues": {":numbers": {"NS": [str(number) for number in undone]}},
            }
            try:
                await self._update(plan_id, "done", update)
            except ClientError as error:
                refused(error)
        for number in free:
            await self._dynamodb.delete_item(TableName=self._table, Key=_key(plan_id, f"job#{number}"))

    async def _get(self, plan_id: str, sort: str) -> dict[str, Any] | None:
        answer = await self._dynamodb.get_item(TableName=self._table, Key=_key(plan_id, sort), ConsistentRead=True)
        return answer.get("Item")

    async def _update(self, plan_id: str, sort: str, update: dict[str, Any]) -> dict[str, Any]:
        answer = await self._dynamodb.update_item(
            TableName=self._table,
            Key=_key(plan_id, sort),
            ReturnValues="ALL_NEW",
            ReturnValuesOnConditionCheckFailure="ALL_OLD",
            **update,
        )
        return answer.get("Attributes", {})


def _standing(plan: ChunkPlan, done: dict[str, Any]) -> Standing:
    numbers: frozenset[int] = from_attribute(done["done"]) if "done" in done else frozenset()
    found = {number: done.get(f"{_RESULT}{number}") for number in numbers}
    return Standing(
        plan, {number: _result_decoder.decode(from_attribute(result)) for number, result in found.items() if result}
    )


def _key(plan_id: str, sort: str) -> dict[str, Any]:
    return {"pk": to_attribute(f"plan#{plan_id}"), "sk": to_attribute(sort)}


def _expiry() -> int:
    return int(time.time()) + _KEPT_SECONDS
