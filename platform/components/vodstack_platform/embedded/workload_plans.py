"""Deployments as plans for local processes: what a kubelet would read out of them, and no more.

`preStop` sleeps are left out: here no load balancer needs time to notice.
"""

import base64
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Final, cast

from vodstack_platform.embedded.emulator import LOOPBACK
from vodstack_platform.embedded.errors import ManifestError
from vodstack_platform.embedded.manifests import Manifest
from vodstack_platform.embedded.probes import Probe, probe_of

EntryPoints = Mapping[str, Sequence[str]]

ENTRY_POINTS: Final[EntryPoints] = MappingProxyType(
    {
        "api": (sys.executable, "-P", "-m", "vodstack_app"),
        "video-processor": (sys.executable, "-P", "-m", "vodstack_worker"),
    }
)
"""An image's last path part, without tag or digest, names the program inside."""

_DEFAULT_GRACE_SECONDS: Final = 30


@dataclass(frozen=True, kw_only=True)
class ContainerPlan:
    """One process. `mounts` maps the path of an emptyDir to the name of its volume."""

    name: str
    namespace: str
    service_account: str
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(repr=False)
    ports: Mapping[str, int]
    mounts: Mapping[str, str]
    startup: Probe | None
    readiness: Probe | None
    liveness: Probe | None
    grace_seconds: float


@dataclass(frozen=True)
class Plans:
    """`notes` says what runs otherwise here than in a cluster."""

    containers: tuple[ContainerPlan, ...]
    notes: tuple[str, ...]


def plan_workloads(manifests: Sequence[Manifest], entry_points: EntryPoints) -> Plans:
    """A plan for each container of a Deployment whose image `entry_points` knows. Raises ManifestError."""
    containers: list[ContainerPlan] = []
    notes: list[str] = []
    for deployment in (manifest for manifest in manifests if manifest.kind == "Deployment"):
        template = deployment.content["spec"]["template"]["spec"]
        for container in cast("list[dict[str, Any]]", template["containers"]):
            entry_point = entry_points.get(_program_of(container["image"]))
            if entry_point is None:
                notes.append(
                    f"{deployment.name}: the image {container['image']} is none of ours, so it does not run here"
                )
                continue
            plan = _plan(deployment, template, container, (entry_point, _Environment(manifests, deployment.namespace)))
            replicas = int(deployment.content["spec"].get("replicas", 1))
            if plan.ports and replicas > 1:
                notes.append(
                    f"{deployment.name}: 1 process in place of {replicas} replicas, for they share one address here"
                )
            containers += [plan] if plan.ports else _numbered(plan, replicas)
    return Plans(tuple(containers), tuple(notes))


def _plan(
    deployment: Manifest,
    template: Mapping[str, Any],
    container: Mapping[str, Any],
    inside: tuple[Sequence[str], "_Environment"],
) -> ContainerPlan:
    entry_point, environment = inside
    if container.get("command"):
        raise ManifestError(
            f"{deployment.name}: `command` replaces the image's entry point, which names the process here"
        )
    listed = cast("list[dict[str, Any]]", container.get("ports") or [])
    ports = {str(port.get("name") or port["containerPort"]): int(port["containerPort"]) for port in listed}
    return ContainerPlan(
        name=deployment.name,
        namespace=deployment.namespace,
        service_account=str(template.get("serviceAccountName") or "default"),
        command=(*entry_point, *cast("list[str]", container.get("args") or [])),
        environment=environment.of(container),
        ports=ports,
        mounts=_mounts(deployment, template, container),
        startup=probe_of(container, "startupProbe", ports),
        readiness=probe_of(container, "readinessProbe", ports),
        liveness=probe_of(container, "livenessProbe", ports),
        grace_seconds=float(template.get("terminationGracePeriodSeconds") or _DEFAULT_GRACE_SECONDS),
    )


def _numbered(plan: ContainerPlan, replicas: int) -> list[ContainerPlan]:
    return [replace(plan, name=f"{plan.name}-{number}") for number in range(1, replicas + 1)]


def _program_of(image: str) -> str:
    return image.partition("@")[0].rpartition("/")[2].partition(":")[0]


def _mounts(deployment: Manifest, template: Mapping[str, Any], container: Mapping[str, Any]) -> dict[str, str]:
    volumes = {volume["name"]: volume for volume in cast("list[dict[str, Any]]", template.get("volumes") or [])}
    mounts: dict[str, str] = {}
    for mount in cast("list[dict[str, Any]]", container.get("volumeMounts") or []):
        volume = volumes.get(mount["name"])
        if volume is None or "emptyDir" not in volume:
            raise ManifestError(
                f"{deployment.name}: the volume {mount['name']} is no emptyDir, the only kind made here"
            )
        mounts[str(mount["mountPath"]).rstrip("/")] = str(mount["name"])
    return mounts


class _Environment:
    """Resolves a container's variables against the ConfigMaps and Secrets of its namespace."""

    def __init__(self, manifests: Sequence[Manifest], namespace: str) -> None:
        self._held = {
            (manifest.kind, manifest.name): _data_of(manifest)
            for manifest in manifests
            if manifest.kind in {"ConfigMap", "Secret"} and manifest.namespace == namespace
        }
        self._namespace = namespace

    def of(self, container: Mapping[str, Any]) -> dict[str, str]:
        variables: dict[str, str] = {}
        for source in cast("list[dict[str, Any]]", container.get("envFrom") or []):
            prefix = str(source.get("prefix") or "")
            kind, reference = ("ConfigMap", "configMapRef") if "configMapRef" in source else ("Secret", "secretRef")
            held = self._look_up(kind, source[reference])
            variables |= {f"{prefix}{key}": value for key, value in held.items()}
        for entry in cast("list[dict[str, Any]]", container.get("env") or []):
            if (value := self._value_of(entry, container["name"])) is not None:
                variables[entry["name"]] = value
        return variables

    def _value_of(self, entry: Mapping[str, Any], container: str) -> str | None:
        source = cast("dict[str, dict[str, Any]]", entry.get("valueFrom") or {})
        if not source:
            return str(entry.get("value") or "")
        if "configMapKeyRef" in source:
            return self._key_of("ConfigMap", source["configMapKeyRef"])
        if "secretKeyRef" in source:
            return self._key_of("Secret", source["secretKeyRef"])
        fields = {"metadata.namespace": self._namespace, "metadata.name": container, "status.podIP": LOOPBACK}
        field_path = str(source.get("fieldRef", {}).get("fieldPath"))
        if field_path not in fields:
            raise ManifestError(
                f"{container}: the variable {entry['name']} comes from {source}, which has no match here"
            )
        return fields[field_path]

    def _key_of(self, kind: str, reference: Mapping[str, Any]) -> str | None:
        held = self._look_up(kind, reference)
        if reference["key"] in held:
            return held[reference["key"]]
        if reference.get("optional"):
            return None
        raise ManifestError(f"the {kind} {self._namespace}/{reference['name']} has no key {reference['key']}")

    def _look_up(self, kind: str, reference: Mapping[str, Any]) -> Mapping[str, str]:
        held = self._held.get((kind, str(reference["name"])))
        if held is None and not reference.get("optional"):
            raise ManifestError(f"there is no {kind} {self._namespace}/{reference['name']}")
        return held or {}


def _data_of(manifest: Manifest) -> dict[str, str]:
    data = cast("dict[str, str]", manifest.content.get("data") or {})
    if manifest.kind == "ConfigMap":
        return dict(data)
    decoded = {key: base64.b64decode(value).decode() for key, value in data.items()}
    return decoded | cast("dict[str, str]", manifest.content.get("stringData") or {})
