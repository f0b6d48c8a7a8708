from vodstack_platform.config.section import Section


class MonitoringSettings(Section):
    """Prometheus, Alertmanager and Grafana."""
