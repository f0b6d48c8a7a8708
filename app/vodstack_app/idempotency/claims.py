"""Who works on an Idempotency-Key, and what it was answered with (docs/adr/0015-an-idempotency-key-is-a-lease.md).

A claim lapses unless it is kept, so that a process that died locks no key; its answer is kept for a day.
"""

import secrets
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import structlog
from botocore.exceptions import ClientError
from msgspec import Struct

from vodstack_app.aws import error_code, storage_errors
from vodstack_app.errors import AppError, ConflictError, KeyInUseError, KeyReusedError
from vodstack_app.videos.records import CONDITION_FAILED
from vodstack_contracts.items import from_item, to_attribute, to_item

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb.client import DynamoDBClient

log: structlog.stdlib.BoundLogger = structlog.get_logger()

CLAIM_SECONDS = 120
KEEP_SECONDS = 30
ANSWER_LIFE_SECONDS = 24 * 3600
_MINE = "#token = :token"
_OVERTAKEN = "The same request was sent again meanwhile, and took over."


class Claimed(Struct, frozen=True, kw_only=True):
    """A key as the work table holds it; without `claimed_until` it has been answered. Times are in epoch seconds.

    `fingerprint` and `upload_id` are there from the moment at which the video may come to be.
    """

    pk: str
    sk: str
    operation: str
    token: str
    video_id: str
    expires_at: int
    claimed_until: float | None = None
    fingerprint: str | None = None
    upload_id: str | None = None

    @property
    def is_answered(self) -> bool:
        return self.claimed_until is None


class Claim:
    """One request's hold on a key. `found` is what an earlier one, answered or dead, has left."""

    def __init__(self, claims: "Claims", item: Claimed, found: Claimed | None) -> None:
        self._claims = claims
        self._item = item
        self._next_keep = time.monotonic() + KEEP_SECONDS
        self.found = found

    @property
    def video_id(self) -> str:
        return self._item.video_id

    def require_same(self, fingerprint: str) -> None:
        """Raises KeyReusedError where the earlier request was another one."""
        if self.found and self.found.fingerprint not in {None, fingerprint}:
            raise KeyReusedError

    async def restart(self) -> None:
        """Nothing has come of the earlier request: this one takes its place."""
        changes: dict[str, object] = {"video_id": self.video_id}
        sealed = () if self._item.fingerprint else ("fingerprint", "upload_id")
        if not await self._claims.change(self._item, changes, sealed):
            raise ConflictError(_OVERTAKEN)
        self.found = None

    async def keep(self) -> None:
        """To be called often: it writes only now and then."""
        if time.monotonic() >= self._next_keep:
            await self._require({"claimed_until": time.time() + CLAIM_SECONDS})
            self._next_keep = time.monotonic() + KEEP_SECONDS

    async def seal(self, fingerprint: str, upload_id: str) -> None:
        """From here on the video may come to be. Raises ConflictError where another request has taken over."""
        sealed = {"fingerprint": fingerprint, "upload_id": upload_id, "claimed_until": time.time() + CLAIM_SECONDS}
        await self._require(sealed)

    async def answer(self, video_id: str) -> None:
        """Keep the answer. Where that fails, whoever repeats the request finds out what has come of this one."""
        lasting = {"video_id": video_id, "expires_at": int(time.time()) + ANSWER_LIFE_SECONDS}
        try:
            await self._claims.change(self._item, lasting, remove=("claimed_until", "upload_id"))
        except AppError as error:
            log.warning("answer not kept for its key", video_id=video_id, cause=repr(error.__cause__))

    async def let_go(self, *, may_have_arrived: bool) -> None:
        """The request has failed: its key is free at once, for a repetition that may have to look what became of it."""
        try:
            if may_have_arrived:
                await self._claims.change(self._item, {"claimed_until": 0.0})
            else:
                await self._claims.remove(self._item)
        except AppError as error:
            log.warning("key left to lapse", video_id=self.video_id, cause=repr(error.__cause__))

    async def _require(self, changes: Mapping[str, object]) -> None:
        if not await self._claims.change(self._item, changes):
            raise ConflictError(_OVERTAKEN)


