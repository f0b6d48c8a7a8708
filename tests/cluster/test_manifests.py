"""Every manifest of every config alternative before a real API server, strictly validated, nothing stored.

Run by `make test-cluster`: the first run builds the server, which takes minutes.
"""

import copy
import importlib.util
import os
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

HERE = Path(__file__).parent
NAMESPACE = "vodstack"
BUILD_SECONDS = 1800

pytestmark = [
    pytest.mark.timeout(BUILD_SECONDS),
    pytest.mark.skipif("TEST_CLUSTER" not in os.environ, reason="run by `make test-cluster`"),
]


def _load(name: str, path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


control_plane = _load("control_plane", HERE / "control_plane.py")
stacks = _load("stack_alternatives", HERE.parent / "stacks" / "conftest.py")


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory):
    if reason := control_plane.missing_go():
        pytest.skip(reason)
    with control_plane.running_api_server(control_plane.build(), tmp_path_factory.mktemp("cluster")) as server:
        for group in control_plane.DEFINITIONS:
            for definition in control_plane.definitions_of(group):
                verdict = server.apply(definition, dry_run=False)
                assert verdict.status < 400, verdict.message
        yield server


def manifests_of(name: str) -> list[dict[str, Any]]:
    return [dict(manifest.content) for manifest in stacks.ALTERNATIVES[name].known.manifests]


@pytest.fixture(scope="module")
def namespaces(api) -> None:
    """The namespaces themselves are made, for everything else has to lie in one."""
    for name in stacks.ALTERNATIVES:
        for content in manifests_of(name):
            if content["kind"] == "Namespace":
                assert api.apply(content, dry_run=False).accepted


def pod_of(deployment: dict[str, Any]) -> dict[str, Any]:
    """The pod that a Deployment would start: pod security judges pods, and only warns of templates."""
    template = copy.deepcopy(deployment["spec"]["template"])
    metadata = template.get("metadata", {}) | {"name": "probe", "namespace": deployment["metadata"]["namespace"]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]}


def one(kind: str) -> dict[str, Any]:
    everything = manifests_of("dev with all that it leaves out")
    return copy.deepcopy(next(content for content in everything if content["kind"] == kind))


@pytest.mark.parametrize("name", sorted(stacks.ALTERNATIVES))
def test_every_manifest_is_accepted(api, namespaces, name):
    contents = manifests_of(name)
    contents += [pod_of(content) for content in contents if content["kind"] == "Deployment"]
    refused = {
        f"{content['kind']} {content['metadata']['name']}": verdict
        for content in contents
        if not (verdict := api.apply(content, dry_run=True)).accepted
    }
    assert not refused


@pytest.mark.parametrize(
    ("kind", "field"),
    [
        ("Deployment", "selector"),
        ("EC2NodeClass", "metadataOptions"),
        ("Ingress", "rules"),
        ("IngressClassParams", "scheme"),
        ("NodePool", "limits"),
        ("PodMonitor", "selector"),
        ("ScaledObject", "triggers"),
    ],
)
def test_a_misspelt_field_is_refused(api, namespaces, kind, field):
    content = one(kind)
    content["spec"][f"{field}k"] = content["spec"].pop(field)
    verdict = api.apply(content, dry_run=True)
    assert not verdict.accepted
    assert f".spec.{field}k: field not declared in schema" in verdict.message


def test_karpenter_is_asked_what_its_nodes_may_be_like(api, namespaces):
    node_class, pool = one("EC2NodeClass"), one("NodePool")
    node_class["spec"]["amiSelectorTerms"] = [{"alias": "bottlerocket"}]
    assert "'alias' is improperly formatted" in api.apply(node_class, dry_run=True).message
    pool["spec"]["template"]["spec"]["requirements"][0]["key"] = "karpenter.sh/colour"
    assert "is restricted" in api.apply(pool, dry_run=True).message


def test_the_restricted_pod_security_standard_is_enforced_on_our_namespace(api, namespaces):
    pod = pod_of(one("Deployment"))
    assert pod["metadata"]["namespace"] == NAMESPACE
    pod["spec"]["containers"][0]["securityContext"]["allowPrivilegeEscalation"] = True
    verdict = api.apply(pod, dry_run=True)
    assert verdict.status == 403
    assert "restricted" in verdict.message


def test_nothing_was_stored(api, namespaces):
    assert api.serves("apps/v1", "Deployment")
    listed = api._client.get(f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments").json()
    assert listed["items"] == []
