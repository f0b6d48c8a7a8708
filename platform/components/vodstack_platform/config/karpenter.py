from typing import Annotated

from pydantic import Field, model_validator

from vodstack_platform.config.section import Section

# With fewer types to choose from, spot capacity of all of them runs out at once.
FEWEST_TYPES = 15

GravitonFamily = Annotated[str, Field(pattern=r"^[a-z]+[0-9]+g[a-z]*$")]
InstanceSize = Annotated[str, Field(pattern=r"^(medium|large|[0-9]*xlarge)$")]


class KarpenterSettings(Section):
    """Nodes as pods need them, made and removed by Karpenter: Graviton spot first, on demand where there is none."""

    instance_families: Annotated[tuple[GravitonFamily, ...], Field(min_length=1)] = (
        "c6g",
        "c7g",
        "c8g",
        "m6g",
        "m7g",
        "m8g",
        "r6g",
        "r7g",
        "r8g",
    )
    """Graviton families that it may choose from."""
    instance_sizes: Annotated[tuple[InstanceSize, ...], Field(min_length=1)] = ("large", "xlarge", "2xlarge", "4xlarge")
    """Sizes of those families. Families times sizes make at least 15 types."""
    max_cpu: Annotated[int, Field(ge=2, le=10_000)] = 64
    """Cores of all its nodes together, at most: the end of what it may spend."""
    max_memory_gib: Annotated[int, Field(ge=4, le=100_000)] = 256
    """Memory of all its nodes together in GiB, at most."""
    disk_size_gib: Annotated[int, Field(ge=20, le=16_384)] = 100
    """Data disk of a node in GiB: images, logs, and the workers' scratch."""
    bottlerocket_version: Annotated[str, Field(pattern=r"^[0-9]+\.[0-9]+\.[0-9]+$")] = "1.66.0"
    """Bottlerocket of its nodes. A changed version replaces them one after the other."""
    expire_after_hours: Annotated[int, Field(ge=1, le=8760)] = 720
    """Hours after which a node is replaced by a fresh one."""
    termination_grace_minutes: Annotated[int, Field(ge=5, le=1440)] = 60
    """Minutes that a leaving node waits for its pods, those at work included. A spot node that is taken has two."""

    @model_validator(mode="after")
    def _there_are_types_enough(self) -> "KarpenterSettings":
        types = len(set(self.instance_families)) * len(set(self.instance_sizes))
        if types < FEWEST_TYPES:
            raise ValueError(
                f"instanceFamilies and instanceSizes make {types} types: name at least {FEWEST_TYPES}, "
                "or spot capacity runs out in all of them at once"
            )
        return self
