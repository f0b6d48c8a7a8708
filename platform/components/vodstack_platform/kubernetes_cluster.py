from dataclasses import dataclass

import pulumi
import pulumi_aws as aws
import pulumi_eks as eks

from vodstack_platform.config.cluster import ClusterSettings
from vodstack_platform.policy import Statement, policy_document, role_path

_SERVICE_POLICY = "arn:aws:iam::aws:policy/AmazonEKSClusterPolicy"
_VIEW_POLICY = "arn:aws:eks::aws:cluster-access-policy/AmazonEKSAdminViewPolicy"
_ADMIN_POLICY = "arn:aws:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy"


@dataclass(frozen=True, kw_only=True)
class DeliveryRoles:
    """Roles of workflows: one administers the cluster, the other looks."""

    deploy_role_arn: pulumi.Input[str]
    preview_role_arn: pulumi.Input[str]


@dataclass(frozen=True, kw_only=True)
class KubernetesClusterArgs:
    """Where the control plane stands, and who reaches it."""

    cluster_name: str
    """EKS name of the cluster."""
    settings: ClusterSettings
    """Version, access, logs in days, protection."""
    vpc_id: pulumi.Input[str]
    """Id of the VPC."""
    private_subnet_ids: pulumi.Output[list[str]]
    """Subnets of the nodes, in two zones at least."""
    public_subnet_ids: pulumi.Output[list[str]]
    """Subnets that face the internet; may be none."""
    key_arn: pulumi.Input[str]
    """KMS key of the cluster's secrets."""
    profile: str | None
    """AWS profile that this program's calls use, if any."""
    delivery: DeliveryRoles | None = None
    """Roles of the workflows that deploy. None: nobody's."""
    permissions_boundary: pulumi.Input[str] | None = None
    """ARN of the policy that bounds what its role may do, whatever it is given. None: nothing bounds it."""


class KubernetesCluster(pulumi.ComponentResource):
    """An EKS control plane, without nodes."""

    cluster: eks.Cluster
    cluster_name: pulumi.Output[str]

    def __init__(self, name: str, args: KubernetesClusterArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("vodstack:platform:KubernetesCluster", name, None, opts)
        # EKS would make this group itself, without an end to its logs and beyond the reach of a destroy.
        logs = aws.cloudwatch.LogGroup(
            name,
            name=f"/aws/eks/{args.cluster_name}/cluster",
            retention_in_days=args.settings.log_retention_days,
            opts=pulumi.ResourceOptions(parent=self),
        )
        role, attachment = self._service_role(name, args)
        # EKS's own protection would stop a destroy after everything on the cluster is gone; Pulumi's stops it before.
        opts = pulumi.ResourceOptions(
            parent=self, depends_on=[logs, attachment], protect=args.settings.deletion_protection
        )
        self.cluster = _control_plane(name, args, role, opts)
        # The URN is known once all parts of the cluster are made, so this name waits for them.
        self.cluster_name = self.cluster.urn.apply(lambda _: args.cluster_name)
        self.register_outputs({"cluster_name": self.cluster_name})

    def _service_role(
        self, name: str, args: KubernetesClusterArgs
    ) -> tuple[aws.iam.Role, aws.iam.RolePolicyAttachment]:
        child = pulumi.ResourceOptions(parent=self)
        role = aws.iam.Role(
            name,
            path=role_path(pulumi.get_stack()),
            description=f"vodstack control plane of {pulumi.get_stack()}",
            assume_role_policy=policy_document(
                Statement(
                    sid="ControlPlane",
                    principal={"Service": "eks.amazonaws.com"},
                    actions=["sts:AssumeRole", "sts:TagSession"],
                )
            ),
            permissions_boundary=args.permissions_boundary,
            opts=child,
        )
        attachment = aws.iam.RolePolicyAttachment(name, role=role.name, policy_arn=_SERVICE_POLICY, opts=child)
        return role, attachment


def _control_plane(
    name: str, args: KubernetesClusterArgs, role: aws.iam.Role, opts: pulumi.ResourceOptions
) -> eks.Cluster:
    settings, api_server = args.settings, args.settings.api_server
    return eks.Cluster(
        name,
        name=args.cluster_name,
        version=settings.version,
        service_role=role,
        vpc_id=args.vpc_id,
        private_subnet_ids=args.private_subnet_ids,
        public_subnet_ids=args.public_subnet_ids,
        authentication_mode=eks.AuthenticationMode.API,
        access_entries=_access(args),
        encryption_config_key_arn=args.key_arn,
        enabled_cluster_log_types=list(settings.log_types),
        endpoint_private_access=True,
        endpoint_public_access=bool(api_server.public_cidrs),
        public_access_cidrs=list(api_server.public_cidrs) or None,
        deletion_protection=settings.deletion_protection,
        skip_default_node_group=True,
        vpc_cni_options=eks.VpcCniOptionsArgs(
            addon_version=settings.addon_versions.get("vpc-cni"),
            enable_prefix_delegation=True,
            enable_network_policy=True,
        ),
        kube_proxy_addon_options=eks.KubeProxyAddonOptionsArgs(version=settings.addon_versions.get("kube-proxy")),
        # The component demands it beside an explicit provider, even when it says nothing.
        provider_credential_opts=eks.KubeconfigOptionsArgs(profile_name=args.profile),
        opts=opts,
    )


def _access(args: KubernetesClusterArgs) -> dict[str, eks.AccessEntryArgs]:
    admins = {arn.rpartition(":")[2].replace("/", "-"): arn for arn in args.settings.api_server.admins}
    entries = {name: _entry(arn, _ADMIN_POLICY) for name, arn in admins.items()}
    if args.delivery:
        entries["deploy"] = _entry(args.delivery.deploy_role_arn, _ADMIN_POLICY)
        entries["preview"] = _entry(args.delivery.preview_role_arn, _VIEW_POLICY)
    return entries


def _entry(principal_arn: pulumi.Input[str], policy_arn: str) -> eks.AccessEntryArgs:
    everywhere = eks.AccessPolicyAssociationArgs(
        policy_arn=policy_arn, access_scope=aws.eks.AccessPolicyAssociationAccessScopeArgs(type="cluster")
    )
    return eks.AccessEntryArgs(principal_arn=principal_arn, access_policies={"all": everywhere})
