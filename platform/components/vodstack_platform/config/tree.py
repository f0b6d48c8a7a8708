from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated

from pydantic import Field, model_validator

from vodstack_platform.config.cluster import ClusterSettings
from vodstack_platform.config.foundation import FoundationSettings
from vodstack_platform.config.monitoring import MonitoringSettings
from vodstack_platform.config.section import Section
from vodstack_platform.config.services import ServicesSettings


class LayerName(StrEnum):
    """The layers in the order in which they are built."""

    FOUNDATION = "foundation"
    CLUSTER = "cluster"
    MONITORING = "monitoring"
    SERVICES = "services"


REQUIRED_LAYERS: Mapping[LayerName, tuple[LayerName, ...]] = {
    LayerName.FOUNDATION: (),
    LayerName.CLUSTER: (LayerName.FOUNDATION,),
    LayerName.MONITORING: (LayerName.CLUSTER,),
    LayerName.SERVICES: (LayerName.FOUNDATION, LayerName.CLUSTER),
}

StackName = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]+/[A-Za-z0-9._-]+/[A-Za-z0-9._-]+$")]


class AwsSettings(Section):
    """How AWS is reached, beyond `aws:region`."""

    endpoint: Annotated[str, Field(pattern=r"^https?://[^\s/]+$")] | None = None
    """Address of an AWS emulator that takes every call; its throw-away credentials are `test`. Unset for AWS itself."""


class StackSettings(Section):
    """The whole config of a stack, namespace `vodstack`."""

    layers: Annotated[tuple[LayerName, ...], Field(min_length=1)] = tuple(LayerName)
    """Layers that this stack holds."""
    references: Mapping[LayerName, StackName] = {}
    """Stacks that hold the layers this one needs and does not hold, as `organization/project/stack`."""
    tags: Mapping[str, str] = {}
    """AWS tags on every resource, beside `project`, `stack` and `managed-by`."""
    aws: AwsSettings = AwsSettings()
    """How AWS is reached."""
    foundation: FoundationSettings = FoundationSettings()
    """The layer that holds data, and the network."""
    cluster: ClusterSettings = ClusterSettings()
    """The layer of the Kubernetes cluster."""
    monitoring: MonitoringSettings = MonitoringSettings()
    """The layer of metrics, dashboards and alerts."""
    services: ServicesSettings = ServicesSettings()
    """The layer of the API and the worker."""

    @model_validator(mode="after")
    def _layers_are_complete(self) -> "StackSettings":
        if len(set(self.layers)) != len(self.layers):
            raise ValueError("layers names a layer twice")
        for layer in self.layers:
            for needed in REQUIRED_LAYERS[layer]:
                if not self._has(needed):
                    raise ValueError(_missing_layer(layer, needed))
        if self.cluster.existing and LayerName.CLUSTER in self.layers:
            raise ValueError("cluster.existing names a cluster, yet layers asks to make one: drop one of the two")
        both = {LayerName.CLUSTER, LayerName.FOUNDATION} <= set(self.layers)
        if both and self.foundation.network.mode == "none":
            raise ValueError("layer cluster needs a network: foundation.network.mode must be create or existing")
        return self

    @model_validator(mode="after")
    def _services_can_start(self) -> "StackSettings":
        if LayerName.SERVICES not in self.layers:
            return self
        images = self.services.images
        if not (images.tag or images.build or (images.api and images.worker)):
            raise ValueError("services.images needs a tag, build, or references for both api and worker")
        if self.services.auth is None:
            raise ValueError(
                "services.auth is not given: say oidc or cognito, or none, in so many words, to let everyone in"
            )
        if self.services.auth == "cognito" and LayerName.FOUNDATION in self.layers and not self.foundation.cognito:
            raise ValueError("services.auth is cognito, yet there is no pool: set foundation.cognito ({} will do)")
        return self

    def _has(self, layer: LayerName) -> bool:
        existing = layer is LayerName.CLUSTER and self.cluster.existing is not None
        return layer in self.layers or layer in self.references or existing


def _missing_layer(layer: LayerName, needed: LayerName) -> str:
    existing = ", or name a cluster of yours in cluster.existing" if needed is LayerName.CLUSTER else ""
    return (
        f"layer {layer} needs {needed}: add {needed} to layers, or name the stack that holds it "
        f"in references.{needed} (organization/project/stack){existing}"
    )
