"""What `vodstack cost` makes of the real program's resources, of prices that are known and of those that are not."""

import json
import re
import shutil
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

from vodstack_cli import cost_parts, cost_savings, cost_video
from vodstack_cli.cost import cost
from vodstack_cli.cost_prices import UNKNOWN, Amount, read_prices
from vodstack_cli.errors import CommandError

ROOT = Path(__file__).parents[2]
LISTED = ROOT / "docs" / "prices.toml"
HOURS = Decimal(730)


@pytest.fixture(scope="module")
def prices():
    return read_prices(LISTED)


def _parts(deployed, prices):
    return {part.name: part for part in cost_parts.parts_of(deployed.resources, prices)}


def test_a_price_has_a_source_or_no_value(prices):
    for name, price in prices.prices.items():
        assert (price.value is None) or price.source.startswith("https://"), name
    assert prices.instances.source.startswith("https://")


def test_every_instance_type_that_a_stack_of_ours_names_has_a_price(prices, dev):
    (group,) = cost_parts.of_type(dev.resources, cost_parts.NODE_GROUP)
    assert all(prices.instance(name) != UNKNOWN for name in group.inputs["instanceTypes"])


def test_the_parts_of_dev_are_priced_one_by_one(dev, prices):
    parts = _parts(dev, prices)
    assert parts["control planes of EKS"].amount == Amount(Decimal("73.00"), Decimal("73.00"))
    assert parts["NAT gateways"].quantity == "1"
    assert parts["disks of the nodes"].quantity == "180 GiB"
    assert parts["volumes of the monitoring"].quantity == "23 GiB"
    assert parts["alarms"].amount.least == Decimal("0.80")
    assert "load balancers" not in parts


def test_spot_has_no_lower_bound_and_on_demand_for_an_upper_one(dev, prices):
    nodes = _parts(dev, prices)["nodes"].amount
    assert nodes == Amount(Decimal(0), Decimal("0.077") * 3 * HOURS)
    together = cost_parts.total(cost_parts.parts_of(dev.resources, prices))
    assert together.most == together.least + Decimal("0.077") * 3 * HOURS


def test_the_bill_follows_the_config(run, prices):
    changed = run(
        "dev",
        foundation={"network": {"egress": "nat-per-zone", "zones": 3}, "alarms": None},
        cluster={"nodes": {"capacity": "ON_DEMAND", "desiredSize": 4, "diskSizeGib": 100}},
        monitoring={"prometheus": {"volumeGib": 50}},
        services={"exposure": {"mode": "load-balancer", "sourceRanges": ["198.51.100.0/24"]}},
    )
    parts = _parts(changed, prices)
    assert parts["nodes"].amount == Amount(*[Decimal("0.0336") * 4 * HOURS] * 2)
    assert (parts["NAT gateways"].quantity, parts["public addresses of NAT gateways"].quantity) == ("3", "3")
    assert parts["disks of the nodes"].quantity == "400 GiB"
    assert parts["volumes of the monitoring"].quantity == "53 GiB"
    assert parts["load balancers"].quantity == "1"
    assert parts["public addresses of load balancers"].quantity == "3"
    assert "alarms" not in parts
    savings = cost_savings.largest_savings(changed.resources, prices, count=99)
    by_change = {saving.change.partition(":")[0]: saving for saving in savings}
    assert str(by_change["spot nodes"]) == "up to $98.11"
    assert by_change["one NAT gateway for all zones"].amount.least == (Decimal("0.045") + Decimal("0.005")) * 2 * HOURS
    assert by_change["a short memory"].amount.least == Decimal("0.08") * 45
    assert by_change["disks for one worker's scratch"].amount.least == Decimal("0.08") * 60 * 4
    assert by_change["the API for the cluster alone"].amount.least == Decimal("16.42") + Decimal("10.95")


def test_the_largest_savings_come_first_and_what_saves_nothing_is_left_out(dev, prices):
    everything = cost_savings.largest_savings(dev.resources, prices, count=99)
    assert everything[:3] == cost_savings.largest_savings(dev.resources, prices)
    most = [saving.amount.most or Decimal(0) for saving in everything]
    assert most == sorted(most, reverse=True)
    assert not [saving for saving in everything if saving.change.startswith(("spot", "one NAT"))]


