"""What `vodstack cost` prints."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from rich.console import Console
from rich.table import Table

from vodstack_cli.cost_parts import Part, total
from vodstack_cli.cost_prices import REGION, Prices
from vodstack_cli.cost_savings import Saving

_JSON_UNIT = Decimal("0.0001")


@dataclass(frozen=True, kw_only=True)
class CostReport:
    """Everything that was reckoned."""

    stack: str
    region: str
    prices: Prices
    month: Sequence[Part]
    video: Sequence[Part]
    beside: Sequence[Part]
    savings: Sequence[Saving]


def print_cost(console: Console, report: CostReport) -> None:
    _say(console, f"{report.stack}: list prices of {REGION} in US dollars, checked on {report.prices.checked}")
    if report.region != REGION:
        _say(console, f"The stack is in {report.region}, whose prices are others: take these for their order alone.")
    console.print(_table("By the month, while nobody uploads", report.month, "together"))
    _say(
        console, "Left out: traffic, logs, images, backups, requests, and Karpenter's nodes, which come with the work."
    )
    console.print(_table("By the hour of video", report.video, "together"))
    for part in report.beside:
        _say(console, f"  {part.name}: {part.amount} ({part.quantity})")
    hour = report.prices.video_hour
    _say(console, f"An hour of video is {hour.what}; {hour.source}, on {hour.checked}.")
    console.print("\n[bold]The largest ways to lower the month's bill, each by itself[/]", highlight=False)
    for number, saving in enumerate(report.savings, start=1):
        _say(console, f"  {number}. {saving}: {saving.change}")
    if not report.savings:
        _say(console, "  none that is known: the stack pays for nothing that it could do without")


def as_data(report: CostReport) -> Mapping[str, object]:
    """The same for machines: dollars as text, null where there is no bound."""
    return {
        "stack": report.stack,
        "region": report.region,
        "pricesOf": REGION,
        "checked": report.prices.checked.isoformat(),
        "month": [_part(part) for part in (*report.month, Part("together", "", total(report.month, _JSON_UNIT)))],
        "videoHour": [_part(part) for part in (*report.video, *report.beside)],
        "savings": [{"change": each.change, **_bounds(each)} for each in report.savings],
    }


def _part(part: Part) -> dict[str, object]:
    return {"name": part.name, "quantity": part.quantity, **_bounds(part)}


def _bounds(priced: Part | Saving) -> dict[str, object]:
    amount = priced.amount.rounded(_JSON_UNIT)
    return {"least": str(amount.least), "most": None if amount.most is None else str(amount.most)}


def _table(title: str, parts: Sequence[Part], sum_name: str) -> Table:
    table = Table(title=f"\n{title}", title_justify="left", title_style="bold", show_footer=True)
    table.add_column("part", footer=sum_name)
    table.add_column("of it")
    table.add_column("price", justify="right", footer=str(total(parts)))
    for part in parts:
        table.add_row(part.name, part.quantity, str(part.amount))
    return table


def _say(console: Console, text: str) -> None:
    console.print(text, highlight=False, markup=False, soft_wrap=True)
