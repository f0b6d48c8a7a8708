"""The program on Pulumi's own engine, over stand-ins of its providers. Skipped where `pulumi` is not on PATH."""

import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from tests.stacks.conftest import ALTERNATIVES, ELSEWHERE
from tests.stacks.pulumi_engine import PulumiStack, Standins, running_standins

from vodstack_platform.rules import RULES, Candidate

pytestmark = [
    pytest.mark.skipif(shutil.which("pulumi") is None, reason="the Pulumi CLI is not on PATH"),
    pytest.mark.timeout(900),
]
# What docs/operations.md tells people to set before they remove a stack with its data.
LET_GO = {
    "foundation": {
        "protect": False,
        "tables": {"deletionProtection": False},
        "bucket": {"forceDestroy": True},
    },
    "cluster": {"deletionProtection": False},
}
LET_POOL_GO = {"foundation": {"cognito": {"deletionProtection": False}}}
FULL = "dev with all that it leaves out"
NODES, CONTROL_PLANE = "aws:eks/nodeGroup:NodeGroup nodes", "aws:eks/cluster:Cluster cluster-eksCluster"

Make = Callable[..., PulumiStack]


@pytest.fixture(scope="module")
def standins(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standins]:
    with running_standins(tmp_path_factory.mktemp("standins") / "operations.jsonl") as running:
        yield running


@pytest.fixture(scope="module")
def make(standins: Standins, tmp_path_factory: pytest.TempPathFactory) -> Make:
    """Makes a stack for a config alternative, and what it refers to beside it. Nothing is in it yet."""

    def make_one(name: str, *changes: dict[str, Any]) -> PulumiStack:
        alternative = ALTERNATIVES[name]
        folder: Path = tmp_path_factory.mktemp("pulumi")
        for referred, outputs in ELSEWHERE.items():
            if referred in str((alternative.changes, changes)):
                PulumiStack(folder, referred.rpartition("/")[2], standins.attached).pretend(outputs)
        stack = PulumiStack(folder, alternative.stack, standins.attached)
        stack.configure(alternative.changes, *changes, like=alternative.stack)
        return stack

    return make_one


@pytest.mark.parametrize(
    "name", [pytest.param(each, marks=[] if each == "emulator" else pytest.mark.prove) for each in ALTERNATIVES]
)
def test_a_stack_is_previewed_made_left_alone_refreshed_and_destroyed(make: Make, standins: Standins, name: str):
    stack = make(name, LET_GO, *([LET_POOL_GO] if name == FULL else []))
    preview = stack.preview()
    assert (preview.code, preview.complaints) == (0, []), preview.output
    assert set(preview.steps.values()) <= {"create", "read"}
    made = stack.up()
    assert (made.code, made.complaints) == (0, []), made.output
    assert made.steps == preview.steps
    assert_providers_are_ours(stack.state())
    assert_secrets_are_kept(stack.state())
    assert_no_rule_is_offended(stack.state())
    for again in (stack.up("--expect-no-changes"), stack.refresh("--expect-no-changes")):
        assert (again.code, again.changes) == (0, {}), again.output
    count = len(standins.operations)
    gone = stack.destroy()
    assert (gone.code, gone.complaints) == (0, []), gone.output
    assert stack.state() == []
    assert_nothing_goes_before_what_needs_it(standins.operations[count:])


def assert_providers_are_ours(state: Sequence[dict[str, Any]]) -> None:
    for resource in state:
        if resource["custom"] and not resource["type"].startswith("pulumi:"):
            assert resource["parent"]
            assert "::default" not in resource["provider"], resource["urn"]