def test_a_price_that_nobody_found_is_unknown_and_the_sum_says_at_least(dev, prices):
    without = {**prices.prices, "nat-gateway": msgspec.structs.replace(prices.prices["nat-gateway"], value=None)}
    partly = msgspec.structs.replace(prices, prices=without)
    assert str(_parts(dev, partly)["NAT gateways"].amount) == "unknown"
    assert str(cost_parts.total(cost_parts.parts_of(dev.resources, partly))) == "at least $94.69"
    network = next(
        saving for saving in cost_savings.largest_savings(dev.resources, partly, count=99) if "network" in saving.change
    )
    assert str(network) == "at least $3.65"


def test_a_type_without_a_price_leaves_the_nodes_without_an_upper_bound(dev, prices):
    (group,) = cost_parts.of_type(dev.resources, cost_parts.NODE_GROUP)
    odd = replace(group, inputs={**group.inputs, "instanceTypes": ["t4g.medium", "z9g.huge"]})
    assert cost_parts.node_price(odd, prices) == UNKNOWN
    first = replace(group, inputs={**group.inputs, "capacityType": "ON_DEMAND"})
    assert cost_parts.node_price(first, prices) == Amount(Decimal("0.0336"), Decimal("0.0336"))


def test_an_issuer_of_our_own_costs_its_machine_client(run, prices):
    issued = run("dev", foundation={"cognito": {}}, services={"auth": "cognito"})
    assert str(_parts(issued, prices)["machine clients of Cognito"].amount) == "$6.00"


def test_an_hour_of_video_is_reckoned_by_the_dearest_core_of_the_nodes(dev, prices):
    encoding, _ = cost_video.video_hour(dev.resources, prices, Decimal(10))
    assert encoding.amount == Amount(Decimal(0), Decimal("0.0385") * 10)


def test_mediaconvert_is_priced_for_the_same_outputs(prices):
    assert str(cost_video.mediaconvert(prices).amount) == "$4.23"


def test_a_stack_without_nodes_encodes_at_a_price_that_is_unknown(run, prices):
    foundation = run("dev", layers=["foundation"])
    encoding, _ = cost_video.video_hour(foundation.resources, prices, Decimal(10))
    assert str(encoding.amount) == "unknown"


@pytest.mark.parametrize(
    ("least", "most", "text"),
    [
        ("1.005", "1.005", "$1.00"),
        ("0", None, "unknown"),
        ("0", "2", "unknown, at most $2.00"),
        ("1234.5", None, "at least $1,234.50"),
        ("1", "2", "at least $1.00, at most $2.00"),
    ],
)
def test_an_amount_says_what_is_known_of_it(least, most, text):
    assert str(Amount(Decimal(least), most and Decimal(most))) == text


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("prices = 1", "is no file of prices"),
        ("[prices", "is no file of prices"),
        (LISTED.read_text().replace("value = 0.045", 'value = "dear"', 1), "is no file of prices"),
    ],
)
def test_a_file_that_is_wrong_ends_with_a_sentence(tmp_path, content, sentence):
    path = tmp_path / "prices.toml"
    path.write_text(content)
    with pytest.raises(CommandError, match=sentence):
        read_prices(path)
    with pytest.raises(CommandError, match="--prices"):
        read_prices(tmp_path / "nowhere.toml")


def test_an_entry_that_is_missing_is_named(prices):
    with pytest.raises(CommandError, match=r"prices\.nothing"):
        prices.of("nothing")


def test_the_command_prints_the_bill_the_hour_and_three_ways_to_lower_it():
    result = CliRunner().invoke(cost, ["--project", str(ROOT), "--stack", "dev", "--encode-hours", "7.5"])
    assert result.exit_code == 0, result.output
    for text in ("control planes of EKS", "unknown, at most", "7.5 vCPU hours", "by MediaConvert: $4.23", "  3. "):
        assert text in result.output
    assert "  4. " not in result.output


STACK_FILES = [*ROOT.glob("Pulumi.*.yaml"), *(ROOT / "docs" / "stacks").glob("Pulumi.*.yaml")]
TABLE_ROW = re.compile("[│┃].*[│┃]")


