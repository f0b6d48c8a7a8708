"""Nodes as the pods need them: of which kinds, made by whom, and who hears that one is about to go."""

import json

import pytest

INLINE_LIMIT_CHARACTERS = 10_240  # of all inline policies of a role
CLUSTER = "vodstack-dev"


@pytest.fixture(scope="module")
def grown(everything):
    return everything


def _spec(deployed, kind):
    return deployed.one(f"kubernetes:{kind}").inputs["spec"]


def _requirements(deployed):
    listed = _spec(deployed, "karpenter.sh/v1:NodePool")["template"]["spec"]["requirements"]
    return {each["key"]: each for each in listed}


def _statements(deployed):
    return json.loads(deployed.one("aws:iam/rolePolicy:RolePolicy", "karpenter-policy").inputs["policy"])["Statement"]


def test_dev_does_without(dev):
    assert not [resource for resource in dev.resources if "karpenter" in resource.urn.lower()]


def test_nodes_are_graviton_spot_first_of_fifteen_types_or_more(grown):
    wanted = _requirements(grown)
    assert wanted["kubernetes.io/arch"]["values"] == ["arm64"]
    assert wanted["karpenter.sh/capacity-type"]["values"] == ["spot", "on-demand"]
    families = wanted["karpenter.k8s.aws/instance-family"]["values"]
    sizes = wanted["karpenter.k8s.aws/instance-size"]["values"]
    assert len(families) * len(sizes) >= wanted["node.kubernetes.io/instance-type"]["minValues"] == 15


def test_nodes_are_bottlerocket_of_one_version_on_encrypted_disks_with_their_credentials_to_themselves(grown):
    node = _spec(grown, "karpenter.k8s.aws/v1:EC2NodeClass")
    assert node["amiSelectorTerms"] == [{"alias": "bottlerocket@v1.66.0"}]
    assert node["metadataOptions"] == {
        "httpEndpoint": "enabled",
        "httpTokens": "required",
        "httpPutResponseHopLimit": 1,
    }
    assert {each["deviceName"]: each["ebs"]["volumeSize"] for each in node["blockDeviceMappings"]} == {
        "/dev/xvda": "4Gi",
        "/dev/xvdb": "80Gi",
    }
    assert all(each["ebs"]["encrypted"] is True for each in node["blockDeviceMappings"])
    assert {"project", "stack", "managed-by"} <= node["tags"].keys()


def test_nodes_stand_in_the_private_subnets_beside_the_managed_ones_and_may_join(grown):
    node = _spec(grown, "karpenter.k8s.aws/v1:EC2NodeClass")
    private = grown.outputs["privateSubnetIds"].split(",")
    assert node["subnetSelectorTerms"] == [{"id": each} for each in private]
    assert node["securityGroupSelectorTerms"] == [{"tags": {"aws:eks:cluster-name": CLUSTER}}]
    role = grown.one("aws:iam/role:Role", "karpenter-nodes")
    assert node["role"] == role.outputs["name"]
    entry = grown.one("aws:eks/accessEntry:AccessEntry").inputs
    assert (entry["principalArn"], entry["type"]) == (role.outputs["arn"], "EC2_LINUX")


def test_there_is_an_end_to_what_it_may_spend_and_to_how_long_a_node_waits(grown):
    pool = _spec(grown, "karpenter.sh/v1:NodePool")
    assert pool["limits"] == {"cpu": "32", "memory": "256Gi"}
    assert pool["template"]["spec"]["terminationGracePeriod"] == "60m"
    assert pool["template"]["spec"]["expireAfter"] == "720h"
    assert pool["disruption"]["budgets"] == [{"nodes": "10%"}]


def test_the_charts_are_pinned_to_one_version_and_the_kinds_come_first(grown):
    kinds, controller = (grown.one("kubernetes:helm.sh/v3:Release", name) for name in ("karpenter-crd", "karpenter"))
    assert kinds.inputs["version"] == controller.inputs["version"] == "1.14.1"
    assert kinds.urn in controller.dependencies
    assert controller.inputs["skipCrds"] is True
    values = controller.inputs["values"]
    assert values["settings"]["clusterName"] == CLUSTER
    assert values["settings"]["interruptionQueue"] == f"{CLUSTER}-interruptions"
    assert values["controller"]["env"] == [{"name": "AWS_REGION", "value": "us-east-1"}]


