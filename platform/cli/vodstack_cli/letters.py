"""What lies in a dead-letter queue, and why: read from message and record, for the queue keeps no reason."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from vodstack_cli.foundation import Foundation, Queue
from vodstack_contracts.errors import MalformedMessageError
from vodstack_contracts.jobs import decode_arrivals, decode_chunk
from vodstack_contracts.videos import Status, VideoRecord, Way

if TYPE_CHECKING:
    from types_boto3_sqs import SQSClient
    from types_boto3_sqs.type_defs import ChangeMessageVisibilityBatchRequestEntryTypeDef

_HOLD_SECONDS = 120
_BATCH = 10
_PRINTED_CHARACTERS = 500

Explanation = tuple[tuple[str, ...], str, bool]
Explain = Callable[[Foundation, str], Explanation]


@dataclass(frozen=True, kw_only=True)
class DeadLetter:
    """One message that was given up on. `workable` is false where sending it again could only end here again."""

    message_id: str
    body: str
    sent_at: float
    video_ids: tuple[str, ...]
    reason: str
    workable: bool


@dataclass(frozen=True)
class Held:
    """The dead letters in this command's hands; those that are not deleted go back when it ends."""

    letters: list[DeadLetter]
    more: bool
    _hold: "_Hold"

    def delete(self, letter: DeadLetter) -> None:
        """Delete this message alone."""
        self._hold.delete(letter.message_id)


@contextmanager
def held_letters(foundation: Foundation, queue: Queue, limit: int) -> Generator[Held]:
    """Hold up to `limit` dead letters. Should the command die, they come back by themselves within two minutes."""
    explain = _explanation_of(foundation, queue)
    with _holding(foundation.sqs, queue.dlq_url) as hold:
        letters: list[DeadLetter] = []
        while len(letters) < limit:
            # Where explaining takes long, the first ones come back before the last has been seen.
            new = hold.receive()
            if not new:
                break
            letters += [_explained(foundation, message, explain) for message in new]
        yield Held(letters, len(letters) >= limit, hold)


@contextmanager
def held_letter(foundation: Foundation, queue: Queue, message_id: str) -> Generator[Held]:
    """Hold the dead letter of this id, or none where the queue has no such message."""
    with _holding(foundation.sqs, queue.dlq_url) as hold:
        while new := hold.receive():
            if found := [message for message in new if message.message_id == message_id]:
                letters = [_explained(foundation, each, _explanation_of(foundation, queue)) for each in found]
                hold.give_back_all_but(message_id)
                yield Held(letters, more=False, _hold=hold)
                return
        yield Held([], more=False, _hold=hold)


def printable(text: str, most: int = _PRINTED_CHARACTERS) -> str:
    """Text from outside, without what could steer a terminal."""
    return "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in text)[:most]


def moment(seconds: float) -> str:
    """A time in epoch seconds as people read it; `-` for none."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%SZ") if seconds else "-"


@dataclass(frozen=True, kw_only=True)
class _Message:
    message_id: str
    receipt: str
    body: str
    sent_at: float


class _Hold:
    """Messages of one queue that nobody else sees meanwhile."""

    def __init__(self, sqs: "SQSClient", url: str) -> None:
        self._sqs = sqs
        self._url = url
        self._receipts: dict[str, str] = {}

    def receive(self) -> list[_Message]:
        """Return messages that were not seen before; none once all have been."""
        answer = self._sqs.receive_message(
            QueueUrl=self._url,
            MaxNumberOfMessages=_BATCH,
            # Waiting makes SQS ask all of its servers; without it, few messages may look like none.
            WaitTimeSeconds=1,
            VisibilityTimeout=_HOLD_SECONDS,
            MessageSystemAttributeNames=["SentTimestamp"],
        )
        messages = [
            _Message(
                message_id=message.get("MessageId", ""),
                receipt=message.get("ReceiptHandle", ""),
                body=message.get("Body", ""),
                sent_at=int(message.get("Attributes", {}).get("SentTimestamp", "0")) / 1000,
            )
            for message in answer.get("Messages", [])
        ]
        new = [message for message in messages if message.message_id not in self._receipts]
        self._receipts |= {message.message_id: message.receipt for message in messages}
        return new

    def delete(self, message_id: str) -> None:
        self._sqs.delete_message(QueueUrl=self._url, ReceiptHandle=self._receipts.pop(message_id))

    def give_back_all_but(self, *kept: str) -> None:
        """Make the messages visible at once. One that cannot be any more comes back, or has gone, by itself."""
        receipts = [receipt for message_id, receipt in self._receipts.items() if message_id not in kept]
        for start in range(0, len(receipts), _BATCH):
            entries: list[ChangeMessageVisibilityBatchRequestEntryTypeDef] = [
                {"Id": str(number), "ReceiptHandle": receipt, "VisibilityTimeout": 0}
                for number, receipt in enumerate(receipts[start : start + _BATCH])
            ]
            self._sqs.change_message_visibility_batch(QueueUrl=self._url, Entries=entries)
        self._receipts = {message_id: receipt for message_id, receipt in self._receipts.items() if message_id in kept}


@contextmanager
def _holding(sqs: "SQSClient", url: str) -> Generator[_Hold]:
    hold = _Hold(sqs, url)
    try:
        yield hold
    finally:
        hold.give_back_all_but()


def _explanation_of(foundation: Foundation, queue: Queue) -> Explain:
    return _explain_chunk if queue.name == foundation.chunks.name else _explain_arrivals


def _explained(foundation: Foundation, message: _Message, explain: Explain) -> DeadLetter:
    video_ids, reason, workable = explain(foundation, message.body)
    return DeadLetter(
        message_id=message.message_id,
        body=message.body,
        sent_at=message.sent_at,
        video_ids=video_ids,
        reason=reason,
        workable=workable,
    )


def _explain_arrivals(foundation: Foundation, body: str) -> Explanation:
    try:
        arrivals = decode_arrivals(body)
    except MalformedMessageError as error:
        return (), f"malformed: {error}", False
    video_ids = tuple(arrival.video_id for arrival in arrivals)
    strangers = [arrival.bucket for arrival in arrivals if arrival.bucket != foundation.bucket]
    if strangers:
        return video_ids, f"malformed: an event of another bucket, {strangers[0]!r}", False
    return video_ids, "; ".join(_standing(foundation.record(each)) for each in video_ids) or "tells of no video", True


def _explain_chunk(foundation: Foundation, body: str) -> Explanation:
    try:
        job = decode_chunk(body)
    except MalformedMessageError as error:
        return (), f"malformed: {error}", False
    record = foundation.record(job.video_id)
    plan = record.plan if record else None
    where = f"chunk {job.number} of plan {job.plan_id}"
    if record and (plan is None or plan.plan_id != job.plan_id or plan.way is not Way.CHUNKS):
        where += ", which is given up"
    return (job.video_id,), f"{where}; {_standing(record)}", True


def _standing(record: VideoRecord | None) -> str:
    if record is None:
        return "the video is unknown"
    if record.status is Status.FAILED and record.error:
        return f"failed with {record.error.code}"
    setback = f": {record.setback}" if record.setback else ""
    return f"{record.status}, {record.attempts} attempts{setback}"
