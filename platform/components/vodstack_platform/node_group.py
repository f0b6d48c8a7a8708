import base64
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws
import pulumi_eks as eks

from vodstack_platform.config.cluster import NodeSettings
from vodstack_platform.policy import Statement, policy_document, role_path

_MANAGED_POLICIES = ("AmazonEKSWorkerNodePolicy", "AmazonEKS_CNI_Policy", "AmazonEC2ContainerRegistryPullOnly")
_DATA_DEVICE = "/dev/xvdb"  # Bottlerocket keeps the system on xvda, and images, logs and scratch here


@dataclass(frozen=True, kw_only=True)
class NodeGroupArgs:
    """`tags` are repeated on instances and volumes, which AWS makes from a template that default tags do not reach."""

    cluster: eks.Cluster
    version: str
    settings: NodeSettings
    subnet_ids: pulumi.Output[list[str]]
    name_tag: str
    tags: dict[str, str]


class NodeGroup(pulumi.ComponentResource):
    """A managed group of Bottlerocket nodes on Graviton."""

    group: eks.ManagedNodeGroup
    ready: pulumi.Output[str]

    def __init__(self, name: str, args: NodeGroupArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("vodstack:platform:NodeGroup", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        role = aws.iam.Role(
            name,
            path=role_path(pulumi.get_stack()),
            description=f"vodstack nodes of {pulumi.get_stack()}",
            assume_role_policy=policy_document(
                Statement(sid="Nodes", principal={"Service": "ec2.amazonaws.com"}, actions=["sts:AssumeRole"])
            ),
            opts=child,
        )
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
            # Nodes that lose their role's policies before they are gone cannot leave in good order.
            opts=pulumi.ResourceOptions(parent=self, depends_on=_attachments(name, role, child)),
        )
        self.ready = self.group.urn
        self.register_outputs({})


def _attachments(name: str, role: aws.iam.Role, opts: pulumi.ResourceOptions) -> list[aws.iam.RolePolicyAttachment]:
    return [
        aws.iam.RolePolicyAttachment(
            f"{name}-{policy}", role=role.name, policy_arn=f"arn:aws:iam::aws:policy/{policy}", opts=opts
        )
        for policy in _MANAGED_POLICIES
    ]


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
