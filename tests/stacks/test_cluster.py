"""The layer of the Kubernetes cluster, and that what dev runs fits on its nodes."""

import base64
import json
import tomllib

# What a node of 4 GiB and two cores leaves to pods. Capacity is what Linux reports; kubelet's reserve is Bottlerocket's
# formula (11 MiB a pod and 255 MiB; 6 % and 1 % of the two cores), and 100 MiB stay free before it evicts.
T4G_MEDIUM_MIB, T4G_MEDIUM_MILLICORES = 3_836, 2_000
# Requests of what EKS itself puts on nodes, as its add-ons come: each node's, and the cluster's.
EACH_NODE = {"aws-node": (50, 0), "kube-proxy": (100, 0), "ebs-csi-node": (30, 120), "eks-pod-identity-agent": (0, 0)}
ONCE = {"coredns": (200, 140), "ebs-csi-controller": (120, 480), "metrics-server": (200, 400)}
# Containers that the monitoring chart runs once more with the resources it was given once.
ONCE_MORE = {"grafana's sidecar for data sources": (10, 96), "alertmanager's reloader": (10, 48)}


def test_the_control_plane_is_closed_logged_and_encrypted(dev):
    cluster = dev.one("eks:index:Cluster").inputs
    assert cluster["authenticationMode"] == "API"
    assert cluster["endpointPrivateAccess"] is True
    assert cluster["encryptionConfigKeyArn"] == dev.one("aws:kms/key:Key").outputs["arn"]
    assert cluster["enabledClusterLogTypes"] == ["audit", "authenticator"]
    assert cluster["skipDefaultNodeGroup"] is True
    assert cluster["vpcCniOptions"]["enablePrefixDelegation"] is True
    assert cluster["vpcCniOptions"]["enableNetworkPolicy"] is True
    assert cluster["providerCredentialOpts"] == {}
    logs = dev.one("aws:cloudwatch/logGroup:LogGroup")
    assert logs.inputs["name"] == "/aws/eks/vodstack-dev/cluster"
    assert logs.urn in dev.one("eks:index:Cluster").dependencies


def test_without_ranges_there_is_no_public_endpoint(run):
    quiet = run(
        "dev",
        layers=["cluster"],
        references={"foundation": "organization/vodstack/data"},
        cluster={"apiServer": {"publicCidrs": []}},
    )
    cluster = quiet.one("eks:index:Cluster").inputs
    assert cluster["endpointPublicAccess"] is False
    assert "publicAccessCidrs" not in cluster
    assert cluster["privateSubnetIds"] == ["subnet-0a", "subnet-0b"]
    assert cluster["publicSubnetIds"] == []


def test_administrators_come_by_access_entries(run):
    ops = "arn:aws:iam::111111111111:role/ops"
    deployed = run(
        "dev",
        layers=["cluster"],
        references={"foundation": "organization/vodstack/data"},
        cluster={"apiServer": {"admins": [ops]}},
    )
    (entry,) = deployed.one("eks:index:Cluster").inputs["accessEntries"].values()
    assert entry["principalArn"] == ops
    assert entry["accessPolicies"]["all"]["policyArn"].endswith("AmazonEKSClusterAdminPolicy")


def test_nodes_are_bottlerocket_on_graviton_spot_and_keep_their_credentials_to_themselves(dev):
    group = dev.one("eks:index:ManagedNodeGroup").inputs
    assert group["amiType"] == "BOTTLEROCKET_ARM_64"
    assert group["capacityType"] == "SPOT"
    assert group["instanceTypes"][0] == "t4g.medium"
    assert group["version"] == dev.one("eks:index:Cluster").inputs["version"]
    template = dev.one("aws:ec2/launchTemplate:LaunchTemplate").inputs
    assert template["metadataOptions"] == {
        "httpEndpoint": "enabled",
        "httpTokens": "required",
        "httpPutResponseHopLimit": 1,
    }
    (disk,) = template["blockDeviceMappings"]
    assert disk["deviceName"] == "/dev/xvdb"
    assert disk["ebs"]["encrypted"] == "true"
    assert tomllib.loads(base64.b64decode(template["userData"]).decode()) == {
        "settings": {"kubernetes": {"max-pods": 40}}
    }


def test_nodes_leave_before_their_roles_policies_do(dev):
    attachments = {
        r.urn for r in dev.of_type("aws:iam/rolePolicyAttachment:RolePolicyAttachment") if r.name.startswith("nodes")
    }
    assert len(attachments) == 3
    assert attachments <= dev.one("eks:index:ManagedNodeGroup").dependencies


def test_add_ons_wait_for_nodes(dev):
    addons = dev.of_type("aws:eks/addon:Addon")
    assert {addon.inputs["addonName"] for addon in addons} == {
        "coredns",
        "eks-pod-identity-agent",
        "metrics-server",
        "aws-ebs-csi-driver",
    }
    nodes = dev.one("eks:index:ManagedNodeGroup").urn
    for addon in addons:
        assert nodes in addon.dependencies


def test_every_kubernetes_object_waits_for_nodes_and_add_ons(dev):
    provider = dev.one("pulumi:providers:kubernetes")
    addons = {addon.urn for addon in dev.of_type("aws:eks/addon:Addon")}
    assert {dev.one("eks:index:ManagedNodeGroup").urn, dev.one("eks:index:Cluster").urn} | addons <= (
        provider.dependencies
    )
    assert "kubeconfig" in provider.secret_inputs


def test_volumes_are_encrypted_and_made_where_their_pod_is(dev):
    storage = dev.one("kubernetes:storage.k8s.io/v1:StorageClass").inputs
    assert storage["parameters"] == {"type": "gp3", "encrypted": "true"}
    assert storage["volumeBindingMode"] == "WaitForFirstConsumer"
    assert storage["metadata"]["annotations"] == {"storageclass.kubernetes.io/is-default-class": "true"}


def test_each_workload_that_calls_aws_has_a_role_of_its_own(dev):
    associations = dev.of_type("aws:eks/podIdentityAssociation:PodIdentityAssociation")
    assert {a.inputs["serviceAccount"] for a in associations} == {"api", "worker", "keda-operator"}
    assert len({a.inputs["roleArn"] for a in associations}) == 3
    (driver,) = dev.one("aws:eks/addon:Addon", "aws-ebs-csi-driver").inputs["podIdentityAssociations"]
    assert driver["serviceAccount"] == "ebs-csi-controller-sa"
    for role in dev.of_type("aws:iam/role:Role"):
        (statement,) = json.loads(role.inputs["assumeRolePolicy"])["Statement"]
        if role.name not in ("nodes", "cluster"):
            assert statement["Principal"] == {"Service": "pods.eks.amazonaws.com"}
            assert statement["Action"] == ["sts:AssumeRole", "sts:TagSession"]


def test_all_that_dev_asks_for_fits_its_nodes_and_still_does_when_one_is_taken_away(dev):
    nodes = dev.one("eks:index:ManagedNodeGroup").inputs["scalingConfig"]["desiredSize"]
    max_pods = 40
    reserved = 11 * max_pods + 255 + 100
    millicores, mib = _requests(dev)
    for left in (nodes, nodes - 1):
        memory = left * (T4G_MEDIUM_MIB - reserved - sum(m for _, m in EACH_NODE.values()) - 48)
        cpu = left * (T4G_MEDIUM_MILLICORES - 70 - sum(c for c, _ in EACH_NODE.values()) - 20)
        assert mib <= memory, f"{mib} MiB asked for, {memory} MiB on {left} nodes"
        assert millicores <= cpu, f"{millicores} millicores asked for, {cpu} on {left} nodes"


def _requests(deployed) -> tuple[int, int]:
    """Millicores and MiB of all pods but those that run on each node."""
    millicores, mib = (sum(column) for column in zip(*(ONCE | ONCE_MORE).values(), strict=True))
    for deployment in deployed.of_type("kubernetes:apps/v1:Deployment"):
        spec, fewest = deployment.inputs["spec"], _fewest(deployed)
        for container in spec["template"]["spec"]["containers"]:
            requests = container["resources"]["requests"]
            millicores += fewest[deployment.name] * _millicores(requests["cpu"])
            mib += fewest[deployment.name] * _mib(requests["memory"])
    for release in deployed.of_type("kubernetes:helm.sh/v3:Release"):
        for requests in _chart_requests(release.inputs["values"]):
            millicores, mib = millicores + _millicores(requests["cpu"]), mib + _mib(requests["memory"])
    return millicores, mib


def _fewest(deployed) -> dict[str, int]:
    """Pods of each Deployment at rest: those it asks for itself, or the least that its autoscaler keeps."""
    fixed = {r.name: r.inputs["spec"].get("replicas") for r in deployed.of_type("kubernetes:apps/v1:Deployment")}
    by_load = deployed.of_type("kubernetes:autoscaling/v2:HorizontalPodAutoscaler")
    by_queue = deployed.of_type("kubernetes:keda.sh/v1alpha1:ScaledObject")
    return (
        fixed
        | {r.inputs["spec"]["scaleTargetRef"]["name"]: r.inputs["spec"]["minReplicas"] for r in by_load}
        | {r.inputs["spec"]["scaleTargetRef"]["name"]: r.inputs["spec"]["minReplicaCount"] for r in by_queue}
    )


def _chart_requests(values, key=""):
    """Requests in a chart's values; node exporter's are counted with the nodes."""
    for name, value in values.items():
        if name == "requests" and "cpu" in value:
            yield value
        elif isinstance(value, dict) and name != "prometheus-node-exporter":
            yield from _chart_requests(value, name)


def _millicores(quantity: str) -> int:
    return int(quantity[:-1]) if quantity.endswith("m") else int(float(quantity) * 1000)


def _mib(quantity: str) -> int:
    units = {"Mi": 1, "Gi": 1024}
    return int(quantity[:-2]) * units[quantity[-2:]]
