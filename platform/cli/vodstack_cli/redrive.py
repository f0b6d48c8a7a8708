"""`vodstack redrive`: dead letters go back to the queue they came from."""

import click

from vodstack_cli.dead_letters import DeadLetter, held_letters
from vodstack_cli.errors import CommandError
from vodstack_cli.foundation import Foundation, Queue, aws_errors, stack_option
from vodstack_cli.jobs import printable

_MOST_LETTERS = 10_000


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
        sent, kept = 0, 0
        for queue in (foundation.arrivals, foundation.chunks):
            counts = _redrive_queue(foundation, queue, wanted, dry_run=dry_run)
            sent, kept = sent + counts[0], kept + counts[1]
    if wanted and not sent:
        raise CommandError(
            f"No dead letter has the id {wanted!r}, or tells of a video of that id: see `vodstack jobs`."
        )
    click.echo(f"{sent} {'would be sent' if dry_run else 'sent'} again, {kept} kept.")


def _redrive_queue(foundation: Foundation, queue: Queue, wanted: str | None, *, dry_run: bool) -> tuple[int, int]:
    sent = 0
    with held_letters(foundation, queue.dlq_url, _MOST_LETTERS) as held:
        for letter in held.letters:
            chosen = _is_chosen(letter, wanted)
            if chosen and not dry_run:
                # Sent before it is deleted: a crash between the two repeats a message and loses none.
                foundation.sqs.send_message(QueueUrl=queue.url, MessageBody=letter.body)
                foundation.sqs.delete_message(QueueUrl=queue.dlq_url, ReceiptHandle=letter.receipt)
                held.release(letter)
            sent += chosen
            if chosen or wanted is None:
                what = "again" if chosen else "kept"
                click.echo(
                    f"{what}  {queue.name}  {letter.message_id}  {' '.join(letter.video_ids) or '-'}  "
                    f"{printable(letter.reason)}"
                )
        return sent, len(held.letters) - sent


def _is_chosen(letter: DeadLetter, wanted: str | None) -> bool:
    if wanted is None:
        return letter.workable
    return wanted == letter.message_id or wanted in letter.video_ids
