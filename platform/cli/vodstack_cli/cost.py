import json
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, cast

import click
import msgspec
from rich.console import Console

from vodstack_cli.errors import CommandError
from vodstack_cli.project import project_option

_PRICES = Path("docs") / "prices.toml"


class _Hours(click.ParamType[Decimal]):
    name = "hours"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Decimal:
        try:
            hours = Decimal(str(value))
        except InvalidOperation:
            hours = Decimal("NaN")
        if not hours.is_finite() or hours <= 0:
            self.fail(f"{value!r} is no number of hours above 0", param, ctx)
        return hours


@click.command()
@project_option
@click.option("--stack", default="dev", show_default=True, help="The stack whose config is reckoned with.")
@click.option(
    "--prices",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File of the list prices.  [default: docs/prices.toml of the project]",
)
@click.option("--encode-hours", type=_Hours(), help="vCPU hours that an hour of video takes.  [default: as measured]")
@click.option("--json", "as_json", is_flag=True, help="Print it for machines.")
def cost(project: Path, stack: str, prices: Path | None, encode_hours: Decimal | None, *, as_json: bool) -> None:
    """Show what a stack costs by the month and by the hour of video, and how to lower it. Nothing is called."""
    from vodstack_cli import cost_parts, cost_savings, cost_video  # noqa: PLC0415 - they need the laptop's engine
    from vodstack_cli.cost_prices import read_prices  # noqa: PLC0415 - as above
    from vodstack_cli.cost_report import CostReport, as_data, print_cost  # noqa: PLC0415 - as above
    from vodstack_platform.embedded.engine import run_program  # noqa: PLC0415 - as above
    from vodstack_platform.embedded.errors import EngineError  # noqa: PLC0415 - as above

    listed = read_prices(prices or project / _PRICES)
    try:
        references = _placeholders(project.resolve(), stack)
        deployed = run_program(stack, project=project.resolve(), endpoint=None, references=references)
    except EngineError as error:
        raise CommandError(f"the stack cannot be reckoned: {error}") from error
    report = CostReport(
        stack=stack,
        region=deployed.region,
        prices=listed,
        month=cost_parts.parts_of(deployed.resources, listed),
        video=cost_video.video_hour(deployed.resources, listed, encode_hours or listed.video_hour.vcpu_hours),
        beside=[cost_video.kept(listed), cost_video.watched(listed), cost_video.mediaconvert(listed)],
        savings=cost_savings.largest_savings(deployed.resources, listed),
    )
    if as_json:
        click.echo(json.dumps(as_data(report), indent=2))
    else:
        print_cost(Console(), report)


def _placeholders(project: Path, stack: str) -> Mapping[str, Mapping[str, Any]]:
    """Outputs for the stacks that this one refers to: their values are no part of the bill."""
    from vodstack_contracts.outputs import LAYERS, names  # noqa: PLC0415 - with the others
    from vodstack_platform.embedded.stack_config import read_stack_config  # noqa: PLC0415 - as above

    given = read_stack_config(project, stack, {}).values.get("vodstack:references", "{}")
    try:
        stacks = cast("Mapping[str, str]", msgspec.json.decode(given, type=dict[str, str]))
    except msgspec.DecodeError:
        return {}  # the program itself says best what is wrong with its config
    outputs = {name: "elsewhere" for layer in LAYERS for name in names(layer)}
    return dict.fromkeys(stacks.values(), outputs)
