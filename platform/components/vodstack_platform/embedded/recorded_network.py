"""The network's types."""

from collections.abc import Callable
from typing import Final

from vodstack_platform.embedded.creation import Creation, Outputs
from vodstack_platform.embedded.emulator import ACCOUNT_ID


def _identified(prefix: str, path: str | None = None) -> Callable[[Creation], Outputs]:
    def compute(creation: Creation) -> Outputs:
        identifier = creation.identifier(prefix)
        arn = {"arn": creation.arn("ec2", f"{path}/{identifier}")} if path else {}
        return {"id": identifier, "ownerId": ACCOUNT_ID, **arn}

    return compute


def vpc(creation: Creation) -> Outputs:
    made = _identified("vpc", "vpc")(creation)
    return made | {
        "defaultSecurityGroupId": creation.identifier("sg"),
        "defaultRouteTableId": creation.identifier("rtb"),
        "mainRouteTableId": creation.identifier("rtb"),
    }


def subnet(creation: Creation) -> Outputs:
    zone = creation.inputs.get("availabilityZone") or f"{creation.region}a"
    return _identified("subnet", "subnet")(creation) | {"availabilityZone": zone}


def elastic_ip(creation: Creation) -> Outputs:
    identifier = creation.identifier("eipalloc")
    return {"id": identifier, "allocationId": identifier, "publicIp": f"203.0.113.{int(creation.suffix, 16) % 254 + 1}"}


def security_group(creation: Creation) -> Outputs:
    return _identified("sg", "security-group")(creation) | {"name": creation.physical_name()}


def launch_template(creation: Creation) -> Outputs:
    made = _identified("lt", "launch-template")(creation)
    return made | {"name": creation.physical_name(), "latestVersion": 1, "defaultVersion": 1}


def vpc_endpoint(creation: Creation) -> Outputs:
    return _identified("vpce", "vpc-endpoint")(creation) | {"prefixListId": creation.identifier("pl")}


NETWORK: Final[dict[str, Callable[[Creation], Outputs]]] = {
    "aws:ec2/vpc:Vpc": vpc,
    "aws:ec2/subnet:Subnet": subnet,
    "aws:ec2/internetGateway:InternetGateway": _identified("igw", "internet-gateway"),
    "aws:ec2/egressOnlyInternetGateway:EgressOnlyInternetGateway": _identified("eigw"),
    "aws:ec2/eip:Eip": elastic_ip,
    "aws:ec2/natGateway:NatGateway": _identified("nat"),
    "aws:ec2/routeTable:RouteTable": _identified("rtb", "route-table"),
    "aws:ec2/route:Route": _identified("r"),
    "aws:ec2/routeTableAssociation:RouteTableAssociation": _identified("rtbassoc"),
    "aws:ec2/mainRouteTableAssociation:MainRouteTableAssociation": _identified("rtbassoc"),
    "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup": _identified("sg", "security-group"),
    "aws:ec2/securityGroup:SecurityGroup": security_group,
    "aws:ec2/securityGroupRule:SecurityGroupRule": _identified("sgrule"),
    "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule": _identified("sgr", "security-group-rule"),
    "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule": _identified("sgr", "security-group-rule"),
    "aws:ec2/vpcEndpoint:VpcEndpoint": vpc_endpoint,
    "aws:ec2/launchTemplate:LaunchTemplate": launch_template,
    "aws:ec2/flowLog:FlowLog": _identified("fl"),
}
