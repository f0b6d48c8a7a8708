"""Kubernetes objects as kubectl would take them: validated strictly, and written one a file."""

import functools
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import kubernetes_validate
import yaml
from kubernetes_validate import utils as schemas

from vodstack_platform.embedded.errors import ManifestError

KUBERNETES_VERSION: Final = "1.34"
_GENERATED: Final = "# Written by `make render`. Edit the Pulumi program instead.\n"
_TYPE: Final = re.compile(r"kubernetes:(?P<api_version>[^:]+):(?P<kind>[A-Za-z0-9]+)")
_FIRST: Final = ("apiVersion", "kind", "metadata")
_UNSAFE: Final = re.compile(r"[^A-Za-z0-9.-]+")

# Every validation would parse the same megabytes of JSON again.
schemas.schema_contents = functools.cache(schemas.schema_contents)


@dataclass(frozen=True)
class Manifest:
    """One Kubernetes object."""

    content: Mapping[str, Any] = field(repr=False)

    @property
    def kind(self) -> str:
        return str(self.content["kind"])

    @property
    def name(self) -> str:
        return str(self.content["metadata"]["name"])

    @property
    def namespace(self) -> str:
        return str(self.content["metadata"].get("namespace") or "")

    @property
    def path(self) -> str:
        """Where `render` writes it: its namespace's folder, its kind, its name."""
        name = _UNSAFE.sub("-", f"{self.kind.lower()}-{self.name}")
        return f"{_UNSAFE.sub('-', self.namespace) or 'cluster'}/{name}.yaml"


def is_core_type(resource_type: str) -> bool:
    """Whether `resource_type` is a Pulumi token of a kind that Kubernetes itself defines."""
    parts = _TYPE.fullmatch(resource_type)
    if not parts:
        return False
    try:
        _schema_of(_api_version(parts["api_version"]), parts["kind"])
    except kubernetes_validate.SchemaNotFoundError:
        return False
    return True


def validate_manifest(content: Mapping[str, Any], origin: str) -> None:
    """Hold a core object against its schema, unknown fields included. Raises ManifestError, which names `origin`."""
    try:
        kubernetes_validate.validate(dict(content), KUBERNETES_VERSION, strict=True)
    except kubernetes_validate.SchemaNotFoundError:
        return
    except kubernetes_validate.ValidationError as error:
        place = ".".join(str(step) for step in error.absolute_path) or "the object"
        raise ManifestError(f"{origin}: {place}: {error.message}") from error


def manifest_of(resource_type: str, outputs: Mapping[str, Any]) -> Manifest | None:
    """The object that a Kubernetes resource stands for; None for other resources and for Helm releases."""
    if not _TYPE.fullmatch(resource_type) or not {"apiVersion", "kind"} <= outputs.keys():
        return None
    ordered = {key: outputs[key] for key in _FIRST if key in outputs}
    return Manifest(ordered | {key: value for key, value in outputs.items() if key not in _FIRST and key != "status"})


def write_manifests(manifests: Iterable[Manifest], directory: Path) -> list[Path]:
    """Write them below `directory`; files that a run before this one wrote and this one does not are removed."""
    texts: dict[Path, str] = {}
    for manifest in manifests:
        path = directory / manifest.path
        if path in texts:
            raise ManifestError(f"two objects would be written to {path}: give one of them another name")
        texts[path] = _GENERATED + yaml.safe_dump(
            dict(manifest.content), sort_keys=False, allow_unicode=True, width=1000
        )
    for path, text in texts.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    for stale in set(directory.rglob("*.yaml")) - texts.keys():
        if stale.read_text(encoding="utf-8").startswith(_GENERATED):
            stale.unlink()
    return list(texts)


def _api_version(version: str) -> str:
    return version.removeprefix("core/")


@functools.cache
def _schema_of(api_version: str, kind: str) -> None:
    probe = {"apiVersion": api_version, "kind": kind}
    try:
        kubernetes_validate.validate(probe, KUBERNETES_VERSION, strict=True)
    except kubernetes_validate.ValidationError:
        return
