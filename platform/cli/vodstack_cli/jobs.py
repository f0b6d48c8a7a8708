"""`vodstack jobs`: what waits, what is worked on, and what was given up on."""

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from vodstack_cli.dead_letters import limit_option, print_letters
from vodstack_cli.foundation import Foundation, Queue, aws_errors, stack_option
from vodstack_cli.letters import moment
from vodstack_contracts.items import from_item, to_attribute
from vodstack_contracts.videos import Status, VideoRecord, Way

_DEPTHS = ("waiting", "in flight", "delayed")


@click.command()
@stack_option
@click.option("--videos", is_flag=True, help="Show the videos in processing as well; this reads the whole table.")
@limit_option
def jobs(stack: str, *, videos: bool, limit: int) -> None:
    """Show the queues, what is in flight, and the dead letters with their reasons. Changes nothing."""
    console = Console()
    with aws_errors():
        foundation = Foundation(stack)
        queues = (foundation.arrivals, foundation.chunks)
        console.print(_depths(foundation, queues))
        if videos:
            _print_processing(console, foundation)
        print_letters(console, foundation, limit)


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
            f"held until {moment(record.lease.expires_at if record.lease else 0)}",
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
