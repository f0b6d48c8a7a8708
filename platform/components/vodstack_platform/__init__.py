"""Components for Pulumi programs that are not ours: docs/library.md.

Each is imported when it is first asked for: the emulator and the policy pack's rules are modules of this package, and
do without Pulumi.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vodstack_platform.config.alarms import AlarmSettings
    from vodstack_platform.config.foundation import BucketSettings, KeySettings, QueueSettings, TableSettings
    from vodstack_platform.config.services import ResourceSettings, WorkerScalingSettings, WorkerSettings
    from vodstack_platform.image_registry import ImageRegistry, ImageRegistryArgs
    from vodstack_platform.service_namespace import ServiceNamespace, ServiceNamespaceArgs
    from vodstack_platform.video_data import VideoData, VideoDataArgs
    from vodstack_platform.video_worker import VideoWorker, VideoWorkerArgs

__all__ = [
    "AlarmSettings",
    "BucketSettings",
    "ImageRegistry",
    "ImageRegistryArgs",
    "KeySettings",
    "QueueSettings",
    "ResourceSettings",
    "ServiceNamespace",
    "ServiceNamespaceArgs",
    "TableSettings",
    "VideoData",
    "VideoDataArgs",
    "VideoWorker",
    "VideoWorkerArgs",
    "WorkerScalingSettings",
    "WorkerSettings",
]

_HOMES = {
    "AlarmSettings": "config.alarms",
    "BucketSettings": "config.foundation",
    "ImageRegistry": "image_registry",
    "ImageRegistryArgs": "image_registry",
    "KeySettings": "config.foundation",
    "QueueSettings": "config.foundation",
    "ResourceSettings": "config.services",
    "ServiceNamespace": "service_namespace",
    "ServiceNamespaceArgs": "service_namespace",
    "TableSettings": "config.foundation",
    "VideoData": "video_data",
    "VideoDataArgs": "video_data",
    "VideoWorker": "video_worker",
    "VideoWorkerArgs": "video_worker",
    "WorkerScalingSettings": "config.services",
    "WorkerSettings": "config.services",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
