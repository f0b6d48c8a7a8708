from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from vodstack_platform.config.cluster import AddonName
from vodstack_platform.policy import pod_identity_trust, role_path

_PLAIN: tuple[AddonName, ...] = ("coredns", "eks-pod-identity-agent", "metrics-server")
_EBS_DRIVER: AddonName = "aws-ebs-csi-driver"
_EBS_POLICY = "arn:aws:iam::aws:policy/service-role/AmazonEBSCSIDriverPolicy"
_EBS_SERVICE_ACCOUNT = "ebs-csi-controller-sa"


@dataclass(frozen=True, kw_only=True)
class ClusterAddonsArgs:
    """What EKS runs in the cluster for us."""

    cluster_name: pulumi.Input[str]
    """EKS name of the cluster."""
    versions: Mapping[AddonName, str]
    """Versions by add-on. Others: EKS's default."""
    after: pulumi.Resource
    """The nodes: CoreDNS without one is degraded, and holds an `up` for twenty minutes."""
    permissions_boundary: pulumi.Input[str] | None = None
    """ARN of the policy that bounds what its role may do, whatever it is given. None: nothing bounds it."""


class ClusterAddons(pulumi.ComponentResource):
    """The EKS add-ons that run on nodes: names, identities, volumes, and the figures autoscaling goes by."""

    ready: pulumi.Output[list[str]]

    def __init__(self, name: str, args: ClusterAddonsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("vodstack:platform:ClusterAddons", name, None, opts)
        self._args = args
        addons = [self._addon(addon) for addon in _PLAIN]
        role, attachment = self._ebs_role()
        association = aws.eks.AddonPodIdentityAssociationArgs(role_arn=role.arn, service_account=_EBS_SERVICE_ACCOUNT)
        addons.append(self._addon(_EBS_DRIVER, association, attachment))
        self.ready = pulumi.Output.all(*(addon.urn for addon in addons)).apply(lambda urns: [str(urn) for urn in urns])
        self.register_outputs({})

    def _addon(
        self,
        addon: AddonName,
        association: aws.eks.AddonPodIdentityAssociationArgs | None = None,
        *before: pulumi.Resource,
    ) -> aws.eks.Addon:
        return aws.eks.Addon(
            addon,
            addon_name=addon,
            cluster_name=self._args.cluster_name,
            addon_version=self._args.versions.get(addon),
            resolve_conflicts_on_create="OVERWRITE",
            resolve_conflicts_on_update="OVERWRITE",
            pod_identity_associations=[association] if association else None,
            opts=pulumi.ResourceOptions(parent=self, depends_on=[self._args.after, *before]),
        )

    def _ebs_role(self) -> tuple[aws.iam.Role, aws.iam.RolePolicyAttachment]:
        child = pulumi.ResourceOptions(parent=self)
        role = aws.iam.Role(
            _EBS_DRIVER,
            path=role_path(pulumi.get_stack()),
            description=f"vodstack volumes of {pulumi.get_stack()}",
            assume_role_policy=pod_identity_trust(),
            permissions_boundary=self._args.permissions_boundary,
            opts=child,
        )
        attachment = aws.iam.RolePolicyAttachment(_EBS_DRIVER, role=role.name, policy_arn=_EBS_POLICY, opts=child)
        return role, attachment
