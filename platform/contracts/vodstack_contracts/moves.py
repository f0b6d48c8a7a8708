"""Conditional writes to a video's record, ready for the table's PutItem and UpdateItem.

Every change of state goes through `move`, whose condition follows from `MOVES`: a late or repeated message finds it
false and DynamoDB answers ConditionalCheckFailedException.
"""

from collections.abc import Collection, Mapping
from typing import Any

from vodstack_contracts.errors import ForbiddenMoveError
from vodstack_contracts.items import to_attribute, to_item
from vodstack_contracts.videos import DELETED_OWNER, Deletion, Lease, Status, VideoRecord, Way, sources_of, timestamp

KEY = "video_id"
_WORDS = ("title", "description", "tags", "metadata", "file_name")
_FINDINGS = ("source", "plan", "renditions", "playback", "error", "warnings", "setback", "waits_until", "charge")


def create(record: VideoRecord) -> dict[str, Any]:
    """Arguments of PutItem for a new record; an id that is taken is refused."""
    return {"Item": to_item(record), "ConditionExpression": f"attribute_not_exists({KEY})"}


def move(
    video_id: str,
    target: Status,
    *,
    within: Collection[Status] | None = None,
    lease_token: str | None = None,
    changes: Mapping[str, object] | None = None,
    remove: Collection[str] = (),
) -> dict[str, Any]:
    """Arguments of UpdateItem for a move to `target` from any state that allows it, or from those `within` alone.

    With `lease_token`, only its holder may. Raises ForbiddenMoveError where no state allows it.
    """
    sources = sources_of(target) if within is None else sources_of(target).intersection(within)
    if not sources:
        raise ForbiddenMoveError(f"no video ever moves to {target}")
    condition = _Condition()
    condition.status_in(sources)
    if lease_token is not None:
        condition.lease_held(lease_token)
    return _update(video_id, {"status": target, **(changes or {})}, remove, condition)


def delete(video_id: str, deletion: Deletion, *, within: Collection[Status] | None = None) -> dict[str, Any]:
    """Arguments of UpdateItem by which a video is deleted, as `move` does it: what was said of it goes."""
    return move(
        video_id,
        Status.DELETED,
        within=within,
        changes={"owner": DELETED_OWNER, "deletion": deletion},
        remove=("expires_at", *_WORDS, *_FINDINGS),
    )


def take(
    video_id: str,
    lease: Lease,
    *,
    now: float,
    changes: Mapping[str, object] | None = None,
    attempt: bool = True,
) -> dict[str, Any]:
    """Arguments of UpdateItem by which a worker takes a video, or takes one over whose lease has lapsed.

    `now` is in epoch seconds. The time-to-live goes: an object that arrived is kept. `attempt` counts it as one.
    """
    condition = _Condition()
    condition.status_in(sources_of(Status.PROCESSING))
    condition.or_lapsed(now)
    # What an earlier attempt found says nothing about this one.
    changes = {"status": Status.PROCESSING, "lease": lease, **(changes or {})}
    update = _update(video_id, changes, ("expires_at", "error", "warnings"), condition)
    if attempt:
        update["UpdateExpression"] += " ADD #attempts :one"
        update["ExpressionAttributeNames"]["#attempts"] = "attempts"
        update["ExpressionAttributeValues"][":one"] = to_attribute(1)
    return update


def amend(
    video_id: str,
    within: Collection[Status],
    *,
    lease_token: str | None = None,
    changes: Mapping[str, object] | None = None,
    remove: Collection[str] = (),
    unchanged: Mapping[str, object] | None = None,
    plan_id: str | None = None,
) -> dict[str, Any]:
    """Arguments of UpdateItem for a change that leaves the state alone, allowed `within` those states.

    With `unchanged`, only where the record still has these values; with `plan_id`, only while its chunks are wanted.
    """
    condition = _Condition()
    condition.status_in(within)
    condition.still(unchanged or {})
    if plan_id is not None:
        condition.chunks_wanted(plan_id)
    if lease_token is not None:
        condition.lease_held(lease_token)
    return _update(video_id, changes or {}, remove, condition)


def advance(video_id: str, plan_id: str, progress: float) -> dict[str, Any]:
    """Arguments of UpdateItem by which a video in chunks comes forward, whoever holds it."""
    condition = _Condition()
    condition.status_in({Status.PROCESSING})
    condition.chunks_wanted(plan_id)
    condition.expression += " AND #progress <= :progress"
    return _update(video_id, {"progress": progress}, (), condition)


class _Condition:
    def __init__(self) -> None:
        self.expression = ""
        self.names: dict[str, str] = {}
        self.values: dict[str, Any] = {}

    def status_in(self, statuses: Collection[Status]) -> None:
        allowed = {f":from{index}": to_attribute(status) for index, status in enumerate(sorted(statuses))}
        self.names["#status"] = "status"
        self.values.update(allowed)
        self.expression = f"#status IN ({', '.join(allowed)})"

    def still(self, values: Mapping[str, object]) -> None:
        for name, value in values.items():
            self.names[f"#{name}"] = name
            self.values[f":still_{name}"] = to_attribute(value)
            self.expression += f" AND #{name} = :still_{name}"

    def chunks_wanted(self, plan_id: str) -> None:
        self.names |= {"#plan": "plan", "#plan_id": "plan_id", "#way": "way"}
        self.values |= {":wanted": to_attribute(plan_id), ":chunks": to_attribute(Way.CHUNKS)}
        self.expression += " AND #plan.#plan_id = :wanted AND #plan.#way = :chunks"

    def lease_held(self, token: str) -> None:
        self.names |= {"#lease": "lease", "#token": "token"}
        self.values[":token"] = to_attribute(token)
        self.expression += " AND #lease.#token = :token"

    def or_lapsed(self, now: float) -> None:
        self.names |= {"#lease": "lease", "#lease_end": "expires_at"}
        self.values |= {":now": to_attribute(now), ":processing": to_attribute(Status.PROCESSING)}
        self.expression = f"({self.expression}) OR (#status = :processing AND #lease.#lease_end < :now)"


def _update(
    video_id: str, changes: Mapping[str, object], remove: Collection[str], condition: _Condition
) -> dict[str, Any]:
    names = {f"#{name}": name for name in (*changes, *remove, "updated_at")} | condition.names
    values = {f":{name}": to_attribute(value) for name, value in changes.items()} | condition.values
    values[":updated_at"] = to_attribute(timestamp())
    sets = ", ".join(f"#{name} = :{name}" for name in (*changes, "updated_at"))
    removes = f" REMOVE {', '.join(f'#{name}' for name in remove)}" if remove else ""
    return {
        "Key": {KEY: to_attribute(video_id)},
        "UpdateExpression": f"SET {sets}{removes}",
        "ConditionExpression": condition.expression,
        "ExpressionAttributeNames": names,
        "ExpressionAttributeValues": values,
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }
