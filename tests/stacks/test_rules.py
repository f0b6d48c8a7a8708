"""The policy pack's rules: none is offended by what we make, and each by its example."""

import json
import os
import runpy
import sys
from pathlib import Path
from typing import Any

import pytest

from vodstack_platform.embedded.wire import UNKNOWN
from vodstack_platform.rules import RULES, Candidate
from vodstack_platform.rules import UNKNOWN as UNKNOWN_TEXT

PACK = Path(__file__).parents[2] / "platform" / "policies" / "__main__.py"
BY_NAME = {rule.name: rule for rule in RULES}
DEPLOYMENT, CHART = "kubernetes:apps/v1:Deployment", "kubernetes:helm.sh/v3:Release"


def _policy(**statement):
    return json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **statement}]})


def _pod(container, **spec):
    sound = {"name": "c", "image": "i:1", "securityContext": {"allowPrivilegeEscalation": False}}
    return {"spec": {"template": {"spec": {"containers": [sound | container], **spec}}}}


BLOCKS = ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")
BLOCK = "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock"
EVERYBODY = ("*", {"AWS": "*"}, {"AWS": ["arn:aws:iam::1:root", "*"]}, {"Federated": "*"}, {"Service": ["*"]})
GUARDED = (
    ("aws:s3/bucketPolicy:BucketPolicy", "policy"),
    ("aws:sqs/queuePolicy:QueuePolicy", "policy"),
    ("aws:sns/topicPolicy:TopicPolicy", "policy"),
    ("aws:ecr/repositoryPolicy:RepositoryPolicy", "policy"),
    ("aws:kms/key:Key", "policy"),
    ("aws:iam/role:Role", "assumeRolePolicy"),
    ("aws-native:kms:Key", "keyPolicy"),
)
NAMED = ("aws:iam/policy:Policy", "aws:iam/rolePolicy:RolePolicy", "aws:iam/userPolicy:UserPolicy")


OFFENDERS = [
    *[("no-public-bucket", BLOCK, dict.fromkeys(BLOCKS, True) | {block: False}) for block in BLOCKS],
    *[("no-public-bucket", BLOCK, {key: True for key in BLOCKS if key != block}) for block in BLOCKS],
    *[
        ("no-public-bucket", kind, {"acl": acl})
        for kind in ("aws:s3/bucket:Bucket", "aws:s3/bucketAcl:BucketAcl")
        for acl in ("public-read", "public-read-write", "authenticated-read")
    ],
    *[
        ("no-open-policy", kind, {key: _policy(Principal=principal, Action="sts:AssumeRole")})
        for kind, key in GUARDED
        for principal in EVERYBODY
    ],
    *[
        ("no-open-policy", kind, {key: _policy(NotPrincipal={"AWS": "1"}, Action="sts:AssumeRole")})
        for kind, key in GUARDED
    ],
    *[
        ("no-wildcard-iam", kind, {key: _policy(Principal={"AWS": "1"}, Action=action)})
        for kind, key in GUARDED
        for action in ("*", "kms:*", ["sts:AssumeRole", "sts:Tag*"])
    ],
    *[("no-wildcard-iam", kind, {"policy": _policy(Action="s3:*", Resource="*")}) for kind in NAMED],
    *[("no-wildcard-iam", kind, {"policy": _policy(NotAction="iam:*", Resource="*")}) for kind in NAMED],
    *[
        ("no-privileged-pod", f"kubernetes:apps/v1:{kind}", _pod({"securityContext": {"privileged": True}}))
        for kind in ("DaemonSet", "ReplicaSet", "StatefulSet")
    ],
    ("no-privileged-pod", "kubernetes:batch/v1:Job", _pod({}, hostPID=True)),
    ("no-privileged-pod", DEPLOYMENT, _pod({}, hostIPC=True)),
    ("no-privileged-pod", DEPLOYMENT, _pod({}, initContainers=[{"name": "i", "image": "i:1"}])),
    ("no-privileged-pod", DEPLOYMENT, _pod({"securityContext": {"allowPrivilegeEscalation": True}})),
    ("pinned", DEPLOYMENT, _pod({}, initContainers=[{"name": "i", "image": "i"}])),
    ("deletion-protection", "aws:ecr/repository:Repository", {"forceDelete": True, "encryptionConfigurations": [1]}),
    ("deletion-protection", "eks:index:Cluster", {"version": "1.35", "deletionProtection": False}),
    ("encryption", "aws:sqs/queue:Queue", {"name": "q"}),
    ("encryption", "aws:sns/topic:Topic", {"name": "t"}),
    ("encryption", "aws:dynamodb/table:Table", {}),
    ("encryption", "aws:ecr/repository:Repository", {}),
    ("encryption", "eks:index:Cluster", {"version": "1.35"}),
    ("encryption", "aws:eks/cluster:Cluster", {"version": "1.35"}),
    ("encryption", "aws:ec2/launchTemplate:LaunchTemplate", {"blockDeviceMappings": [{"ebs": {"volumeSize": 20}}]}),
    ("encryption", "kubernetes:storage.k8s.io/v1:StorageClass", {"parameters": {"type": "gp3"}}),
    ("no-wildcard-iam", "aws:iam/rolePolicy:RolePolicy", {"policy": _policy(Action="s3:*", Resource="*")}),
    ("no-wildcard-iam", "aws:iam/policy:Policy", {"policy": _policy(NotAction=["iam:PassRole"], Resource="*")}),
    ("tags", "pulumi:providers:aws", {"defaultTags": '{"tags": {"project": "vodstack"}}'}),
    ("tags", "pulumi:providers:aws", {}),
    ("no-privileged-pod", DEPLOYMENT, _pod({}, hostNetwork=True)),
    ("no-privileged-pod", DEPLOYMENT, _pod({"securityContext": {"privileged": True}})),
    ("no-privileged-pod", "kubernetes:core/v1:Pod", {"spec": {"containers": [{"name": "c", "image": "i:1"}]}}),
    ("pinned", CHART, {"chart": "keda"}),
    ("pinned", DEPLOYMENT, _pod({"image": "registry.example:5000/api"})),
    ("pinned", DEPLOYMENT, _pod({"image": "api:latest"})),
    (
        "pinned",
        "kubernetes:karpenter.k8s.aws/v1:EC2NodeClass",
        {"spec": {"amiSelectorTerms": [{"alias": "bottlerocket@latest"}]}},
    ),
    ("deletion-protection", "aws:dynamodb/table:Table", {"deletionProtectionEnabled": False}),
    ("deletion-protection", "aws:cognito/userPool:UserPool", {"deletionProtection": "INACTIVE"}),
    ("deletion-protection", "aws:s3/bucket:Bucket", {"forceDestroy": True}),
    ("deletion-protection", "aws:eks/cluster:Cluster", {"deletionProtection": False}),
]


