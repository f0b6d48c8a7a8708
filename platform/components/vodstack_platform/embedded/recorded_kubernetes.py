"""Kubernetes objects and Helm releases: kept as the API server would take them, with names where none was given."""

from typing import Any, Final, cast

from vodstack_platform.embedded.creation import Creation, Outputs
from vodstack_platform.embedded.manifests import is_core_type, validate_manifest

_PREFIX: Final = "kubernetes:"
_HELM: Final = ("kubernetes:helm.sh/v3:Release", "kubernetes:helm.sh/v4:Chart")
# Groups of the operators that vodstack installs or works with.
CUSTOM_GROUPS: Final = frozenset(
    {
        "argoproj.io",
        "elbv2.k8s.aws",
        "external-secrets.io",
        "karpenter.k8s.aws",
        "karpenter.sh",
        "keda.sh",
        "monitoring.coreos.com",
    }
)


def is_kubernetes(resource_type: str) -> bool:
    """Whether this is a Kubernetes type that the engine knows."""
    if not resource_type.startswith(_PREFIX):
        return False
    group = resource_type.removeprefix(_PREFIX).partition("/")[0]
    return resource_type in _HELM or group in CUSTOM_GROUPS or is_core_type(resource_type)


def kubernetes_outputs(creation: Creation) -> Outputs:
    """Raises ManifestError for an object that its schema refuses."""
    if creation.type in _HELM:
        return _release(creation)
    metadata = dict(cast("dict[str, Any]", creation.inputs.get("metadata") or {}))
    metadata.setdefault("name", f"{creation.name}-{creation.suffix}")
    validate_manifest({**creation.inputs, "metadata": metadata}, creation.urn)
    namespace = metadata.get("namespace")
    return {"id": f"{namespace}/{metadata['name']}" if namespace else metadata["name"], "metadata": metadata}


def _release(creation: Creation) -> Outputs:
    name = creation.physical_name()
    namespace = creation.inputs.get("namespace") or "default"
    status = {
        "name": name,
        "namespace": namespace,
        "chart": creation.inputs.get("chart"),
        "version": creation.inputs.get("version"),
        "status": "deployed",
        "revision": 1,
    }
    return {"id": f"{namespace}/{name}", "name": name, "namespace": namespace, "status": status}