def test_the_controller_hears_of_every_way_in_which_a_node_may_go(grown):
    queue = grown.one("aws:sqs/queue:Queue", "interruptions")
    rules = grown.of_type("aws:cloudwatch/eventRule:EventRule")
    heard = {json.loads(rule.inputs["eventPattern"])["detail-type"][0] for rule in rules}
    assert heard == {
        "AWS Health Event",
        "EC2 Capacity Reservation Instance Interruption Warning",
        "EC2 Instance Rebalance Recommendation",
        "EC2 Instance State-change Notification",
        "EC2 Spot Instance Interruption Warning",
    }
    targets = grown.of_type("aws:cloudwatch/eventTarget:EventTarget")
    assert {target.inputs["rule"] for target in targets} == {rule.outputs["name"] for rule in rules}
    assert {target.inputs["arn"] for target in targets} == {queue.outputs["arn"]}


def test_only_those_rules_send_and_only_over_tls(grown):
    send, deny = json.loads(grown.one("aws:sqs/queuePolicy:QueuePolicy", "interruptions").inputs["policy"])["Statement"]
    rules = {rule.outputs["arn"] for rule in grown.of_type("aws:cloudwatch/eventRule:EventRule")}
    assert set(send["Condition"]["ArnEquals"]["aws:SourceArn"]) == rules
    assert deny["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_what_changes_anything_changes_this_clusters_nodes_alone(grown):
    free = {"LaunchFrom", "HandOverNodeRole", "Warnings"}  # parts, the nodes' own role, and the queue
    owned = f"kubernetes.io/cluster/{CLUSTER}"
    for statement in _statements(grown):
        changing = [action for action in statement["Action"] if not _reads(action)]
        if changing and statement["Sid"] not in free:
            tests = statement["Condition"]["StringEquals"]
            assert any(key.endswith(owned) and value == "owned" for key, value in tests.items()), statement["Sid"]
            assert "StringLike" in statement["Condition"], statement["Sid"]


def _reads(action: str) -> bool:
    return action.partition(":")[2].startswith(("Describe", "Get", "List"))


def test_only_the_nodes_own_role_is_handed_over_and_only_to_nodes(grown):
    (statement,) = [each for each in _statements(grown) if "iam:PassRole" in each["Action"]]
    assert statement["Resource"] == [grown.one("aws:iam/role:Role", "karpenter-nodes").outputs["arn"]]
    assert statement["Condition"] == {"StringEquals": {"iam:PassedToService": "ec2.amazonaws.com"}}


def test_every_call_of_the_controller_is_allowed(grown):
    """The calls of the version that is pinned, as its SDK interfaces list them; zonal shift is off."""
    calls = {
        "ec2": (
            "CreateFleet CreateLaunchTemplate CreateTags DeleteLaunchTemplate DescribeCapacityReservations "
            "DescribeImages DescribeInstanceStatus DescribeInstanceTypeOfferings DescribeInstanceTypes "
            "DescribeInstances DescribeLaunchTemplates DescribePlacementGroups DescribeSecurityGroups "
            "DescribeSpotPriceHistory DescribeSubnets RunInstances TerminateInstances"
        ),
        "eks": "DescribeCluster",
        "iam": (
            "AddRoleToInstanceProfile CreateInstanceProfile DeleteInstanceProfile GetInstanceProfile "
            "ListInstanceProfiles PassRole RemoveRoleFromInstanceProfile TagInstanceProfile"
        ),
        "pricing": "GetProducts",
        "sqs": "DeleteMessage GetQueueUrl ReceiveMessage",
        "ssm": "GetParameter",
    }
    allowed = {action for statement in _statements(grown) for action in statement["Action"]}
    assert allowed == {f"{service}:{call}" for service, names in calls.items() for call in names.split()}


def test_its_policy_fits_its_limit(grown):
    policy = grown.one("aws:iam/rolePolicy:RolePolicy", "karpenter-policy").inputs["policy"]
    assert len(policy) < INLINE_LIMIT_CHARACTERS


@pytest.mark.parametrize("kind", ["karpenter.sh/v1:NodePool", "karpenter.k8s.aws/v1:EC2NodeClass"])
def test_whoever_makes_or_removes_the_pool_waits_for_its_nodes(grown, kind):
    assert grown.one(f"kubernetes:{kind}").inputs["metadata"]["annotations"] == {
        "pulumi.com/waitFor": "condition=Ready"
    }


def test_a_worker_at_work_is_not_moved_to_save_money_and_takes_any_node(dev):
    pods = {r.name: r.inputs["spec"]["template"] for r in dev.of_type("kubernetes:apps/v1:Deployment")}
    assert pods["worker"]["metadata"]["annotations"]["karpenter.sh/do-not-disrupt"] == "true"
    assert "karpenter.sh/do-not-disrupt" not in pods["api"]["metadata"]["annotations"]
    for pod in pods.values():
        assert not {"affinity", "nodeSelector", "tolerations"} & pod["spec"].keys()
