"""What a run of the program left: its outputs and every resource, to be asserted on, served and rendered."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from vodstack_platform.embedded.manifests import Manifest, manifest_of, write_manifests


class Standing(StrEnum):
    """What became of a resource: `STRUCTURE` are components and providers, which no cloud holds."""

    LIVE = "live"
    RECORDED = "recorded"
    STRUCTURE = "structure"


@dataclass(frozen=True, kw_only=True)
class Resource:
    """One registered resource. Inputs and outputs carry the provider's names (camelCase), secrets in the clear."""

    type: str
    name: str
    urn: str
    id: str
    standing: Standing
    inputs: Mapping[str, Any] = field(repr=False)
    outputs: Mapping[str, Any] = field(repr=False)
    secret_inputs: frozenset[str] = frozenset()
    parent: str = ""
    provider: str = ""
    dependencies: frozenset[str] = frozenset()
    property_dependencies: Mapping[str, frozenset[str]] = field(default_factory=dict[str, frozenset[str]])
    protect: bool = False
    retain_on_delete: bool = False
    delete_before_replace: bool = False
    ignore_changes: tuple[str, ...] = ()
    remote: bool = False


@dataclass(frozen=True, kw_only=True)
class Deployed:
    """The result of a run. In a preview, what a provider has yet to compute is `UNKNOWN`."""

    project: str
    stack: str
    region: str
    endpoint: str | None
    outputs: Mapping[str, Any] = field(repr=False)
    secret_outputs: frozenset[str]
    resources: tuple[Resource, ...]

    def of_type(self, resource_type: str) -> list[Resource]:
        """Resources of that type token, in the order of their names; `kubernetes:apps/v1:Deployment`, say."""
        return [resource for resource in self.resources if resource.type == resource_type]

    def one(self, resource_type: str, name: str | None = None) -> Resource:
        """The one resource of a type (and name, where several are). Raises LookupError."""
        found = [r for r in self.of_type(resource_type) if name is None or r.name == name]
        if len(found) != 1:
            raise LookupError(
                f"{len(found)} resources are of type {resource_type}{f' and name {name}' if name else ''}"
            )
        return found[0]

    def by_urn(self, urn: str) -> Resource:
        """Raises LookupError."""
        return next(resource for resource in self.resources if resource.urn == urn)

    @property
    def manifests(self) -> list[Manifest]:
        """Every Kubernetes object, in the order in which `render` writes them."""
        return sorted(self._manifests(), key=lambda manifest: manifest.path)

    def render(self, directory: Path) -> list[Path]:
        """Write every Kubernetes object below `directory`, one file each, and remove what an earlier run left.

        All but Secrets: the tree is meant for a repository, and that is no place for them.
        """
        return write_manifests((manifest for manifest in self.manifests if manifest.kind != "Secret"), directory)

    def summary(self) -> str:
        counts = Counter(resource.standing for resource in self.resources)
        live, recorded = counts[Standing.LIVE], counts[Standing.RECORDED]
        return f"{self.stack}: {live + recorded} resources, {live} live, {recorded} recorded"

    def _manifests(self) -> Iterator[Manifest]:
        for resource in self.resources:
            if (manifest := manifest_of(resource.type, resource.outputs)) is not None:
                yield manifest
