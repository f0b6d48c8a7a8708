"""What a stack costs by the month while nobody uploads, part by part, read off the resources that it would make."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, cast

from vodstack_cli.cost_prices import CENT, UNKNOWN, Amount, Prices
from vodstack_platform.embedded.deployed import Resource

HOURS_A_MONTH = Decimal(730)
CONTROL_PLANE = "eks:index:Cluster"
NODE_GROUP = "eks:index:ManagedNodeGroup"
LAUNCH_TEMPLATE = "aws:ec2/launchTemplate:LaunchTemplate"
NAT_GATEWAY = "aws:ec2/natGateway:NatGateway"
ADDRESS = "aws:ec2/eip:Eip"
RELEASE = "kubernetes:helm.sh/v3:Release"
SERVICE = "kubernetes:core/v1:Service"
INGRESS_GROUP = "kubernetes:elbv2.k8s.aws/v1beta1:IngressClassParams"
SUBNET = "aws:ec2/subnet:Subnet"
_PUBLIC_TAG = "kubernetes.io/role/elb"
_SIZE = re.compile(r"(?P<number>[0-9]+)(?P<unit>Gi|Ti)")
_COUNTED = (
    ("NAT gateways", NAT_GATEWAY, "nat-gateway", HOURS_A_MONTH),
    ("public addresses of NAT gateways", ADDRESS, "public-address", HOURS_A_MONTH),
    ("keys", "aws:kms/key:Key", "key", Decimal(1)),
    ("alarms", "aws:cloudwatch/metricAlarm:MetricAlarm", "alarm", Decimal(1)),
    ("web access control lists", "aws:wafv2/webAcl:WebAcl", "web-acl", Decimal(1)),
)

Resources = Sequence[Resource]


@dataclass(frozen=True)
class Part:
    """One line of the bill."""

    name: str
    quantity: str
    amount: Amount


def parts_of(resources: Resources, prices: Prices) -> list[Part]:
    """Those that the stack has; what costs nothing while it idles is no part."""
    return [part for part in _all_parts(resources, prices) if part.amount != Amount()]


def total(parts: Sequence[Part], unit: Decimal = CENT) -> Amount:
    """Return the sum of the parts as they are printed, each rounded to `unit`: so a reader who adds them up gets it."""
    return sum((part.amount.rounded(unit) for part in parts), Amount())


def of_type(resources: Resources, resource_type: str) -> list[Resource]:
    return [resource for resource in resources if resource.type == resource_type]


def node_price(group: Resource, prices: Prices) -> Amount:
    """A node's hour. On demand EKS takes the types in their order; spot may be any, at on-demand's price at most."""
    types = cast("list[str]", group.inputs["instanceTypes"])
    if not is_spot(group):
        return prices.instance(types[0])
    return up_to_dearest(prices.instance(each) for each in types)


def is_spot(group: Resource) -> bool:
    return group.inputs.get("capacityType") == "SPOT"


def up_to_dearest(amounts: Iterable[Amount]) -> Amount:
    """From nothing, for spot has no lower bound, to the largest; without an upper bound where one has none."""
    most = [amount.most for amount in amounts]
    known = [each for each in most if each is not None]
    return Amount(Decimal(0), max(known) if len(known) == len(most) else None)


def nodes(group: Resource) -> int:
    return int(group.inputs["scalingConfig"]["desiredSize"])


def _all_parts(resources: Resources, prices: Prices) -> Iterator[Part]:
    planes = of_type(resources, CONTROL_PLANE)
    yield _counted("control planes of EKS", len(planes), prices.of("eks-cluster").times(HOURS_A_MONTH))
    for group in of_type(resources, NODE_GROUP):
        way = "spot" if is_spot(group) else "on demand"
        amount = node_price(group, prices).times(HOURS_A_MONTH * nodes(group))
        yield Part("nodes", f"{nodes(group)} {way}: {', '.join(group.inputs['instanceTypes'])}", amount)
    yield _volumes("disks of the nodes", node_disks_gib(resources), prices)
    yield _volumes("volumes of the monitoring", sum(map(_claimed_gib, of_type(resources, RELEASE))), prices)
    for name, resource_type, price, factor in _COUNTED:
        yield _counted(name, len(of_type(resources, resource_type)), prices.of(price).times(factor))
    yield _counted("machine clients of Cognito", _machine_clients(resources), prices.of("machine-client"))
    yield _counted("load balancers", _load_balancers(resources), prices.of("load-balancer").times(HOURS_A_MONTH))
    yield _balancer_addresses(resources, prices)


def _counted(name: str, count: int, each: Amount) -> Part:
    return Part(name, str(count), each.times(Decimal(count)) if count else Amount())


def _volumes(name: str, gib: int, prices: Prices) -> Part:
    return Part(name, f"{gib} GiB", prices.of("volume").times(Decimal(gib)) if gib else Amount())


def node_disks_gib(resources: Resources) -> int:
    """Data disks alone: those of the system come with the machine image, which is not looked at."""
    disks = [
        int(mapping["ebs"]["volumeSize"])
        for template in of_type(resources, LAUNCH_TEMPLATE)
        for mapping in template.inputs["blockDeviceMappings"]
    ]
    return sum(disks) * sum(map(nodes, of_type(resources, NODE_GROUP)))


def _machine_clients(resources: Resources) -> int:
    """CloudFormation makes them: they are counted in its templates."""
    templates = [str(each.inputs["templateBody"]) for each in of_type(resources, "aws:cloudformation/stack:Stack")]
    return sum(each.count('"AWS::Cognito::UserPoolClient"') for each in templates if "client_credentials" in each)


def _load_balancers(resources: Resources) -> int:
    return len(_balancing_services(resources)) + len(of_type(resources, INGRESS_GROUP))


def _balancing_services(resources: Resources) -> list[Resource]:
    return [each for each in of_type(resources, SERVICE) if each.inputs["spec"].get("type") == "LoadBalancer"]


def _balancer_addresses(resources: Resources, prices: Prices) -> Part:
    """One for each public subnet, where it faces the internet. Another stack's subnets are not counted here."""
    groups = [each for each in of_type(resources, INGRESS_GROUP) if each.inputs["spec"].get("scheme") != "internal"]
    facing = len(groups) + len(_balancing_services(resources))
    public = [each for each in of_type(resources, SUBNET) if _PUBLIC_TAG in (each.inputs.get("tags") or {})]
    if facing and not public:
        return Part("public addresses of load balancers", "one a zone", UNKNOWN)
    return _counted(
        "public addresses of load balancers",
        facing * len(public),
        prices.of("public-address").times(HOURS_A_MONTH),
    )


def _claimed_gib(release: Resource) -> int:
    return sum(_claims(release.inputs.get("values")))


def _claims(value: object) -> Iterator[int]:
    """Volume claims among a chart's values: `requests.storage`, and the size of a `persistence` that is on."""
    if isinstance(value, Mapping):
        members = cast("Mapping[str, Any]", value)
        for key, member in members.items():
            if key == "storage" and isinstance(member, str):
                yield gib(member)
            elif key == "persistence" and member.get("enabled"):
                yield gib(str(member["size"]))
            else:
                yield from _claims(member)
    elif isinstance(value, list):
        for member in cast("list[object]", value):
            yield from _claims(member)


def gib(quantity: str) -> int:
    """A Kubernetes quantity of storage; 0 where it is not in GiB or TiB."""
    size = _SIZE.fullmatch(quantity)
    return int(size["number"]) * (1024 if size["unit"] == "Ti" else 1) if size else 0
