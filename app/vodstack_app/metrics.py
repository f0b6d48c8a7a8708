"""What Prometheus scrapes. One registry an app, so that two apps in a process never mix their figures."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, PlatformCollector, ProcessCollector

from vodstack_contracts import metrics as names

REQUEST_LABELS = ("path", "method", "status")
# Uploads take minutes: the library's own buckets end at ten seconds.
DURATION_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900)


class Metrics:
    """The API's metrics."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        self.requests = Counter(names.HTTP_REQUESTS, "Requests answered.", REQUEST_LABELS, registry=self.registry)
        self.request_duration = Histogram(
            names.HTTP_REQUEST_DURATION,
            "Seconds from a request's first byte to the end of its answer.",
            REQUEST_LABELS,
            registry=self.registry,
            buckets=DURATION_BUCKETS,
        )
        self.uploads_in_flight = Gauge(names.UPLOADS_IN_FLIGHT, "Uploads being received.", registry=self.registry)
        self.upload_bytes = Counter(
            names.UPLOAD_BYTES, "Bytes of originals handed to the bucket.", registry=self.registry
        )
