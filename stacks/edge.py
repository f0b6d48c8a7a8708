"""What stands between the API and the world where the config asks for an ingress."""

import pulumi
import pulumi_aws as aws

from cluster import ClusterTarget, Surroundings
from vodstack_contracts.outputs import FoundationOutputs
from vodstack_platform.access_log_bucket import AccessLogBucket, AccessLogBucketArgs, logs_name_prefix
from vodstack_platform.api_address import ApiAddress
from vodstack_platform.api_ingress import ApiIngress, ApiIngressArgs, TokenCheck
from vodstack_platform.config import StackSettings
from vodstack_platform.config.exposure import ExposureSettings
from vodstack_platform.load_balancer_controller import LoadBalancerController, LoadBalancerControllerArgs
from vodstack_platform.network_policies import Callers
from vodstack_platform.role_boundaries import Reach
from vodstack_platform.video_bucket import name_prefix

Foundation = FoundationOutputs[pulumi.Output[str]]
TRUSTED_PROXIES = "FORWARDED_ALLOW_IPS"  # uvicorn's own variable


def build(
    settings: StackSettings,
    data: Foundation,
    cluster: ClusterTarget,
    address: ApiAddress,
    around: Surroundings,
    *,
    opts: pulumi.ResourceOptions,
) -> pulumi.Output[str]:
    """The API's address in the world."""
    services = settings.services
    account = aws.get_caller_identity_output(opts=pulumi.InvokeOutputOptions(parent=opts.parent)).account_id
    controller = LoadBalancerControllerArgs(
        cluster_name=cluster.name,
        region=data.region,
        account_id=account,
        vpc_id=data.vpc_id,
        permissions_boundary=around.boundary(Reach.BALANCERS),
    )
    args = ApiIngressArgs(
        namespace=services.namespace,
        service_name=address.service_name,
        port_name=address.port_name,
        exposure=services.exposure,
        grace_period_seconds=services.api.grace_period_seconds,
        tokens=_tokens(settings, data),
        serves_pages=bool(services.api.cors_origins),
        logs_bucket=_logs(settings, data, account, opts),
        tags=around.tags,
        controller=LoadBalancerController("load-balancers", controller, opts).release
        if services.exposure.install_controller
        else None,
    )
    return ApiIngress("api", args, opts).url


def trust(callers: Callers) -> dict[str, pulumi.Input[str]]:
    """Lets the API believe the load balancer, and nobody else, that a client came by TLS, and from where."""
    return {TRUSTED_PROXIES: callers.apply(",".join)} if isinstance(callers, pulumi.Output) else {}


def callers(exposure: ExposureSettings, data: Foundation, opts: pulumi.ResourceOptions) -> pulumi.Output[list[str]]:
    """The address ranges that the load balancer itself calls from: those of its subnets."""
    subnets = data.public_subnet_ids if exposure.scheme == "internet-facing" else data.private_subnet_ids

    def ranges(joined: str) -> pulumi.Output[list[str]]:
        if not joined:
            raise pulumi.RunError(
                f"vodstack:services.exposure is {exposure.scheme}, yet the foundation names no subnets for that: "
                "give foundation.network.existing the ids of subnets tagged for load balancers"
            )
        look = pulumi.InvokeOutputOptions(parent=opts.parent)
        found = [aws.ec2.get_subnet_output(id=each, opts=look).cidr_block for each in joined.split(",")]
        return pulumi.Output.all(*found).apply(lambda blocks: [str(block) for block in blocks])

    return subnets.apply(ranges)


def _tokens(settings: StackSettings, data: Foundation) -> TokenCheck | None:
    services = settings.services
    if not services.exposure.check_tokens:
        return None
    if services.auth == "cognito":
        keys = pulumi.Output.concat(data.token_issuer, "/.well-known/jwks.json")
        return TokenCheck(issuer=data.token_issuer, jwks_url=keys)
    return TokenCheck(issuer=services.oidc.issuer, jwks_url=services.oidc.jwks_url or "") if services.oidc else None


def _logs(
    settings: StackSettings, data: Foundation, account: pulumi.Output[str], opts: pulumi.ResourceOptions
) -> pulumi.Output[str] | None:
    wanted = settings.services.exposure.access_logs
    if wanted is None:
        return None
    prefix = logs_name_prefix(name_prefix(settings.foundation.bucket, pulumi.get_stack()))
    args = AccessLogBucketArgs(name_prefix=prefix, account_id=account, region=data.region, settings=wanted)
    return AccessLogBucket("access-logs", args, opts).ready_name
