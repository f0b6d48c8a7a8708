"""The conditional writes against a real table: the state machine as DynamoDB enforces it."""

import pytest
from botocore.exceptions import ClientError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import fields

from vodstack_contracts.errors import ForbiddenMoveError
from vodstack_contracts.items import from_item
from vodstack_contracts.moves import advance, amend, create, delete, move, take
from vodstack_contracts.videos import (
    DELETED_OWNER,
    MOVES,
    Deletion,
    EncodePlan,
    Lease,
    Status,
    VideoRecord,
    VideoWarning,
    WarningCode,
    Way,
    new_video_id,
    timestamp,
)


class Table:
    def __init__(self, foundation) -> None:
        self.name = foundation.videos_table
        self.client = foundation.client("dynamodb")

    def add(self, status: Status = Status.UPLOADING, lease: Lease | None = None) -> str:
        record = VideoRecord(
            video_id=new_video_id(),
            status=status,
            upload_date=timestamp(),
            updated_at=timestamp(),
            expires_at=9,
            lease=lease,
        )
        self.client.put_item(TableName=self.name, **create(record))
        return record.video_id

    def update(self, arguments) -> bool:
        try:
            self.client.update_item(TableName=self.name, **arguments)
        except self.client.exceptions.ConditionalCheckFailedException:
            return False
        return True

    def get(self, video_id: str) -> VideoRecord:
        item = self.client.get_item(TableName=self.name, Key={"video_id": {"S": video_id}})["Item"]
        return from_item(item, VideoRecord)


@pytest.fixture
def table(foundation) -> Table:
    return Table(foundation)


def lease(token: str, *, ends: float = 100.0) -> Lease:
    return Lease(token=token, message_id="message", expires_at=ends)


def test_an_id_is_given_out_once(table):
    video_id = table.add()
    again = VideoRecord(video_id=video_id, status=Status.UPLOADING, upload_date=timestamp(), updated_at="")
    with pytest.raises(ClientError, match="ConditionalCheckFailed"):
        table.client.put_item(TableName=table.name, **create(again))


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(targets=st.lists(st.sampled_from(sorted(set(Status) - {Status.UPLOADING})), max_size=6))
def test_only_the_allowed_moves_are_ever_made(table, targets):
    video_id, state = table.add(), Status.UPLOADING
    for target in targets:
        allowed = target in MOVES[state]
        assert table.update(move(video_id, target)) is allowed
        state = target if allowed else state
        assert table.get(video_id).status is state


def test_no_write_makes_a_record_that_was_not_there(table):
    absent = new_video_id()
    assert not table.update(move(absent, Status.QUEUED))
    assert not table.update(take(absent, lease("a"), now=0))
    assert not table.update(amend(absent, Status))


def test_a_move_back_to_uploading_is_not_even_written():
    with pytest.raises(ForbiddenMoveError, match="uploading"):
        move(new_video_id(), Status.UPLOADING)


def test_a_change_rides_on_its_move(table):
    video_id = table.add()
    assert table.update(move(video_id, Status.QUEUED, changes={"title": "Hello"}, remove=["expires_at"]))
    record = table.get(video_id)
    assert (record.title, record.expires_at) == ("Hello", None)


@pytest.mark.parametrize("status", [Status.UPLOADING, Status.QUEUED])
def test_an_arrival_is_taken_before_and_after_the_api_wrote_it_down(table, status):
    video_id = table.add(status)
    assert table.update(take(video_id, lease("a"), now=0))
    record = table.get(video_id)
    assert (record.status, record.attempts, record.expires_at) == (Status.PROCESSING, 1, None)


def test_a_new_attempt_forgets_what_an_earlier_one_warned_of(table):
    video_id = table.add(Status.QUEUED)
    warning = VideoWarning(code=WarningCode.SOURCE_TRUNCATED, message="The last 2 seconds are missing.")
    table.update(amend(video_id, {Status.QUEUED}, changes={"warnings": [warning]}))
    assert table.get(video_id).warnings == [warning]
    assert table.update(take(video_id, lease("a"), now=0))
    assert table.get(video_id).warnings == []


def test_a_second_message_finds_the_video_taken(table):
    video_id = table.add(Status.QUEUED)
    assert table.update(take(video_id, lease("a", ends=100), now=50))
    assert not table.update(take(video_id, lease("b", ends=150), now=99))
    assert table.get(video_id).lease == lease("a", ends=100)


def test_a_lapsed_lease_is_taken_over_and_its_old_holder_writes_no_more(table):
    video_id = table.add(Status.QUEUED)
    table.update(take(video_id, lease("a", ends=100), now=50))
    assert table.update(take(video_id, lease("b", ends=200), now=101))
    assert not table.update(move(video_id, Status.READY, lease_token="a"))
    assert not table.update(amend(video_id, [Status.PROCESSING], lease_token="a", changes={"progress": 0.5}))
    assert table.update(move(video_id, Status.READY, lease_token="b", remove=["lease"]))
    assert table.get(video_id).attempts == 2


