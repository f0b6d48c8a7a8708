from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from vodstack_contracts import metrics as names

_DURATION_BUCKETS_SECONDS = (1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200, 14400)


class Metrics:
    """The worker's figures, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.processing = Histogram(
            names.WORKER_PROCESSING_DURATION,
            "Time at work on a video, idle not counted",
            buckets=_DURATION_BUCKETS_SECONDS,
            registry=self.registry,
        )
        self.errors = Counter(names.WORKER_ERRORS, "Errors of any kind", registry=self.registry)
        self.in_flight = Gauge(names.WORKER_JOBS_IN_FLIGHT, "Videos being processed now", registry=self.registry)
        self.jobs = Counter(names.WORKER_JOBS, "Messages handled, by outcome", ["outcome"], registry=self.registry)
        self.stages = Histogram(
            names.WORKER_STAGE_DURATION,
            "Time of one stage of a video",
            ["stage"],
            buckets=_DURATION_BUCKETS_SECONDS,
            registry=self.registry,
        )
        self.heartbeats_lost = Counter(
            names.WORKER_HEARTBEATS_LOST, "Jobs stopped because their lease was lost", registry=self.registry
        )
        self.resent = Counter(
            names.WORKER_ARRIVALS_RESENT, "Arrivals of forgotten videos that were sent again", registry=self.registry
        )
