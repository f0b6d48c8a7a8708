import ipaddress
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from vodstack_platform.config.foundation import NetworkSettings
from vodstack_platform.gateway_endpoints import GatewayEndpoints, GatewayEndpointsArgs

# Eighths of the VPC: one for each zone's nodes and pods, the last for all public subnets together.
_EIGHTH_BITS = 3
_ANYWHERE = "0.0.0.0/0"


@dataclass(frozen=True, kw_only=True)
class NetworkArgs:
    """A name, a region, and a shape."""

    name_tag: str
    """What consoles show as the name of each part."""
    region: str
    """AWS region, which names the gateway endpoints' services."""
    settings: NetworkSettings
    """Address range, zones, ways out."""


class Network(pulumi.ComponentResource):
    """A VPC whose nodes have no public address: they reach S3 and DynamoDB by endpoints and the rest by NAT."""

    vpc_id: pulumi.Output[str]
    private_subnet_ids: list[pulumi.Output[str]]
    public_subnet_ids: list[pulumi.Output[str]]

    def __init__(self, name: str, args: NetworkArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("vodstack:platform:Network", name, None, opts)
        self._name = name
        self._args = args
        self._child = pulumi.ResourceOptions(parent=self)
        vpc = aws.ec2.Vpc(
            name,
            cidr_block=args.settings.cidr,
            enable_dns_hostnames=True,
            enable_dns_support=True,
            tags=self._tags(""),
            opts=self._child,
        )
        self.vpc_id = vpc.id
        self._ways: list[pulumi.Output[str]] = []
        aws.ec2.DefaultSecurityGroup(f"{name}-closed", vpc_id=vpc.id, tags=self._tags("-closed"), opts=self._child)
        private_ranges, public_ranges = subnet_ranges(args.settings)
        public = self._subnets("public", public_ranges, {"kubernetes.io/role/elb": "1"})
        private = self._subnets("private", private_ranges, {"kubernetes.io/role/internal-elb": "1"})
        gateway = aws.ec2.InternetGateway(
            f"{name}-internet", vpc_id=vpc.id, tags=self._tags("-internet"), opts=self._child
        )
        tables = [
            self._routes("public", public, internet=gateway),
            *self._private_routes(public, private, gateway),
        ]
        endpoints = GatewayEndpointsArgs(
            vpc_id=vpc.id, region=args.region, route_table_ids=[table.id for table in tables]
        )
        GatewayEndpoints(name, endpoints, self._child)
        self.private_subnet_ids = [self._with_ways(subnet) for subnet in private]
        self.public_subnet_ids = [self._with_ways(subnet) for subnet in public]
        self.register_outputs(
            {
                "vpc_id": self.vpc_id,
                "private_subnet_ids": self.private_subnet_ids,
                "public_subnet_ids": self.public_subnet_ids,
            }
        )

    def _tags(self, suffix: str, more: dict[str, str] | None = None) -> dict[str, str]:
        return {"Name": f"{self._args.name_tag}{suffix}", **(more or {})}

    def _with_ways(self, subnet: aws.ec2.Subnet) -> pulumi.Output[str]:
        """Its id, for which its users wait until there is a way out; on a destroy the way outlives them."""
        return pulumi.Output.all(subnet.id, *self._ways).apply(lambda known: str(known[0]))

    def _subnets(self, kind: str, ranges: list[str], tags: dict[str, str]) -> list[aws.ec2.Subnet]:
        zones = self._zones()
        return [
            aws.ec2.Subnet(
                f"{self._name}-{kind}-{number}",
                vpc_id=self.vpc_id,
                cidr_block=cidr,
                availability_zone=zones[number],
                map_public_ip_on_launch=False,
                tags=self._tags(f"-{kind}-{number}", tags),
                opts=self._child,
            )
            for number, cidr in enumerate(ranges)
        ]

    def _zones(self) -> list[pulumi.Input[str]]:
        if self._args.settings.zone_names:
            return list(self._args.settings.zone_names)
        found = aws.get_availability_zones_output(
            state="available",
            filters=[aws.GetAvailabilityZonesFilterArgs(name="opt-in-status", values=["opt-in-not-required"])],
            opts=pulumi.InvokeOutputOptions(parent=self),
        )
        names = found.names.apply(sorted)
        return [names[number] for number in range(self._args.settings.zones)]

    def _private_routes(
        self, public: list[aws.ec2.Subnet], private: list[aws.ec2.Subnet], gateway: aws.ec2.InternetGateway
    ) -> list[aws.ec2.RouteTable]:
        count = 1 if self._args.settings.egress == "single-nat" else len(private)
        nats = [self._nat(number, public[number], gateway) for number in range(count)]
        return [
            self._routes(f"private-{number}", [subnet], nat=nats[number % count])
            for number, subnet in enumerate(private)
        ]

    def _nat(self, number: int, subnet: aws.ec2.Subnet, gateway: aws.ec2.InternetGateway) -> aws.ec2.NatGateway:
        name = f"{self._name}-nat-{number}"
        # AWS refuses a public address in a VPC that has no internet gateway yet.
        opts = pulumi.ResourceOptions(parent=self, depends_on=[gateway])
        address = aws.ec2.Eip(name, domain="vpc", tags=self._tags(f"-nat-{number}"), opts=opts)
        return aws.ec2.NatGateway(
            name,
            subnet_id=subnet.id,
            allocation_id=address.allocation_id,
            tags=self._tags(f"-nat-{number}"),
            opts=opts,
        )

    def _routes(
        self,
        kind: str,
        subnets: list[aws.ec2.Subnet],
        *,
        internet: aws.ec2.InternetGateway | None = None,
        nat: aws.ec2.NatGateway | None = None,
    ) -> aws.ec2.RouteTable:
        name = f"{self._name}-{kind}"
        table = aws.ec2.RouteTable(name, vpc_id=self.vpc_id, tags=self._tags(f"-{kind}"), opts=self._child)
        route = aws.ec2.Route(
            f"{name}-out",
            route_table_id=table.id,
            destination_cidr_block=_ANYWHERE,
            gateway_id=internet.id if internet else None,
            nat_gateway_id=nat.id if nat else None,
            opts=self._child,
        )
        self._ways.append(route.urn)
        for number, subnet in enumerate(subnets):
            association = aws.ec2.RouteTableAssociation(
                f"{name}-{number}", route_table_id=table.id, subnet_id=subnet.id, opts=self._child
            )
            self._ways.append(association.urn)
        return table


def subnet_ranges(settings: NetworkSettings) -> tuple[list[str], list[str]]:
    """Address ranges of the private and of the public subnets, one of each a zone."""
    *eighths, last = ipaddress.IPv4Network(settings.cidr).subnets(prefixlen_diff=_EIGHTH_BITS)
    public = last.subnets(prefixlen_diff=_EIGHTH_BITS)
    private = [str(network) for network in eighths[: settings.zones]]
    return private, [str(network) for network, _ in zip(public, private, strict=False)]
