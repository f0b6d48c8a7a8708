"""What the components of pulumi-eks register below themselves, as far as the program's graph leans on it."""

import hashlib
from typing import Any

import pulumi
import pulumi_aws as aws
import pulumi_eks as eks
import pulumi_kubernetes as kubernetes
from pulumi.provider import ConstructResult

from vodstack_platform.embedded.creation import Creation, Outputs
from vodstack_platform.embedded.emulator import ACCOUNT_ID


class Cluster(pulumi.ComponentResource):
    def __init__(self, name: str, inputs: dict[str, Any], opts: pulumi.ResourceOptions) -> None:
        super().__init__("eks:index:Cluster", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        group = aws.ec2.SecurityGroup(f"{name}-control-plane", vpc_id=inputs["vpcId"], opts=child)
        subnets = pulumi.Output.all(inputs["publicSubnetIds"], inputs["privateSubnetIds"])
        self.eks_cluster = aws.eks.Cluster(
            f"{name}-eksCluster",
            name=inputs["name"],
            version=inputs["version"],
            role_arn=pulumi.Output.from_input(inputs["serviceRole"]).apply(lambda role: role.arn),
            vpc_config=aws.eks.ClusterVpcConfigArgs(
                security_group_ids=[group.id],
                subnet_ids=subnets.apply(lambda both: [*both[0], *both[1]]),
                endpoint_private_access=inputs["endpointPrivateAccess"],
                endpoint_public_access=inputs["endpointPublicAccess"],
                public_access_cidrs=inputs.get("publicAccessCidrs"),
            ),
            encryption_config=aws.eks.ClusterEncryptionConfigArgs(
                provider=aws.eks.ClusterEncryptionConfigProviderArgs(key_arn=inputs["encryptionConfigKeyArn"]),
                resources=["secrets"],
            ),
            enabled_cluster_log_types=inputs["enabledClusterLogTypes"],
            deletion_protection=inputs["deletionProtection"],
            opts=child,
        )
        known = [self.eks_cluster.name, self.eks_cluster.endpoint, self.eks_cluster.certificate_authority]
        self.kubeconfig = pulumi.Output.all(*known).apply(_kubeconfig)
        kubeconfig_json = pulumi.Output.json_dumps(self.kubeconfig, sort_keys=True)
        own = kubernetes.Provider(f"{name}-eks-k8s", kubeconfig=kubeconfig_json, opts=child)
        entries = self._entries(name, inputs.get("accessEntries") or {})
        for addon in ("kube-proxy", "vpc-cni"):
            self._addon(name, addon, [*entries, own])
        self.outputs = {
            "kubeconfig": self.kubeconfig,
            "kubeconfigJson": kubeconfig_json,
            "core": {"cluster": self.eks_cluster, "vpcId": inputs["vpcId"]},
            "eksCluster": self.eks_cluster,
            "clusterSecurityGroup": group,
            "clusterSecurityGroupId": group.id,
        }
        self.register_outputs(self.outputs)

    def _entries(self, name: str, wanted: dict[str, Any]) -> list[pulumi.Resource]:
        return [
            aws.eks.AccessEntry(
                f"{name}-{key}",
                cluster_name=self.eks_cluster.name,
                principal_arn=entry["principalArn"],
                opts=pulumi.ResourceOptions(parent=self, depends_on=[self.eks_cluster]),
            )
            for key, entry in wanted.items()
        ]

    def _addon(self, name: str, addon: str, after: list[pulumi.Resource]) -> None:
        version = aws.eks.get_addon_version_output(
            addon_name=addon,
            kubernetes_version=self.eks_cluster.version,
            most_recent=True,
            opts=pulumi.InvokeOutputOptions(parent=self),
        ).version
        aws.eks.Addon(
            f"{name}-{addon}",
            addon_name=addon,
            cluster_name=self.eks_cluster.name,
            addon_version=version,
            opts=pulumi.ResourceOptions(parent=self, depends_on=after),
        )


class ManagedNodeGroup(pulumi.ComponentResource):
    def __init__(self, name: str, inputs: dict[str, Any], opts: pulumi.ResourceOptions) -> None:
        super().__init__("eks:index:ManagedNodeGroup", name, None, opts)
        cluster: pulumi.Output[eks.Cluster] = pulumi.Output.from_input(inputs["cluster"])
        group = aws.eks.NodeGroup(
            name,
            cluster_name=cluster.apply(lambda it: it.eks_cluster).apply(lambda it: it.name),
            node_role_arn=inputs["nodeRoleArn"],
            ami_type=inputs["amiType"],
            version=inputs["version"],
            capacity_type=inputs["capacityType"],
            instance_types=inputs["instanceTypes"],
            subnet_ids=inputs["subnetIds"],
            scaling_config=inputs["scalingConfig"],
            launch_template=inputs["launchTemplate"],
            opts=pulumi.ResourceOptions(parent=self, ignore_changes=["scalingConfig.desiredSize"]),
        )
        self.outputs = {"nodeGroup": group}
        self.register_outputs(self.outputs)


def construct(name: str, resource_type: str, inputs: dict[str, Any], opts: pulumi.ResourceOptions) -> ConstructResult:
    component = _COMPONENTS[resource_type](name, inputs, opts)
    return ConstructResult(component.urn, component.outputs)


_COMPONENTS: dict[str, Any] = {"eks:index:Cluster": Cluster, "eks:index:ManagedNodeGroup": ManagedNodeGroup}


def _kubeconfig(known: list[Any]) -> dict[str, Any]:
    name, endpoint, authority = known
    server = {"server": endpoint, "certificate-authority-data": authority["data"]}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "kubernetes", "cluster": server}],
        "contexts": [{"name": "aws", "context": {"cluster": "kubernetes", "user": "aws"}}],
        "current-context": "aws",
        "users": [{"name": "aws", "user": {"exec": {"command": "aws", "args": ["eks", "get-token", name]}}}],
    }


def _cluster(creation: Creation) -> Outputs:
    name = creation.physical_name()
    return {
        "id": name,
        "name": name,
        "arn": creation.arn("eks", f"cluster/{name}"),
        "endpoint": f"https://{creation.suffix}.gr7.{creation.region}.eks.amazonaws.com",
        "certificateAuthority": {"data": hashlib.sha256(name.encode()).hexdigest()},
        "version": creation.inputs["version"],
        "accessConfig": {"authenticationMode": "API"},
    }


def _node_group(creation: Creation) -> Outputs:
    cluster = creation.inputs["clusterName"]
    name = creation.physical_name("nodeGroupName")
    return {"id": f"{cluster}:{name}", "nodeGroupName": name, "arn": creation.arn("eks", f"nodegroup/{cluster}/{name}")}


def _security_group(creation: Creation) -> Outputs:
    group = creation.identifier("sg")
    return {"id": group, "name": creation.physical_name(), "ownerId": ACCOUNT_ID}


MADE_BY_COMPONENTS: dict[str, Any] = {
    "aws:eks/cluster:Cluster": _cluster,
    "aws:eks/nodeGroup:NodeGroup": _node_group,
    "aws:ec2/securityGroup:SecurityGroup": _security_group,
}
