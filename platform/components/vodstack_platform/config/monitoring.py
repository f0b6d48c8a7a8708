from typing import Annotated

from pydantic import Field

from vodstack_platform.config.section import Section
from vodstack_platform.config.services import DnsLabel, Quantity

Days = Annotated[int, Field(ge=1, le=365)]
Gibibytes = Annotated[int, Field(ge=1, le=16_384)]


class PrometheusSettings(Section):
    """How much Prometheus keeps, and what it gets."""

    retention_days: Days = 15
    """Days that samples are kept, unless the volume fills up before."""
    volume_gib: Annotated[int, Field(ge=5, le=16_384)] = 20
    """Size of its volume in GiB. Samples may fill nine tenths of it."""
    cpu: Quantity = "200m"
    """CPU requested."""
    memory: Quantity = "640Mi"
    """Memory requested, which is the limit as well."""


class MonitoringSettings(Section):
    """Prometheus, Alertmanager and Grafana."""

    namespace: DnsLabel = "monitoring"
    """Kubernetes namespace of all three."""
    prometheus: PrometheusSettings = PrometheusSettings()
    """Prometheus."""
    grafana_volume_gib: Gibibytes = 2
    """Size of Grafana's volume in GiB."""
    alertmanager_volume_gib: Gibibytes = 1
    """Size of Alertmanager's volume in GiB."""
    timeout_seconds: Annotated[int, Field(ge=300, le=3600)] = 900
    """Seconds that the chart gets to be installed. Volumes and spot nodes take their time."""
