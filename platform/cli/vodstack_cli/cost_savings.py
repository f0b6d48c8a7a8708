"""Ways to lower a stack's bill: each changes the resources as a change of its config would, and is reckoned anew."""

import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, Final

from vodstack_cli import cost_parts as parts
from vodstack_cli.cost_parts import Resources
from vodstack_cli.cost_prices import UNKNOWN, Amount, Prices
from vodstack_platform.embedded.deployed import Resource

_FEWEST_NODES = 2
_IMAGES_GIB = 20
_SMALLEST_VOLUME = "5Gi"


@dataclass(frozen=True)
class Saving:
    """What changes, by which config, and how much less that is by the month."""

    change: str
    amount: Amount

    def __str__(self) -> str:
        if self.amount.least == self.amount.most or self.amount.most is None:
            return str(self.amount)
        return f"up to ${self.amount.most:,.2f}" if not self.amount.least else str(self.amount)


def largest_savings(resources: Resources, prices: Prices, count: int = 3) -> list[Saving]:
    """Each by itself: two of them together may save less than their sum."""
    before = parts.total(parts.parts_of(resources, prices))
    found: list[Saving] = []
    for sentence, change in _CHANGES:
        after = parts.total(parts.parts_of(list(change(resources)), prices))
        amount = _less(before, after)
        if amount != Amount():
            found.append(Saving(sentence, amount))
    return sorted(found, key=_order, reverse=True)[:count]


def _order(saving: Saving) -> tuple[Decimal, Decimal]:
    most = saving.amount.most
    return (saving.amount.least if most is None else most, saving.amount.least)


def _less(before: Amount, after: Amount) -> Amount:
    least = max(before.least - after.least, Decimal(0))
    match before.most, after.most:
        case None, None:
            return Amount(least, least)
        case None, _:
            return Amount(least, None)
        case _, None:
            return UNKNOWN
        case Decimal() as was, Decimal() as becomes:
            both = sorted((least, max(was - becomes, Decimal(0))))
            return Amount(both[0], both[1])


def _without(*types: str) -> Callable[[Resources], Iterator[Resource]]:
    return lambda resources: (each for each in resources if each.type not in types)


def _one_nat_gateway(resources: Resources) -> Iterator[Resource]:
    seen: set[str] = set()
    for resource in resources:
        if resource.type not in (parts.NAT_GATEWAY, parts.ADDRESS) or resource.type not in seen:
            seen.add(resource.type)
            yield resource


def _spot(resources: Resources) -> Iterator[Resource]:
    return _with_inputs(resources, parts.NODE_GROUP, lambda inputs: inputs.update(capacityType="SPOT"))


def _fewest_nodes(resources: Resources) -> Iterator[Resource]:
    def shrink(inputs: dict[str, Any]) -> None:
        scaling = inputs["scalingConfig"]
        scaling["desiredSize"] = min(scaling["desiredSize"], _FEWEST_NODES)

    return _with_inputs(resources, parts.NODE_GROUP, shrink)


def _smaller_disks(resources: Resources) -> Iterator[Resource]:
    """As large as one worker's scratch, and room for images and logs."""
    scratch = _scratch_gib(resources)

    def shrink(inputs: dict[str, Any]) -> None:
        for mapping in inputs["blockDeviceMappings"]:
            mapping["ebs"]["volumeSize"] = min(mapping["ebs"]["volumeSize"], scratch + _IMAGES_GIB)

    return _with_inputs(resources, parts.LAUNCH_TEMPLATE, shrink) if scratch else iter(resources)


def _short_memory(resources: Resources) -> Iterator[Resource]:
    def shrink(inputs: dict[str, Any]) -> None:
        if "prometheus" in inputs["values"]:
            storage = inputs["values"]["prometheus"]["prometheusSpec"]["storageSpec"]
            storage["volumeClaimTemplate"]["spec"]["resources"]["requests"]["storage"] = _SMALLEST_VOLUME

    return _with_inputs(resources, parts.RELEASE, shrink)


def _inside_alone(resources: Resources) -> Iterator[Resource]:
    def close(inputs: dict[str, Any]) -> None:
        inputs["spec"]["type"] = "ClusterIP"

    kept = [each for each in resources if each.type != parts.INGRESS_GROUP]
    return _with_inputs(kept, parts.SERVICE, close)


def _with_inputs(
    resources: Resources, resource_type: str, change: Callable[[dict[str, Any]], None]
) -> Iterator[Resource]:
    for resource in resources:
        if resource.type == resource_type:
            inputs = copy.deepcopy(dict(resource.inputs))
            change(inputs)
            yield replace(resource, inputs=inputs)
        else:
            yield resource


def _scratch_gib(resources: Resources) -> int:
    for deployment in parts.of_type(resources, "kubernetes:apps/v1:Deployment"):
        for container in deployment.inputs["spec"]["template"]["spec"]["containers"]:
            if scratch := container["resources"]["requests"].get("ephemeral-storage"):
                return parts.gib(scratch)
    return 0


_CHANGES: Final[Sequence[tuple[str, Callable[[Resources], Iterator[Resource]]]]] = (
    (
        "the services in a cluster that is paid for already: cluster.existing (its nodes are not counted)",
        _without(parts.CONTROL_PLANE),
    ),
    ("spot nodes: cluster.nodes.capacity: SPOT", _spot),
    (f"{_FEWEST_NODES} nodes: cluster.nodes.minSize and desiredSize: {_FEWEST_NODES}", _fewest_nodes),
    ("one NAT gateway for all zones: foundation.network.egress: single-nat", _one_nat_gateway),
    (
        "a network that is paid for already: foundation.network.mode: existing",
        _without(parts.NAT_GATEWAY, parts.ADDRESS),
    ),
    ("disks for one worker's scratch: cluster.nodes.diskSizeGib: its scratchGib and 20", _smaller_disks),
    ("a short memory: monitoring.prometheus.volumeGib: 5", _short_memory),
    ("the API for the cluster alone: services.exposure.mode: internal", _inside_alone),
)