def assert_secrets_are_kept(state: Sequence[dict[str, Any]]) -> None:
    kept = {
        "random:index/randomPassword:RandomPassword": ("outputs", "result"),
        "kubernetes:core/v1:Secret": ("inputs", "stringData"),
        "pulumi:providers:kubernetes": ("inputs", "kubeconfig"),
        "docker-build:index:Image": ("inputs", "registries"),
    }
    for resource in state:
        # The provider that pulumi-eks makes for itself is its own business.
        if resource["type"] in kept and "eks:index:Cluster$" not in resource["urn"]:
            side, key = kept[resource["type"]]
            value = resource[side].get(key)
            assert value is None or "ciphertext" in json.dumps(value), resource["urn"]
    assert "a-token" not in json.dumps(state)


def assert_no_rule_is_offended(state: Sequence[dict[str, Any]]) -> None:
    """A policy pack sees what the engine knows: components of others as empty, and their children."""
    for resource in state:
        candidate = Candidate(resource["type"], resource.get("inputs", {}), "dev")
        assert not [sentence for rule in RULES for sentence in rule.offences(candidate)], resource["urn"]


def assert_nothing_goes_before_what_needs_it(deleted: Sequence[str]) -> None:
    """Each group is gone before the first of the next."""
    objects = [each for each in deleted if each.startswith("delete kubernetes:")]
    of_karpenter = [each for each in objects if "karpenter" in each]
    if not any(each.endswith(CONTROL_PLANE) for each in deleted):
        return
    groups = [
        [each for each in objects if each not in of_karpenter],
        [each for each in of_karpenter if "NodePool" in each],
        [each for each in of_karpenter if "EC2NodeClass" in each],
        [each for each in of_karpenter if "NodePool" not in each and "EC2NodeClass" not in each],
        [each for each in deleted if each.endswith("Addon aws-ebs-csi-driver")],
        [each for each in deleted if each.endswith(NODES)],
        [each for each in deleted if each.endswith(CONTROL_PLANE)],
        [each for each in deleted if ":Route " in each or ":NatGateway " in each or ":Subnet " in each],
        [each for each in deleted if each.endswith("Vpc network")],
    ]
    for sooner, later in pairwise(group for group in groups if group):
        assert max(map(deleted.index, sooner)) < min(map(deleted.index, later)), (sooner[-1], later[0])


@pytest.fixture(scope="module")
def dev(make: Make) -> PulumiStack:
    """The stack of Pulumi.dev.yaml, made; whoever changes it makes it anew."""
    stack = make("dev")
    made = stack.up()
    assert made.code == 0, made.output
    return stack


DEPLOYMENTS = {"kubernetes:apps/v1:Deployment api": "update", "kubernetes:apps/v1:Deployment worker": "update"}
CHANGES = {
    "another image": ({"services": {"images": {"tag": "v0.1.1"}}}, DEPLOYMENTS),
    "more workers": (
        {"services": {"worker": {"scaling": {"maxReplicas": 5}}}},
        {"kubernetes:keda.sh/v1alpha1:ScaledObject worker-scaledobject": "update"},
    ),
    "a setting that services share": (
        {"services": {"logLevel": "debug"}},
        {**DEPLOYMENTS, "kubernetes:core/v1:ConfigMap settings": "update"},
    ),
    "a budget": ({"foundation": {"alarms": {"monthlyBudgetUsd": 500}}}, {"aws:budgets/budget:Budget alarms": "update"}),
    "a tag": (
        {"tags": {"team": "video"}},
        {"pulumi:providers:aws aws": "update", "aws:ec2/launchTemplate:LaunchTemplate nodes": "update"},
    ),
    "an add-on's version": (
        {"cluster": {"addonVersions": {"coredns": "v1.12.1-eksbuild.2"}}},
        {"aws:eks/addon:Addon coredns": "update"},
    ),
    "who reaches the API server": (
        {"cluster": {"apiServer": {"publicCidrs": ["198.51.100.0/24"], "openToTheWorld": False}}},
        {CONTROL_PLANE: "update"},
    ),
    "a version of Kubernetes": ({"cluster": {"version": "1.36"}}, {CONTROL_PLANE: "update", NODES: "update"}),
    "a NAT gateway for each zone": (
        {"foundation": {"network": {"egress": "nat-per-zone"}}},
        {
            "aws:ec2/eip:Eip network-nat-1": "create",
            "aws:ec2/natGateway:NatGateway network-nat-1": "create",
            "aws:ec2/route:Route network-private-1-out": "update",
        },
    ),
}


