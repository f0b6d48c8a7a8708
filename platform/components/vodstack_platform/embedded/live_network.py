"""EC2's network in moto: no packet flows, yet ids and their references are AWS's own."""

from collections.abc import Callable
from typing import Any, Final, cast

from vodstack_platform.embedded.creation import Creation, Outputs


def make_vpc(creation: Creation) -> Outputs:
    ec2 = creation.client("ec2")
    made = ec2.create_vpc(CidrBlock=creation.inputs["cidrBlock"], **_tags(creation, "vpc"))["Vpc"]["VpcId"]
    for name in ("enableDnsSupport", "enableDnsHostnames"):
        if name in creation.inputs:
            attribute = {name[0].upper() + name[1:]: {"Value": bool(creation.inputs[name])}}
            ec2.modify_vpc_attribute(VpcId=made, **attribute)
    filters = [{"Name": "vpc-id", "Values": [made]}]
    groups = ec2.describe_security_groups(Filters=[*filters, {"Name": "group-name", "Values": ["default"]}])
    tables = ec2.describe_route_tables(Filters=filters)["RouteTables"]
    return {
        "id": made,
        "arn": creation.arn("ec2", f"vpc/{made}"),
        "defaultSecurityGroupId": groups["SecurityGroups"][0]["GroupId"],
        "defaultRouteTableId": tables[0]["RouteTableId"],
        "mainRouteTableId": tables[0]["RouteTableId"],
    }


def make_subnet(creation: Creation) -> Outputs:
    ec2, inputs = creation.client("ec2"), creation.inputs
    zone = {"AvailabilityZone": inputs["availabilityZone"]} if inputs.get("availabilityZone") else {}
    made = ec2.create_subnet(VpcId=inputs["vpcId"], CidrBlock=inputs["cidrBlock"], **zone, **_tags(creation, "subnet"))
    subnet = made["Subnet"]
    if inputs.get("mapPublicIpOnLaunch"):
        ec2.modify_subnet_attribute(SubnetId=subnet["SubnetId"], MapPublicIpOnLaunch={"Value": True})
    return {"id": subnet["SubnetId"], "arn": subnet["SubnetArn"], "availabilityZone": subnet["AvailabilityZone"]}


def adopt_default_security_group(creation: Creation) -> Outputs:
    """As the provider does: take over the one that came with the VPC, and empty it."""
    ec2 = creation.client("ec2")
    filters = [
        {"Name": "vpc-id", "Values": [creation.inputs["vpcId"]]},
        {"Name": "group-name", "Values": ["default"]},
    ]
    group = ec2.describe_security_groups(Filters=filters)["SecurityGroups"][0]
    if group["IpPermissions"]:
        ec2.revoke_security_group_ingress(GroupId=group["GroupId"], IpPermissions=group["IpPermissions"])
    if group["IpPermissionsEgress"]:
        ec2.revoke_security_group_egress(GroupId=group["GroupId"], IpPermissions=group["IpPermissionsEgress"])
    return {"id": group["GroupId"], "arn": creation.arn("ec2", f"security-group/{group['GroupId']}")}


def make_internet_gateway(creation: Creation) -> Outputs:
    ec2 = creation.client("ec2")
    made = ec2.create_internet_gateway(**_tags(creation, "internet-gateway"))["InternetGateway"]["InternetGatewayId"]
    if creation.inputs.get("vpcId"):
        ec2.attach_internet_gateway(InternetGatewayId=made, VpcId=creation.inputs["vpcId"])
    return {"id": made, "arn": creation.arn("ec2", f"internet-gateway/{made}")}


def allocate_address(creation: Creation) -> Outputs:
    made = creation.client("ec2").allocate_address(Domain="vpc", **_tags(creation, "elastic-ip"))
    return {"id": made["AllocationId"], "allocationId": made["AllocationId"], "publicIp": made["PublicIp"]}


def make_nat_gateway(creation: Creation) -> Outputs:
    address = {"AllocationId": creation.inputs["allocationId"]} if creation.inputs.get("allocationId") else {}
    made = creation.client("ec2").create_nat_gateway(
        SubnetId=creation.inputs["subnetId"], **address, **_tags(creation, "natgateway")
    )
    return {"id": made["NatGateway"]["NatGatewayId"]}


def make_route_table(creation: Creation) -> Outputs:
    ec2 = creation.client("ec2")
    made = ec2.create_route_table(VpcId=creation.inputs["vpcId"], **_tags(creation, "route-table"))
    table = made["RouteTable"]["RouteTableId"]
    for route in cast("list[dict[str, Any]]", creation.inputs.get("routes") or []):
        ec2.create_route(RouteTableId=table, DestinationCidrBlock=route["cidrBlock"], **_target(route))
    return {"id": table, "arn": creation.arn("ec2", f"route-table/{table}")}


def make_route(creation: Creation) -> Outputs:
    table, destination = creation.inputs["routeTableId"], creation.inputs["destinationCidrBlock"]
    creation.client("ec2").create_route(
        RouteTableId=table, DestinationCidrBlock=destination, **_target(creation.inputs)
    )
    return {}


def associate_route_table(creation: Creation) -> Outputs:
    made = creation.client("ec2").associate_route_table(
        RouteTableId=creation.inputs["routeTableId"], SubnetId=creation.inputs["subnetId"]
    )
    return {"id": made["AssociationId"]}


def make_vpc_endpoint(creation: Creation) -> Outputs:
    inputs = creation.inputs
    names = {"routeTableIds": "RouteTableIds", "subnetIds": "SubnetIds", "securityGroupIds": "SecurityGroupIds"}
    placed = {theirs: inputs[ours] for ours, theirs in names.items() if inputs.get(ours)}
    made = creation.client("ec2").create_vpc_endpoint(
        VpcId=inputs["vpcId"],
        ServiceName=inputs["serviceName"],
        VpcEndpointType=inputs.get("vpcEndpointType") or "Gateway",
        **placed,
        **_tags(creation, "vpc-endpoint"),
    )
    endpoint = made["VpcEndpoint"]["VpcEndpointId"]
    return {"id": endpoint, "arn": creation.arn("ec2", f"vpc-endpoint/{endpoint}")}


def _target(route: Any) -> dict[str, str]:
    names = {"gatewayId": "GatewayId", "natGatewayId": "NatGatewayId", "vpcEndpointId": "VpcEndpointId"}
    return {theirs: route[ours] for ours, theirs in names.items() if route.get(ours)}


def _tags(creation: Creation, kind: str) -> dict[str, Any]:
    tags = [{"Key": key, "Value": value} for key, value in creation.tags.items()]
    return {"TagSpecifications": [{"ResourceType": kind, "Tags": tags}]} if tags else {}


NETWORK: Final[dict[str, Callable[[Creation], Outputs]]] = {
    "aws:ec2/vpc:Vpc": make_vpc,
    "aws:ec2/subnet:Subnet": make_subnet,
    "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup": adopt_default_security_group,
    "aws:ec2/internetGateway:InternetGateway": make_internet_gateway,
    "aws:ec2/eip:Eip": allocate_address,
    "aws:ec2/natGateway:NatGateway": make_nat_gateway,
    "aws:ec2/routeTable:RouteTable": make_route_table,
    "aws:ec2/route:Route": make_route,
    "aws:ec2/routeTableAssociation:RouteTableAssociation": associate_route_table,
    "aws:ec2/vpcEndpoint:VpcEndpoint": make_vpc_endpoint,
}
