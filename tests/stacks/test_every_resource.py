"""What holds for all resources of all alternatives, by going through every one that was registered."""

import importlib
import inspect
import json
from collections.abc import Iterator
from typing import Any

import kubernetes_validate
import pytest
from tests.stacks.conftest import ALTERNATIVES

from vodstack_platform.deployment_actions import is_read

# AWS-managed policies and wildcard resources that are meant, with the reason.
MANAGED_POLICIES = {
    "AmazonEKSClusterPolicy": "what the control plane needs of EC2; EKS maintains it",
    "AmazonEKSWorkerNodePolicy": "what a node needs to join; EKS maintains it",
    "AmazonEKS_CNI_Policy": "addresses for pods, before pod identities can work",
    "AmazonEC2ContainerRegistryPullOnly": "pulling images",
    "service-role/AmazonEBSCSIDriverPolicy": "volumes, limited by AWS to those the driver tagged",
}
WILDCARD_RESOURCES = {
    "aws:iam/policy:Policy": "deployments and operators make what has no name before it is there",
    "aws:kms/key:Key": "a key's own policy has no other name for that key",
    "aws:iam/rolePolicy:RolePolicy": "operators look for subnets, images and prices, which are described by no name",
}


def test_known_and_unknown_values_give_the_same_resources(alternative):
    known = {resource.urn for resource in alternative.known.resources}
    unknown = {resource.urn for resource in alternative.unknown.resources}
    assert known == unknown


def test_a_preview_knows_by_name_what_pods_wait_for(alternative):
    for deployment in alternative.unknown.of_type("kubernetes:apps/v1:Deployment"):
        assert deployment.inputs["spec"]["template"]["spec"]["serviceAccountName"] == deployment.name


@pytest.mark.parametrize("name", ["dev with all that it leaves out", "local", "services of layers elsewhere"])
def test_two_runs_give_the_same_inputs(name):
    alternative = ALTERNATIVES[name]
    first = {resource.urn: resource.inputs for resource in alternative.known.resources}
    second = {resource.urn: resource.inputs for resource in alternative.run_again().resources}
    assert first == second


def test_nothing_is_named_after_an_unresolved_output(alternative):
    for deployed in (alternative.known, alternative.unknown):
        for resource in deployed.resources:
            for text in (resource.name, *_texts(resource.inputs)):
                assert "Output" not in text or "__str__" not in text, resource.urn


def test_every_resource_has_a_parent_and_its_explicit_provider(alternative):
    providers = {r.urn for r in alternative.known.resources if r.type.startswith("pulumi:providers:")}
    for resource in alternative.known.resources:
        if resource.type.startswith("pulumi:providers:"):
            continue
        assert resource.parent, resource.urn
        package = resource.type.partition(":")[0]
        if package in ("aws", "kubernetes"):
            provider = resource.provider.rpartition("::")[0]
            assert provider in providers, resource.urn
            assert f"pulumi:providers:{package}::" in provider, resource.urn


def test_everything_taggable_is_tagged(alternative):
    tagged = 0
    for resource in alternative.known.resources:
        if resource.type.startswith("aws:") and _is_taggable(resource.type):
            assert {"project", "stack", "managed-by"} <= resource.outputs["tagsAll"].keys(), resource.urn
            tagged += 1
        if resource.type == "aws:ec2/launchTemplate:LaunchTemplate":
            for specification in resource.inputs["tagSpecifications"]:
                assert {"project", "stack", "managed-by"} <= specification["tags"].keys()
    assert tagged


def test_no_statement_allows_a_wildcard_action(alternative):
    for urn, _, statement in _statements(alternative.known):
        if statement["Effect"] == "Allow":
            assert not [action for action in statement["Action"] if "*" in action], urn


def test_wildcard_resources_are_those_with_a_reason(alternative):
    for urn, resource_type, statement in _statements(alternative.known):
        if "*" in statement.get("Resource", []):
            reads = all(map(is_read, statement["Action"]))
            assert resource_type in WILDCARD_RESOURCES, urn
            assert resource_type != "aws:iam/policy:Policy" or reads or "aws:RequestedRegion" in str(statement), urn
            assert resource_type != "aws:iam/rolePolicy:RolePolicy" or all(map(is_read, statement["Action"])), urn


def test_no_statement_names_anybody_as_principal_unless_it_denies(alternative):
    for urn, _, statement in _statements(alternative.known):
        if statement["Effect"] == "Allow":
            assert statement.get("Principal") != "*", urn


def test_managed_policies_are_those_with_a_reason(alternative):
    own = {policy.outputs["arn"] for policy in alternative.known.of_type("aws:iam/policy:Policy")}
    for attachment in alternative.known.of_type("aws:iam/rolePolicyAttachment:RolePolicyAttachment"):
        arn = attachment.inputs["policyArn"]
        assert arn.removeprefix("arn:aws:iam::aws:policy/") in MANAGED_POLICIES or arn in own


def test_every_json_text_is_canonical(alternative):
    found = 0
    for resource in alternative.known.resources:
        for text in _texts(resource.inputs):
            if text.startswith("{") and resource.type.startswith("aws:"):
                value = json.loads(text)
                assert text == json.dumps(value, sort_keys=True, separators=(",", ":")), resource.urn
                found += 1
    assert found


def test_every_core_manifest_is_valid_to_the_letter(alternative):
    for manifest in alternative.known.manifests:
        if manifest.content["apiVersion"].partition("/")[0] in ("v1", "apps", "policy", "storage.k8s.io", "batch"):
            kubernetes_validate.validate(manifest.content, "1.35", strict=True)


def test_every_kubernetes_object_is_a_manifest(alternative):
    """What is none is neither rendered nor shown to the API server of `make test-cluster`."""
    objects = [
        (r.inputs["kind"], r.outputs["metadata"]["name"])
        for r in alternative.known.resources
        if r.type.startswith("kubernetes:") and not r.type.startswith("kubernetes:helm.sh/")
    ]
    assert sorted(objects) == sorted((manifest.kind, manifest.name) for manifest in alternative.known.manifests)


def test_every_image_is_pinned(alternative):
    for manifest in alternative.known.manifests:
        for container in _containers(manifest.content):
            name, _, tag = container["image"].rpartition("/")[2].partition(":")
            assert tag, f"{name} has neither tag nor digest"
            assert tag != "latest"


def _containers(manifest: dict[str, Any]) -> list[dict[str, Any]]:
    return manifest["spec"]["template"]["spec"]["containers"] if manifest["kind"] == "Deployment" else []


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, member in value.items():
            yield str(key)
            yield from _texts(member)
    elif isinstance(value, list):
        for member in value:
            yield from _texts(member)


def _statements(deployed) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for resource in deployed.resources:
        for text in _texts(resource.inputs):
            if '"Statement"' in text:
                for statement in json.loads(text)["Statement"]:
                    yield resource.urn, resource.type, statement


def _is_taggable(resource_type: str) -> bool:
    _, module, name = resource_type.split(":")
    namespace = module.partition("/")[0]
    resource_class = getattr(importlib.import_module(f"pulumi_aws.{namespace}"), name)
    return "tags" in inspect.signature(resource_class._internal_init).parameters


@pytest.mark.parametrize(
    ("resource_type", "taggable"), [("aws:sqs/queue:Queue", True), ("aws:sqs/queuePolicy:QueuePolicy", False)]
)
def test_what_is_taggable_is_told_by_the_provider(resource_type, taggable):
    assert _is_taggable(resource_type) is taggable
