import base64
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws
import pulumi_eks as eks

from vodstack_platform.config.cluster import NodeSettings
from vodstack_platform.node_role import node_role

_DATA_DEVICE = "/dev/xvdb"  # Bottlerocket keeps the system on xvda, and images, logs and scratch here


@dataclass(frozen=True, kw_only=True)
class NodeGroupArgs:
    """Which nodes, and where."""

    cluster: eks.Cluster
    """The control plane that they join."""
    version: str
    """Kubernetes version of the nodes."""
    settings: NodeSettings
    """Types, capacity, numbers, disk in GiB, pods a node."""
    subnet_ids: pulumi.Output[list[str]]
    """Subnets of the nodes."""
    name_tag: str
    """What consoles show as their name."""
    tags: dict[str, str]
    """AWS tags of instances and volumes, which AWS makes from a template that default tags do not reach."""
    permissions_boundary: pulumi.Input[str] | None = None
    """ARN of the policy that bounds what its role may do, whatever it is given. None: nothing bounds it."""


class NodeGroup(pulumi.ComponentResource):
    """A managed group of Bottlerocket nodes on Graviton."""

    group: eks.ManagedNodeGroup
    ready: pulumi.Output[str]

    def __init__(self, name: str, args: NodeGroupArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("vodstack:platform:NodeGroup", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        role, attachments = node_role(name, "nodes", child, permissions_boundary=args.permissions_boundary)
        template = _launch_template(name, args, child)
        settings = args.settings
        self.group = eks.ManagedNodeGroup(
            name,
            cluster=args.cluster,
            node_role_arn=role.arn,
            ami_type=eks.AmiType.BOTTLEROCKET_ARM64,
            version=args.version,
            capacity_type=settings.capacity,
            instance_types=list(settings.instance_types),
            subnet_ids=args.subnet_ids,
            scaling_config=aws.eks.NodeGroupScalingConfigArgs(
                min_size=settings.min_size, desired_size=settings.desired_size, max_size=settings.max_size
            ),
            ignore_scaling_changes=True,
            launch_template=aws.eks.NodeGroupLaunchTemplateArgs(
                id=template.id, version=template.latest_version.apply(str)
            ),
            opts=pulumi.ResourceOptions(parent=self, depends_on=attachments),
        )
        self.ready = self.group.urn
        self.register_outputs({})


def _launch_template(name: str, args: NodeGroupArgs, opts: pulumi.ResourceOptions) -> aws.ec2.LaunchTemplate:
    tags = {**args.tags, "Name": args.name_tag}
    disk = aws.ec2.LaunchTemplateBlockDeviceMappingEbsArgs(
        volume_size=args.settings.disk_size_gib, volume_type="gp3", encrypted="true", delete_on_termination="true"
    )
    return aws.ec2.LaunchTemplate(
        name,
        name_prefix=f"{args.name_tag}-",
        update_default_version=True,
        # One hop: a pod, and so a hostile video's ffmpeg, cannot reach the node's credentials.
        metadata_options=aws.ec2.LaunchTemplateMetadataOptionsArgs(
            http_endpoint="enabled", http_tokens="required", http_put_response_hop_limit=1
        ),
        block_device_mappings=[
            aws.ec2.LaunchTemplateBlockDeviceMappingArgs(device_name=_DATA_DEVICE, ebs=disk),
        ],
        user_data=_user_data(args.settings.max_pods),
        tag_specifications=[
            aws.ec2.LaunchTemplateTagSpecificationArgs(resource_type=kind, tags=tags) for kind in ("instance", "volume")
        ],
        opts=opts,
    )


def _user_data(max_pods: int) -> str:
    """Bottlerocket's settings, to which EKS adds those of the cluster. Without a number it assumes no prefixes."""
    return base64.b64encode(f"[settings.kubernetes]\nmax-pods = {max_pods}\n".encode()).decode()