@pytest.fixture(scope="module")
def every_stack(tmp_path_factory):
    """A project with the files of every stack, the documented ones among them."""
    folder = tmp_path_factory.mktemp("stacks")
    (folder / "Pulumi.yaml").write_text(f"name: vodstack\nruntime: python\nmain: {ROOT / 'stacks'}\n")
    for path in STACK_FILES:
        shutil.copy(path, folder)
    return folder


@pytest.mark.parametrize(
    "stack",
    [
        pytest.param(name, marks=() if name == "dev" else pytest.mark.prove)
        for name in sorted(path.name.split(".")[1] for path in STACK_FILES)
    ],
)
def test_the_printed_rows_add_up_to_the_printed_sum(every_stack, stack):
    arguments = ["--project", str(every_stack), "--stack", stack, "--prices", str(LISTED)]
    printed = CliRunner().invoke(cost, arguments, env={"COLUMNS": "200"})
    assert printed.exit_code == 0, printed.output
    month, video = _printed_tables(printed.output)
    for *rows, together in (month, video):
        least, most = (sum(bounds) for bounds in zip(*(_printed_bounds(row) for row in rows), strict=True))
        assert _printed_bounds(together) == (least, most)
    bill = json.loads(CliRunner().invoke(cost, [*arguments, "--json"]).output)
    *parts, together = bill["month"]
    for bound in ("least", "most"):
        known = [part[bound] for part in parts]
        assert together[bound] == (None if None in known else str(sum(map(Decimal, known))))


def _printed_tables(output):
    """The cells of the price column, table by table, without the headings."""
    rows = [re.split("[│┃]", line)[1:-1] for line in output.splitlines() if TABLE_ROW.fullmatch(line.strip())]
    prices = [row[-1].strip() for row in rows]
    first, second = (number for number, price in enumerate(prices) if price == "price")
    return prices[first + 1 : second], prices[second + 1 :]


def _printed_bounds(text):
    """The least and the most that a printed price leaves room for; what is not known counts as infinite."""
    amounts = [Decimal(found.replace(",", "")) for found in re.findall(r"\$([0-9,.]+[0-9])", text)]
    least = amounts[0] if amounts and not text.startswith("unknown") else Decimal(0)
    has_most = "at most" in text or not text.startswith(("unknown", "at least"))
    return least, amounts[-1] if has_most else Decimal("Infinity")


def test_a_sum_is_that_of_its_rounded_parts():
    third = cost_parts.Part("a third", "1", Amount(Decimal("0.333"), Decimal("0.337")))
    assert cost_parts.total([third] * 3) == Amount(Decimal("0.99"), Decimal("1.02"))


def test_the_command_reckons_a_stack_that_reads_the_outputs_of_another(tmp_path):
    (tmp_path / "Pulumi.yaml").write_text(f"name: vodstack\nruntime: python\nmain: {ROOT / 'stacks'}\n")
    stack = (ROOT / "docs" / "stacks" / "Pulumi.prod.yaml").read_text()
    (tmp_path / "Pulumi.prod.yaml").write_text(stack.replace("us-east-1", "eu-west-1"))
    arguments = ["--project", str(tmp_path), "--stack", "prod", "--prices", str(LISTED)]
    result = CliRunner().invoke(cost, [*arguments, "--json"])
    assert result.exit_code == 0, result.output
    bill = json.loads(result.output)
    assert (bill["region"], bill["pricesOf"]) == ("eu-west-1", "us-east-1")
    assert {part["name"] for part in bill["month"]} >= {"control planes of EKS", "load balancers", "together"}
    bounds = {part["name"]: (part["least"], part["most"]) for part in bill["month"]}
    assert "NAT gateways" not in bounds
    assert bounds["public addresses of load balancers"] == ("0.0000", None)
    assert bounds["together"][1] is None


def test_a_stack_that_is_not_there_ends_with_a_sentence():
    result = CliRunner().invoke(cost, ["--project", str(ROOT), "--stack", "nowhere"])
    assert isinstance(result.exception, CommandError)
    assert "nowhere" in str(result.exception)


def test_hours_have_to_be_some():
    for hours in ("0", "-1", "nan", "many"):
        result = CliRunner().invoke(cost, ["--project", str(ROOT), "--encode-hours", hours])
        assert result.exit_code == 2
        assert "no number of hours" in result.output
