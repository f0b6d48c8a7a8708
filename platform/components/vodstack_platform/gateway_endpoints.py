from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

_SERVICES = ("dynamodb", "s3")


@dataclass(frozen=True, kw_only=True)
class GatewayEndpointsArgs:
    """Where the endpoints are, and who takes them."""

    vpc_id: pulumi.Input[str]
    """Id of the VPC."""
    region: str
    """AWS region of the services."""
    route_table_ids: Sequence[pulumi.Input[str]]
    """Route tables whose subnets reach the services by the endpoints."""


class GatewayEndpoints(pulumi.ComponentResource):
    """Free ways to S3 and DynamoDB that spare the NAT gateway every byte of video."""

    def __init__(self, name: str, args: GatewayEndpointsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("vodstack:platform:GatewayEndpoints", name, None, opts)
        for service in _SERVICES:
            aws.ec2.VpcEndpoint(
                f"{name}-{service}",
                vpc_id=args.vpc_id,
                service_name=f"com.amazonaws.{args.region}.{service}",
                vpc_endpoint_type="Gateway",
                route_table_ids=list(args.route_table_ids),
                tags={"Name": f"{name}-{service}"},
                opts=pulumi.ResourceOptions(parent=self),
            )
        self.register_outputs({})
