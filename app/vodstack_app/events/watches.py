"""Videos that clients watch: each is read once a second, however many look on."""

import asyncio
import time
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field

from msgspec import Struct

from vodstack_app.errors import NotFoundError, UnavailableError
from vodstack_app.fair_use.places import Places
from vodstack_app.health.readiness import Readiness
from vodstack_app.identity import EVERYBODY
from vodstack_app.videos.records import Records
from vodstack_app.videos.views import FailureView, Share, WarningView, visible_failure, visible_stage, visible_warnings
from vodstack_contracts.videos import Stage, Status, VideoRecord

POLL_SECONDS = 1.0
# Proxies close what is silent for a minute.
HEARTBEAT_SECONDS = 15.0
LIFE_SECONDS = 3600.0
FAULTS_IN_A_ROW = 10
ENDS = frozenset({Status.READY, Status.FAILED, Status.DELETED})


class StateView(Struct, frozen=True, rename="camel"):
    """Where a video stands; what an event says."""

    status: Status
    progress: Share
    stage: Stage | None
    error: FailureView | None
    warnings: list[WarningView]


@dataclass
class _Watch:
    state: StateView
    followers: int = 0
    is_over: bool = False
    change: asyncio.Event = field(default_factory=asyncio.Event)
    poll: asyncio.Task[None] | None = None

    def tell(self, state: StateView | None) -> None:
        """The new state to whoever follows; with none, that there will be no other."""
        self.state, self.is_over = state or self.state, self.is_over or state is None
        self.change.set()
        self.change = asyncio.Event()


class Watches:
    """All that this process watches, a bounded number of followers in all."""

    def __init__(self, records: Records, readiness: Readiness, places: Places) -> None:
        self._records = records
        self._readiness = readiness
        self._places = places
        self._watches: dict[str, _Watch] = {}

    async def follow(self, record: VideoRecord, client: str, until: float | None) -> AsyncGenerator[StateView | None]:
        """The state now and whenever it changes, to the end; nothing as a sign of life in between.

        `until` is the moment at which the client's token ends. Raises UnavailableError or TooManyAtOnceError, at once.
        """
        if self._readiness.is_draining:
            raise UnavailableError("The API is shutting down. Try again in a moment.")
        life = LIFE_SECONDS if until is None else min(LIFE_SECONDS, until - time.time())
        ends_at = time.monotonic() + life
        with self._places.taken(client):
            watch = self._join(record)
            told: StateView | None = None
            try:
                while told is None or time.monotonic() < ends_at:
                    change = watch.change
                    if watch.state != told:
                        told = watch.state
                        yield told
                    elif watch.is_over:
                        return
                    elif not await _happens(change, ends_at - time.monotonic()):
                        yield None
            finally:
                self._leave(record.video_id, watch)

    def _join(self, record: VideoRecord) -> _Watch:
        watch = self._watches.get(record.video_id)
        if watch is None or watch.is_over:
            watch = _Watch(view_state(record))
            watch.poll = asyncio.create_task(self._poll(record.video_id, watch))
            self._watches[record.video_id] = watch
        watch.followers += 1
        return watch

    def _leave(self, video_id: str, watch: _Watch) -> None:
        watch.followers -= 1
        if watch.followers:
            return
        if watch.poll:
            watch.poll.cancel()
        if self._watches.get(video_id) is watch:
            del self._watches[video_id]

    async def _poll(self, video_id: str, watch: _Watch) -> None:
        faults = 0
        try:
            while watch.state.status not in ENDS and not self._readiness.is_draining and faults < FAULTS_IN_A_ROW:
                await asyncio.sleep(POLL_SECONDS)
                try:
                    state = await self._read(video_id)
                except UnavailableError:
                    faults += 1
                else:
                    faults = 0
                    if state != watch.state:
                        watch.tell(state)
        finally:
            watch.tell(None)

    async def _read(self, video_id: str) -> StateView:
        try:
            return view_state(await self._records.find(video_id, EVERYBODY))
        except NotFoundError:
            return StateView(Status.DELETED, 0.0, None, None, [])


def view_state(record: VideoRecord) -> StateView:
    return StateView(
        record.status, record.progress, visible_stage(record), visible_failure(record), visible_warnings(record)
    )


async def _happens(change: asyncio.Event, seconds_left: float) -> bool:
    try:
        async with asyncio.timeout(min(HEARTBEAT_SECONDS, seconds_left)):
            await change.wait()
    except TimeoutError:
        return False
    return True
