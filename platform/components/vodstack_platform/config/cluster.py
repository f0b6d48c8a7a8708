from typing import Annotated

from pydantic import Field

from vodstack_platform.config.section import Section


class ExistingClusterSettings(Section):
    """A cluster of the user's own."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,99}$")]
    """Name of the cluster. For EKS, its EKS name: pod identities are tied to it."""
    kubeconfig: str | None = Field(default=None, repr=False)
    """Kubeconfig document. Secret. Without it, the context called `name` in your own kubeconfig is used."""


class ClusterSettings(Section):
    """The Kubernetes cluster."""

    existing: ExistingClusterSettings | None = None
    """A cluster that vodstack did not make and uses for the services."""
