"""What Prometheus scrapes. One registry an app, so that two apps in a process never mix their figures."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, PlatformCollector, ProcessCollector

from vodstack_contracts import metrics as names

REQUEST_LABELS = ("path", "method", "status")
# Uploads take minutes: the library's own buckets end at ten seconds.
DURATION_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900)
# `process` and `address`: too many of them; `unread`: the client does not read its answers.
REFUSAL_LABELS = ("reason",)
REFUSAL_REASONS = ("process", "address", "unread")
UPLOAD_LABELS = ("way",)
SIZE_BUCKETS = tuple(4**step * 1024 * 1024 for step in range(9))


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
        self.requests_in_flight = Gauge(
            names.HTTP_REQUESTS_IN_FLIGHT, "Requests being answered.", registry=self.registry
        )
        self.connections_open = Gauge(names.CONNECTIONS_OPEN, "Connections that are open.", registry=self.registry)
        self.connections_refused = Counter(
            names.CONNECTIONS_REFUSED, "Connections refused or cut off.", REFUSAL_LABELS, registry=self.registry
        )
        # Whatever is counted is there from the start, at 0: to Prometheus, what first appears at 1 has not increased.
        for reason in REFUSAL_REASONS:
            self.connections_refused.labels(reason)
        self.upload_size = Histogram(
            names.UPLOAD_SIZE,
            "Bytes of an upload that became a video.",
            UPLOAD_LABELS,
            registry=self.registry,
            buckets=SIZE_BUCKETS,
        )
        self.upload_duration = Histogram(
            names.UPLOAD_DURATION,
            "Seconds from an upload's start to its completion.",
            UPLOAD_LABELS,
            registry=self.registry,
            buckets=DURATION_BUCKETS,
        )
        self.uploads_in_flight = Gauge(names.UPLOADS_IN_FLIGHT, "Uploads being received.", registry=self.registry)
        self.upload_bytes = Counter(
            names.UPLOAD_BYTES, "Bytes of originals handed to the bucket.", registry=self.registry
        )

    def note_upload(self, way: str, size_bytes: int, seconds: float) -> None:
        """An upload has become a video."""
        self.upload_size.labels(way).observe(size_bytes)
        self.upload_duration.labels(way).observe(seconds)
