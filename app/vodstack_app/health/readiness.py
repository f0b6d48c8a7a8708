import asyncio
import time

import structlog

from vodstack_app.aws import AWS_ERRORS, Clients
from vodstack_app.settings import Settings
from vodstack_contracts import moves
from vodstack_contracts.items import to_attribute

log: structlog.stdlib.BoundLogger = structlog.get_logger()

CHECK_TIMEOUT_SECONDS = 3.0
CACHE_SECONDS = 2.0
_NO_VIDEO = "readiness"


class Readiness:
    """Whether this process should get requests."""

    def __init__(self) -> None:
        self._draining = False
        self._clients: Clients | None = None
        self._settings: Settings | None = None
        self._checked_at = -CACHE_SECONDS
        self._fault = "The API is starting."
        self._lock = asyncio.Lock()

    def watch(self, clients: Clients, settings: Settings) -> None:
        self._clients, self._settings = clients, settings

    @property
    def is_draining(self) -> bool:
        return self._draining

    def drain(self) -> None:
        """Ask for no more requests: the process is leaving."""
        self._draining = True

    async def fault(self) -> str:
        """Why the process is not ready, in a sentence; nothing when it is."""
        if self._draining:
            return "The API is shutting down."
        # One check serves all who ask within a few seconds: a probe must not load what it probes.
        async with self._lock:
            if time.monotonic() - self._checked_at >= CACHE_SECONDS:
                self._fault = await self._check()
                self._checked_at = time.monotonic()
        return self._fault

    async def _check(self) -> str:
        if self._clients is None or self._settings is None:
            return "The API is starting."
        clients, settings = self._clients, self._settings
        try:
            async with asyncio.timeout(CHECK_TIMEOUT_SECONDS):
                await clients.s3.head_bucket(Bucket=settings.bucket)
        except AWS_ERRORS as error:
            return _unreachable("bucket", settings.bucket, error)
        try:
            async with asyncio.timeout(CHECK_TIMEOUT_SECONDS):
                # A read of nothing asks for no permission that the API does not need anyway.
                key = {moves.KEY: to_attribute(_NO_VIDEO)}
                await clients.dynamodb.get_item(TableName=settings.videos_table, Key=key)
        except AWS_ERRORS as error:
            return _unreachable("table", settings.videos_table, error)
        return ""


def _unreachable(kind: str, name: str, error: Exception) -> str:
    """The sentence that anybody may read: the log alone tells names."""
    log.warning("not ready", unreachable=kind, name=name, cause=repr(error))
    return f"The {kind} cannot be reached. The logs name it."
