"""`vodstack dead-letters`: what was given up on, message by message."""

import sys

import click
from rich.console import Console

from vodstack_cli.errors import CommandError
from vodstack_cli.foundation import Foundation, Queue, aws_errors, stack_option
from vodstack_cli.letters import DeadLetter, held_letter, held_letters, moment, printable

_BODY_CHARACTERS = 20_000

limit_option = click.option(
    "--limit", type=click.IntRange(1, 1000), default=20, show_default=True, help="Dead letters shown, of each queue."
)


@click.group("dead-letters")
def dead_letters() -> None:
    """Look at the messages that were given up on, and remove one."""


@dead_letters.command("list")
@stack_option
@limit_option
def list_letters(stack: str, limit: int) -> None:
    """Show the dead letters of both queues with their reasons. Changes nothing."""
    with aws_errors():
        if not print_letters(Console(), Foundation(stack), limit):
            click.echo("There are no dead letters.")


@dead_letters.command()
@stack_option
@click.argument("message_id", metavar="ID")
def show(stack: str, message_id: str) -> None:
    """Show the dead letter of this message's ID with its body. Changes nothing."""
    with aws_errors():
        _print_whole(*_find(Foundation(stack), message_id))


@dead_letters.command()
@stack_option
@click.argument("message_id", metavar="ID")
@click.option("--yes", is_flag=True, help="Do not ask.")
def drop(stack: str, message_id: str, *, yes: bool) -> None:
    """Remove the dead letter of this message's ID, for good, after showing it. Every other one stays."""
    with aws_errors():
        foundation = Foundation(stack)
        queue, letter = _find(foundation, message_id)
        _print_whole(queue, letter)
        if letter.workable:
            click.echo(f"A worker can take this: `{_redrive(stack)} --id {message_id}` sends it again instead.")
        # The message is back in its queue while the question stands, so that it does not depend on how long that is.
        if not yes:
            _require_yes()
        with held_letter(foundation, queue, message_id) as held:
            if not held.letters:
                raise CommandError(f"{message_id} was removed or sent again meanwhile: nothing is left to do.")
            held.delete(held.letters[0])
    click.echo(f"{message_id} is removed.")


def print_letters(console: Console, foundation: Foundation, limit: int) -> int:
    """Print the dead letters of both queues, and what can be done about them; return how many there were."""
    shown = [
        letter
        for queue in (foundation.arrivals, foundation.chunks)
        for letter in _print_queue(console, foundation, queue, limit)
    ]
    malformed = sum(not letter.workable for letter in shown)
    if workable := len(shown) - malformed:
        _say(console, f"`{_redrive(foundation.stack)}` sends {workable} of them again.")
    if malformed:
        _say(
            console,
            f"{malformed} cannot be worked on, and would come back here if sent again: `vodstack dead-letters show "
            f"--stack {foundation.stack} ID` shows one, `drop` removes it.",
        )
    return len(shown)


def _print_queue(console: Console, foundation: Foundation, queue: Queue, limit: int) -> list[DeadLetter]:
    with held_letters(foundation, queue, limit) as held:
        letters = held.letters[:limit]
        if letters:
            console.print(f"\n[bold]Dead letters of {queue.name}[/]")
        for letter in letters:
            _say(
                console,
                f"  {letter.message_id}  sent {moment(letter.sent_at)}  {' '.join(letter.video_ids) or '-'}\n"
                f"    {printable(letter.reason)}",
            )
        if held.more:
            _say(console, f"  ... and perhaps more: raise --limit above {limit}")
        return letters


def _find(foundation: Foundation, message_id: str) -> tuple[Queue, DeadLetter]:
    for queue in (foundation.arrivals, foundation.chunks):
        with held_letter(foundation, queue, message_id) as held:
            if held.letters:
                return queue, held.letters[0]
    raise CommandError(
        f"No dead letter has the id {message_id!r}: `vodstack dead-letters list --stack {foundation.stack}` shows "
        "those that are there, each with its own id before its video's."
    )


def _require_yes() -> None:
    try:
        agreed = click.confirm("Remove this message for good?")
    except click.Abort:
        click.echo()
        agreed = False
    if not agreed:
        click.echo("Nothing was removed; --yes removes without a question.")
        sys.exit(1)


def _print_whole(queue: Queue, letter: DeadLetter) -> None:
    lines = letter.body.splitlines()
    click.echo(
        f"{letter.message_id} of {queue.name}, sent {moment(letter.sent_at)}\n"
        f"video:  {' '.join(letter.video_ids) or '-'}\n"
        f"reason: {printable(letter.reason)}\n"
        f"body, {len(letter.body.encode()):,} bytes:"
    )
    for line in lines:
        click.echo(f"  {printable(line, _BODY_CHARACTERS)}{' ...' if len(line) > _BODY_CHARACTERS else ''}")


def _redrive(stack: str) -> str:
    return f"vodstack redrive --stack {stack}"


def _say(console: Console, text: str) -> None:
    console.print(text, markup=False, highlight=False, soft_wrap=True)
