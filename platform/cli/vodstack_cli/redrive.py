"""`vodstack redrive`: dead letters go back to the queue they came from."""

from dataclasses import dataclass

import click

from vodstack_cli.errors import CommandError
from vodstack_cli.foundation import Foundation, Queue, aws_errors, stack_option
from vodstack_cli.letters import DeadLetter, held_letters, printable

_MOST_LETTERS = 1000


@click.command()
@stack_option
@click.option("--id", "wanted", help="Only the message of this id, or those of the video of this id.")
@click.option("--dry-run", is_flag=True, help="Say what would be sent again, and send nothing.")
def redrive(stack: str, *, wanted: str | None, dry_run: bool) -> None:
    """Send dead letters again. Safe to repeat: a message that comes twice is worked on once.

    Malformed messages stay where they are unless one is named by --id.
    """
    with aws_errors():
        foundation = Foundation(stack)
        summaries = [
            _redrive_queue(foundation, queue, wanted, dry_run=dry_run)
            for queue in (foundation.arrivals, foundation.chunks)
        ]
    sent, kept = sum(each.sent for each in summaries), sum(each.kept for each in summaries)
    if wanted and not sent:
        raise CommandError(
            f"No dead letter has the id {wanted!r}, or tells of a video of that id: see `vodstack jobs`."
        )
    click.echo(f"{sent} {'would be sent' if dry_run else 'sent'} again, {kept} kept.")
    if any(each.more for each in summaries):
        click.echo(f"At most {_MOST_LETTERS} of a queue are looked at: run this again for the rest.")


@dataclass(frozen=True)
class _Summary:
    sent: int
    kept: int
    more: bool


def _redrive_queue(foundation: Foundation, queue: Queue, wanted: str | None, *, dry_run: bool) -> _Summary:
    sent = 0
    with held_letters(foundation, queue, _MOST_LETTERS) as held:
        for letter in held.letters:
            chosen = _is_chosen(letter, wanted)
            if chosen and not dry_run:
                # Sent before it is deleted: a crash between the two repeats a message and loses none.
                foundation.sqs.send_message(QueueUrl=queue.url, MessageBody=letter.body)
                held.delete(letter)
            sent += chosen
            if chosen or wanted is None:
                what = "again" if chosen else "kept"
                click.echo(
                    f"{what}  {queue.name}  {letter.message_id}  {' '.join(letter.video_ids) or '-'}  "
                    f"{printable(letter.reason)}"
                )
        return _Summary(sent, len(held.letters) - sent, held.more)


def _is_chosen(letter: DeadLetter, wanted: str | None) -> bool:
    if wanted is None:
        return letter.workable
    return wanted == letter.message_id or wanted in letter.video_ids