def test_a_finished_video_is_never_taken_again(table):
    video_id = table.add(Status.READY, lease("a", ends=1))
    assert not table.update(take(video_id, lease("b"), now=50))


def test_a_refused_write_tells_what_stands_there(table):
    video_id = table.add(Status.READY)
    with pytest.raises(table.client.exceptions.ConditionalCheckFailedException) as refusal:
        table.client.update_item(TableName=table.name, **take(video_id, lease("b"), now=50))
    assert from_item(refusal.value.response["Item"], VideoRecord).status is Status.READY


def test_a_move_within_named_states_is_made_from_no_other(table):
    failed, uploading = table.add(Status.FAILED), table.add(Status.UPLOADING)
    assert not table.update(move(failed, Status.QUEUED, within={Status.UPLOADING}))
    assert table.update(move(uploading, Status.QUEUED, within={Status.UPLOADING}, remove=("expires_at",)))
    assert (table.get(failed).status, table.get(uploading).expires_at) == (Status.FAILED, None)


def test_an_amendment_can_ask_that_a_value_is_still_what_it_was(table):
    video_id = table.add()
    first, second = ({"metadata": {"camera": name}} for name in ("north", "south"))
    assert table.update(amend(video_id, {Status.UPLOADING}, changes=first, unchanged={"metadata": {}}))
    assert not table.update(amend(video_id, {Status.UPLOADING}, changes=second, unchanged={"metadata": {}}))
    assert table.get(video_id).metadata == {"camera": "north"}


def test_a_deletion_leaves_the_bare_record_from_any_state(table):
    video_id = table.add(Status.PROCESSING, lease("a"))
    deletion = Deletion(former_owner="somebody", deleted_at=1, purge_at=2)
    assert table.update(delete(video_id, deletion))
    record = table.get(video_id)
    assert (record.status, record.owner, record.deletion, record.expires_at) == (
        Status.DELETED,
        DELETED_OWNER,
        deletion,
        None,
    )
    assert not table.update(delete(video_id, deletion))


# Of a deleted record: whose it was and until when it is kept, and figures that tell nothing of what was in it.
LEFT_OF_A_DELETED = {
    "video_id",
    "status",
    "owner",
    "deletion",
    "upload_date",
    "updated_at",
    "content_type",
    "size_bytes",
    "direct",
    "traceparent",
    "stage",
    "progress",
    "lease",
    "attempts",
    "failures",
    "resent",
    "stage_seconds",
}


def test_a_deletion_takes_along_every_word_and_finding(table):
    """Of a record in which every field is filled in, whichever is added later."""
    item = {each.encode_name: {"S": "something"} for each in fields(VideoRecord)}
    video_id = new_video_id()
    item |= {"video_id": {"S": video_id}, "status": {"S": Status.READY}, "owner": {"S": "a"}}
    table.client.put_item(TableName=table.name, Item=item)
    assert table.update(delete(video_id, Deletion(deleted_at=1, purge_at=1)))
    left = table.client.get_item(TableName=table.name, Key={"video_id": {"S": video_id}})["Item"]
    assert left.keys() == LEFT_OF_A_DELETED


def test_a_deletion_may_be_allowed_in_some_states_alone(table):
    uploading, taken = table.add(), table.add(Status.PROCESSING)
    deletion = Deletion(deleted_at=1, purge_at=2)
    held = [table.update(delete(each, deletion, within={Status.UPLOADING})) for each in (uploading, taken)]
    assert held == [True, False]
    assert [table.get(each).status for each in (uploading, taken)] == [Status.DELETED, Status.PROCESSING]


def test_going_on_with_a_video_is_no_new_attempt(table):
    video_id = table.add(Status.QUEUED)
    assert table.update(take(video_id, lease("a"), now=50.0))
    assert table.update(take(video_id, lease("b"), now=150.0, attempt=False))
    assert table.get(video_id).attempts == 1


def test_chunks_bring_a_video_forward_while_they_are_wanted(table):
    video_id = table.add(Status.QUEUED)
    table.update(take(video_id, lease("a"), now=50.0, changes={"progress": 0.0}))
    assert not table.update(advance(video_id, "00c0ffee", 0.5))
    plan = EncodePlan(way=Way.CHUNKS, plan_id="00c0ffee", chunks=3)
    table.update(amend(video_id, {Status.PROCESSING}, changes={"plan": plan}))
    assert table.update(advance(video_id, "00c0ffee", 0.5))
    assert not table.update(advance(video_id, "00c0ffee", 0.4))
    assert not table.update(advance(video_id, "0ddba11d", 0.6))
    fallen = EncodePlan(way=Way.ONE_PASS, plan_id="00c0ffee", reason="no fit")
    assert table.update(amend(video_id, {Status.PROCESSING}, changes={"plan": fallen}, plan_id="00c0ffee"))
    assert not table.update(amend(video_id, {Status.PROCESSING}, changes={"plan": fallen}, plan_id="00c0ffee"))
    assert not table.update(advance(video_id, "00c0ffee", 0.6))
    assert table.get(video_id).progress == 0.5
