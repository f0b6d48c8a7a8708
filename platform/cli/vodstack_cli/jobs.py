"""`vodstack jobs`: what waits, what is worked on, and what was given up on."""

from datetime import UTC, datetime

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from vodstack_cli.dead_letters import held_letters
from vodstack_cli.foundation import Foundation, Queue, aws_errors, stack_option
from vodstack_contracts.items import from_item, to_attribute
from vodstack_contracts.videos import Status, VideoRecord, Way

_DEPTHS = ("waiting", "in flight", "delayed")


@click.command()
@stack_option
@click.option("--videos", is_flag=True, help="Show the videos in processing as well; this reads the whole table.")
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True, help="Dead letters shown.")
def jobs(stack: str, *, videos: bool, limit: int) -> None:
    """Show the queues, what is in flight, and the dead letters with their reasons. Changes nothing."""
    console = Console()
    with aws_errors():
        foundation = Foundation(stack)
        queues = (foundation.arrivals, foundation.chunks)
        console.print(_depths(foundation, queues))
        if videos:
            _print_processing(console, foundation)
        for queue in queues:
            _print_dead(console, foundation, queue, limit)


def _depths(foundation: Foundation, queues: tuple[Queue, ...]) -> Table:
    table = Table(title="Queues", title_justify="left", title_style="bold")
    for name in ("queue", *_DEPTHS, "dead"):
        table.add_column(name, justify="left" if name == "queue" else "right")
    for queue in queues:
        depths = _attributes(foundation, queue.url)
        dead = _attributes(foundation, queue.dlq_url)["waiting"]
        table.add_row(queue.name, *(str(depths[name]) for name in _DEPTHS), Text(str(dead), "red" if dead else ""))
    return table


def _attributes(foundation: Foundation, url: str) -> dict[str, int]:
    found = foundation.sqs.get_queue_attributes(
        QueueUrl=url,
        AttributeNames=[
            "ApproximateNumberOfMessages",
            "ApproximateNumberOfMessagesNotVisible",
            "ApproximateNumberOfMessagesDelayed",
        ],
    ).get("Attributes", {})
    return {
        "waiting": int(found.get("ApproximateNumberOfMessages", "0")),
        "in flight": int(found.get("ApproximateNumberOfMessagesNotVisible", "0")),
        "delayed": int(found.get("ApproximateNumberOfMessagesDelayed", "0")),
    }


def _print_processing(console: Console, foundation: Foundation) -> None:
    console.print("\n[bold]In processing[/]")
    pages = foundation.dynamodb.get_paginator("scan").paginate(
        TableName=foundation.table,
        FilterExpression="#status = :processing",
        ExpressionAttributeNames={"#status": "status"},
        ExpressionAttributeValues={":processing": to_attribute(Status.PROCESSING)},
    )
    for item in (item for page in pages for item in page.get("Items", [])):
        record = from_item(item, VideoRecord)
        console.print(
            f"  {record.video_id}  {record.stage or '-'} {record.progress:.0%}, attempts {record.attempts}, "
            f"failures {record.failures}, {_way(record)}, "
            f"held until {_moment(record.lease.expires_at if record.lease else 0)}",
            highlight=False,
            soft_wrap=True,
        )


def _way(record: VideoRecord) -> str:
    plan = record.plan
    if plan is None:
        return "no plan yet"
    if plan.way is Way.CHUNKS:
        return f"{plan.chunks} chunks of plan {plan.plan_id}"
    return f"one pass ({plan.reason})"


def _print_dead(console: Console, foundation: Foundation, queue: Queue, limit: int) -> None:
    with held_letters(foundation, queue, limit) as held:
        if not held.letters:
            return
        console.print(f"\n[bold]Dead letters of {queue.name}[/]")
        for letter in held.letters[:limit]:
            console.print(
                f"  {letter.message_id}  sent {_moment(letter.sent_at)}  {' '.join(letter.video_ids) or '-'}\n"
                f"    {printable(letter.reason)}",
                markup=False,
                highlight=False,
                soft_wrap=True,
            )
        if held.more:
            console.print(f"  ... and perhaps more: raise --limit above {limit}", highlight=False)
    console.print(f"`vodstack redrive --stack {foundation.stack}` sends them again.", highlight=False)


def printable(text: str) -> str:
    """Text from outside, without what could steer a terminal."""
    return "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in text)[:500]


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%SZ") if seconds else "-"