@pytest.mark.prove
def test_a_change_of_config_is_previewed_as_that_change_alone(dev: PulumiStack):
    for name, (change, expected) in CHANGES.items():
        dev.configure(change, like="dev")
        preview = dev.preview()
        assert (preview.code, preview.complaints, preview.changes) == (0, [], expected), name
    dev.configure(like="dev")


@pytest.mark.prove
def test_karpenter_comes_to_a_running_cluster_beside_what_runs(dev: PulumiStack):
    """Objects wait for its nodes, yet a kubeconfig unknown for that would have every one of them replaced."""
    dev.configure({"cluster": {"karpenter": {}}}, like="dev")
    preview = dev.preview()
    dev.configure(like="dev")
    assert (preview.code, preview.complaints) == (0, []), preview.output
    assert "kubernetes:karpenter.sh/v1:NodePool graviton-nodepool" in preview.changes
    assert set(preview.changes.values()) == {"create"}


# Pulumi names what it comes to first; what this stands on goes unnamed.
NAMED = ("Table::videos", "Table::work", "BucketPolicy::videos-tls", "BucketVersioning::videos-versioning")
STAYS = {
    "aws:dynamodb/table:Table",
    "aws:kms/key:Key",
    "aws:s3/bucket:Bucket",
    "aws:s3/bucketOwnershipControls:BucketOwnershipControls",
    "aws:s3/bucketPolicy:BucketPolicy",
    "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock",
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration",
    "aws:s3/bucketVersioning:BucketVersioning",
}


@pytest.mark.prove
def test_data_stays_until_an_up_of_its_own_lets_go_of_it(dev: PulumiStack, standins: Standins):
    count = len(standins.operations)
    refused = dev.destroy()
    assert refused.code != 0
    for name in NAMED:
        assert f'{name}" cannot be deleted' in refused.output
    assert len(standins.operations) == count
    assert dev.destroy("--exclude-protected").code == 0
    left = {each["type"] for each in dev.state() if each["custom"] and not each["type"].startswith("pulumi:")}
    assert left == STAYS
    dev.configure(LET_GO, {"layers": ["foundation"]}, like="dev")
    assert dev.up().code == 0
    assert dev.destroy().code == 0
    assert dev.state() == []


@pytest.mark.prove
def test_a_layer_moves_to_another_stack_and_its_data_stays(make: Make):
    name, reference = "services in a cluster of the user's own", "organization/vodstack/data"
    whole = make(name)
    made = whole.up()
    assert made.code == 0, made.output
    rest = {"layers": ["services"], "references": {"foundation": reference}}
    whole.configure(ALTERNATIVES[name].changes, rest, like="dev")
    data = whole.beside("data")
    data.pretend(ELSEWHERE[reference])
    taken_out = whole.preview()
    assert taken_out.code != 0
    for lost in NAMED:
        assert f'{lost}" cannot be deleted' in taken_out.output
    layer = next(each["urn"] for each in whole.state() if each["urn"].endswith("Layer::foundation"))
    whole.move(layer, reference)
    data.configure({"layers": ["foundation"]}, like="dev")
    moved = data.up()
    assert moved.code == 0, moved.output
    anew = {each.partition("/")[0] for each, step in moved.changes.items() if step != "update"}
    assert anew == {"aws:budgets", "aws:cloudwatch", "aws:kms", "aws:sns", "aws:ssm"}
    assert moved.changes["aws:kms/key:Key data"] == "update"
    assert set(whole.preview().changes) <= {"pulumi:providers:pulumi default"}  # what reads the other stack's outputs
