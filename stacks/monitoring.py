from vodstack_platform.config.monitoring import MonitoringSettings


def build(settings: MonitoringSettings) -> None:
    """The layer's place; its resources come next."""
    del settings
