"""What an hour of video costs on a stack's nodes, beside MediaConvert's list price for the same outputs."""

import re
from decimal import Decimal
from typing import cast

from vodstack_cli import cost_parts as parts
from vodstack_cli.cost_parts import Part, Resources
from vodstack_cli.cost_prices import UNKNOWN, Amount, Prices
from vodstack_platform.embedded.deployed import Resource

_MINUTES = Decimal(60)
_XLARGE = re.compile(r"(?P<times>[0-9]*)xlarge")


def video_hour(resources: Resources, prices: Prices, vcpu_hours: Decimal) -> list[Part]:
    """What is paid once; encoding fills nodes that the month's bill holds already, until they are full."""
    hour = prices.video_hour
    encoding = _vcpu_price(resources, prices).times(vcpu_hours)
    return [
        Part("encoding", f"{vcpu_hours} vCPU hours", encoding),
        Part("storing its objects", f"{hour.objects:,} requests", prices.of("put-request").times(hour.objects)),
    ]


def kept(prices: Prices) -> Part:
    """What is paid every month that the video is there."""
    size = prices.video_hour.original_gb + prices.video_hour.published_gb
    return Part("keeping it, by the month", f"{size} GB", prices.of("storage").times(size))


def watched(prices: Prices) -> Part:
    """What is paid every time that somebody watches all of it from the bucket."""
    size = prices.video_hour.watched_gb
    return Part("each time it is watched", f"{size} GB", prices.of("transfer-out").times(size))


def mediaconvert(prices: Prices) -> Part:
    hour = prices.video_hour
    high = prices.of("mediaconvert-hd").times(_MINUTES * hour.hd_outputs)
    low = prices.of("mediaconvert-sd").times(_MINUTES * hour.sd_outputs)
    return Part("the same by MediaConvert", f"{hour.hd_outputs} outputs in HD, {hour.sd_outputs} in SD", high + low)


def _vcpu_price(resources: Resources, prices: Prices) -> Amount:
    """A vCPU's hour, on whichever of the group's types a worker comes to run."""
    each = [_per_vcpu(group, prices) for group in parts.of_type(resources, parts.NODE_GROUP)]
    return each[0] if len(each) == 1 else UNKNOWN


def _per_vcpu(group: Resource, prices: Prices) -> Amount:
    types = cast("list[str]", group.inputs["instanceTypes"])
    each = [prices.instance(name).times(1 / _vcpus(name)) for name in types]
    return parts.up_to_dearest(each) if parts.is_spot(group) else each[0]


def _vcpus(instance_type: str) -> Decimal:
    family, _, size = instance_type.partition(".")
    if found := _XLARGE.fullmatch(size):
        return Decimal(4 * int(found["times"] or 1))
    # Burstable types have two from the smallest on; of the others, medium is half a large.
    return Decimal(1) if size == "medium" and not family.startswith("t") else Decimal(2)