class Claims:
    """The keys of all owners, in the work table."""

    def __init__(self, dynamodb: "DynamoDBClient", table: str) -> None:
        self._dynamodb = dynamodb
        self._table = table

    async def claim(
        self, owner: str, key: str, *, operation: str, video_id: str, fingerprint: str | None = None
    ) -> Claim:
        """A claim that is kept, or lapses. Raises KeyInUseError, KeyReusedError or UnavailableError."""
        now = time.time()
        item = Claimed(
            pk=f"idempotency#{owner}",
            sk=key,
            operation=operation,
            token=secrets.token_hex(16),
            video_id=video_id,
            expires_at=int(now) + ANSWER_LIFE_SECONDS,
            claimed_until=now + CLAIM_SECONDS,
            fingerprint=fingerprint,
        )
        found = await self._put(item, now)
        if found is None:
            return Claim(self, item, None)
        if found.operation != operation:
            raise KeyReusedError
        claim = Claim(self, item, found)
        if fingerprint is not None:
            claim.require_same(fingerprint)
        if not found.is_answered and not (found.claimed_until or 0) < now:
            raise KeyInUseError
        if not found.is_answered and not await self._take_over(found, item):
            raise KeyInUseError
        return claim

    async def change(self, item: Claimed, changes: Mapping[str, object], remove: tuple[str, ...] = ()) -> bool:
        """Whether the claim was still this one's."""
        return await self._update(item, changes, remove, (item.token,))

    async def remove(self, item: Claimed) -> None:
        with storage_errors():
            await self._held(
                "delete_item",
                Key=_key(item),
                ConditionExpression=_MINE,
                ExpressionAttributeNames={"#token": "token"},
                ExpressionAttributeValues={":token": to_attribute(item.token)},
            )

    async def _put(self, item: Claimed, now: float) -> Claimed | None:
        """None where the key is this request's now; else what is there."""
        with storage_errors():
            try:
                await self._dynamodb.put_item(
                    TableName=self._table,
                    Item=to_item(item),
                    ConditionExpression="attribute_not_exists(pk) OR expires_at <= :now",
                    ExpressionAttributeValues={":now": to_attribute(int(now))},
                    ReturnValuesOnConditionCheckFailure="ALL_OLD",
                )
            except ClientError as error:
                if error_code(error) != CONDITION_FAILED:
                    raise
                response: Any = error.response
            else:
                return None
        found = from_item(response["Item"], Claimed)
        # A repetition by the AWS client, whose first answer was lost, finds its own.
        return None if found.token == item.token else found

    async def _take_over(self, found: Claimed, item: Claimed) -> bool:
        """The token changes and nothing else: the dead request's traces stay until they have been looked into."""
        changes: dict[str, object] = {"token": item.token, "claimed_until": item.claimed_until}
        return await self._update(item, changes, (), (found.token, item.token))

    async def _update(
        self, item: Claimed, changes: Mapping[str, object], remove: tuple[str, ...], holders: tuple[str, ...]
    ) -> bool:
        held_by = {f":holder{index}": to_attribute(token) for index, token in enumerate(holders)}
        sets = ", ".join(f"#{name} = :{name}" for name in changes)
        removes = f" REMOVE {', '.join(f'#{name}' for name in remove)}" if remove else ""
        with storage_errors():
            return await self._held(
                "update_item",
                Key=_key(item),
                UpdateExpression=f"SET {sets}{removes}",
                ConditionExpression=f"#token IN ({', '.join(held_by)})",
                ExpressionAttributeNames={f"#{name}": name for name in (*changes, *remove, "token")},
                ExpressionAttributeValues={f":{name}": to_attribute(value) for name, value in changes.items()}
                | held_by,
            )

    async def _held(self, operation: str, **arguments: Any) -> bool:
        try:
            await getattr(self._dynamodb, operation)(TableName=self._table, **arguments)
        except ClientError as error:
            if error_code(error) == CONDITION_FAILED:
                return False
            raise
        return True


def _key(item: Claimed) -> dict[str, Any]:
    return {"pk": to_attribute(item.pk), "sk": to_attribute(item.sk)}