@pytest.mark.parametrize("name", sorted({name for name, _, _ in OFFENDERS}))
def test_a_rule_is_offended_by_each_of_its_examples(name):
    examples = [(kind, props) for rule, kind, props in OFFENDERS if rule == name]
    missed = [each for each in examples if not list(BY_NAME[name].offences(Candidate(*each, "prod")))]
    assert missed == []


@pytest.mark.parametrize(
    "props",
    [
        {"policy": _policy(Principal={"AWS": "arn:aws:iam::1:root"}, Action="kms:Decrypt")},
        {"policy": _policy(Principal="*", Action="sqs:SendMessage", Condition={"ArnEquals": {"aws:SourceArn": "a"}})},
        {"policy": _policy(Effect="Deny", Principal="*", Action="s3:*", Resource="*")},
        {"policy": UNKNOWN_TEXT},
        {},
    ],
)
def test_a_policy_that_names_whom_it_lets_in_offends_nothing(props):
    candidate = Candidate("aws:kms/key:Key", props, "prod")
    assert [sentence for rule in RULES for sentence in rule.offences(candidate)] == []


def test_every_rule_has_an_example():
    assert {name for name, _, _ in OFFENDERS} == BY_NAME.keys()


def test_a_remote_component_is_judged_by_the_control_plane_below_it():
    """So Pulumi shows one to a policy pack whose provider registers it without inputs."""
    seen = Candidate("eks:index:Cluster", {}, "prod")
    assert not [sentence for rule in RULES for sentence in rule.offences(seen)]


def test_deletion_protection_is_for_production_alone():
    bucket = {"forceDestroy": True}
    assert not list(BY_NAME["deletion-protection"].offences(Candidate("aws:s3/bucket:Bucket", bucket, "dev")))


def test_nothing_of_ours_offends_a_rule(alternative):
    for deployed in (alternative.known, alternative.unknown):
        for resource in deployed.resources:
            candidate = Candidate(resource.type, _as_pulumi_says_it(resource.inputs), deployed.stack)
            for rule in RULES:
                assert list(rule.offences(candidate)) == [], (rule.name, resource.urn)


def _as_pulumi_says_it(value) -> Any:
    if value is UNKNOWN:
        return UNKNOWN_TEXT
    if isinstance(value, dict):
        return {key: _as_pulumi_says_it(member) for key, member in value.items()}
    return [_as_pulumi_says_it(member) for member in value] if isinstance(value, list) else value


def test_a_stacks_protected_data_may_be_called_production(run):
    dev = run("dev")
    for resource in dev.resources:
        candidate = Candidate(resource.type, resource.inputs, "prod-eu")
        offences = list(BY_NAME["deletion-protection"].offences(candidate))
        assert not offences or resource.type == "eks:index:Cluster", resource.urn


def test_the_pack_offers_every_rule(monkeypatch):
    """With pulumi-policy itself, wherever it is installed; its environment is the pack's own."""
    sdk = pytest.importorskip("pulumi_policy", reason="pulumi-policy is installed by the CLI, for the pack alone")
    made = {}
    monkeypatch.setattr(sdk, "PolicyPack", lambda **given: made.update(given))
    monkeypatch.setattr(sys, "path", list(sys.path))
    runpy.run_path(os.fspath(PACK))
    assert [each.name for each in made["policies"]] == list(BY_NAME)
    said = []
    args = sdk.ResourceValidationArgs(
        "aws:s3/bucket:Bucket", {"acl": "public-read"}, "urn:pulumi:dev::vodstack::t::b", "b", None, None
    )
    made["policies"][0].validate(args, said.append)
    assert said == ["the ACL public-read opens the bucket"]
