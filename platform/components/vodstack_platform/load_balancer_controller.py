from dataclasses import dataclass

import pulumi
from pulumi_kubernetes.helm import v3 as helm

from vodstack_platform.labels import labels
from vodstack_platform.load_balancer_access import Ground, controller_statements
from vodstack_platform.workload_identity import WorkloadIdentity, WorkloadIdentityArgs

NAMESPACE = "kube-system"
REPOSITORY = "https://aws.github.io/eks-charts"
VERSION = "3.5.0"
_NAME = "aws-load-balancer-controller"
_TIMEOUT_SECONDS = 600


@dataclass(frozen=True, kw_only=True)
class LoadBalancerControllerArgs:
    """Where it is: with one hop to the metadata, it cannot find out by itself."""

    cluster_name: pulumi.Input[str]
    """EKS name of the cluster."""
    region: pulumi.Input[str]
    """AWS region of the cluster."""
    account_id: pulumi.Input[str]
    """The account of the load balancers."""
    vpc_id: pulumi.Input[str]
    """Id of the VPC."""
    permissions_boundary: pulumi.Input[str] | None = None
    """ARN of the policy that bounds what its role may do, whatever it is given. None: nothing bounds it."""


class LoadBalancerController(pulumi.ComponentResource):
    """Makes Ingresses into HTTPS load balancers of AWS."""

    release: helm.Release

    def __init__(self, name: str, args: LoadBalancerControllerArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("vodstack:platform:LoadBalancerController", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        ground = Ground(cluster=args.cluster_name, region=args.region, account_id=args.account_id, vpc_id=args.vpc_id)
        identity = WorkloadIdentityArgs(
            cluster_name=args.cluster_name,
            namespace=NAMESPACE,
            service_account=_NAME,
            labels=labels(_NAME),
            statements=controller_statements(ground),
            asks_kubernetes=True,
            permissions_boundary=args.permissions_boundary,
        )
        account = WorkloadIdentity(_NAME, identity, child).service_account
        self.release = helm.Release(
            name,
            name=_NAME,
            namespace=NAMESPACE,
            chart=_NAME,
            version=VERSION,
            repository_opts=helm.RepositoryOptsArgs(repo=REPOSITORY),
            values=_values(args, account),
            timeout=_TIMEOUT_SECONDS,
            atomic=True,
            cleanup_on_fail=True,
            opts=child,
        )
        self.register_outputs({})


def _values(args: LoadBalancerControllerArgs, account: pulumi.Output[str]) -> dict[str, object]:
    # All three named, or it would look for the kinds of a gateway and stop where it finds some of them alone.
    gates = dict.fromkeys(("ALBGatewayAPI", "NLBGatewayAPI", "GatewayListenerSet"), False)
    return {
        "clusterName": args.cluster_name,
        "region": args.region,
        "vpcId": args.vpc_id,
        "serviceAccount": {"create": False, "name": account},
        # The class is ours: it is for one namespace alone.
        "createIngressClassResource": False,
        "ingressClassParams": {"create": False},
        # It would have a say in every Service of the cluster, and none could be made while it is away.
        "enableServiceMutatorWebhook": False,
        "enableShield": False,
        "enableWaf": False,
        "enableWafv2": False,
        "controllerConfig": {"featureGates": gates},
        "podDisruptionBudget": {"maxUnavailable": 1},
        "resources": {"requests": {"cpu": "50m", "memory": "128Mi"}, "limits": {"memory": "256Mi"}},
    }
