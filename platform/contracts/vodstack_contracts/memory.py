"""How a worker's memory is shared out: the platform sets by it what the worker would choose by itself."""

MIB = 1024**2
# Measured, in ADR 19: the process itself, and what it holds of a video beside the tools, parts of an MP4 above all.
_WORKER_BYTES = 160 * MIB
_JOB_BYTES = 96 * MIB
# One thread for a picture of 1920x1080 in 10 bits, HDR among them.
LEAST_MEDIA_BYTES = 640 * MIB


def media_bytes(memory_bytes: int, jobs: int) -> int:
    """What one video's media tools may take where the worker has so much in all; not more than 0 for far too little."""
    return (memory_bytes - _WORKER_BYTES) // jobs - _JOB_BYTES


def least_memory_bytes(jobs: int) -> int:
    """The least that a worker needs in all, for so many videos at a time."""
    return _WORKER_BYTES + jobs * (_JOB_BYTES + LEAST_MEDIA_BYTES)
