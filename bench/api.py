"""`make bench ONLY=api`: how fast the API shows and takes videos, beside a peer in the same run.

Each pair measures ours and the peer one after the other, in turns, so that what else the machine does befalls both.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

from backends import ANSWERS_PORT, Backend, fast_backend
from issuer import SUBJECT, Issuer, issuing
from observed import get, listener, processor_seconds, run_service, say

PEER = "peers.fastapi_service"
WAIT_SECONDS = 600


@dataclass(frozen=True)
class Service:
    """Something to measure; the process of a peer that others started may be hidden from us."""

    name: str
    url: str
    pid: int | None = None


@dataclass(frozen=True)
class Load:
    """What is asked of each of the services, the last of which is the peer, and how its result is told."""

    title: str
    arguments: tuple[str, ...]
    services: tuple[Service, ...]
    unit: str
    factor: float = 1.0


@dataclass
class Figures:
    """One service's, a pair after another."""

    rates: list[float] = field(default_factory=list[float])
    milliseconds: list[float] = field(default_factory=list[float])


@dataclass(frozen=True)
class Scale:
    """How much is measured."""

    pairs: int
    seconds: str
    large_mib: int


FULL = Scale(pairs=5, seconds="3", large_mib=512)
QUICK = Scale(pairs=2, seconds="1", large_mib=64)


def main() -> int:
    if not sys.platform.startswith("linux"):
        say("This reads /proc: run it on Linux.")
        return 2
    scale = QUICK if os.environ.get("BENCH_QUICK") else FULL
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peer", metavar="URL", help="a service of the same API that you start, in place of FastAPI's")
    parser.add_argument("--pairs", type=int, default=scale.pairs)
    arguments = parser.parse_args()
    with TemporaryDirectory(prefix="vodstack-bench-") as folder, issuing() as issuer, fast_backend(SUBJECT) as backend:
        os.environ["BENCH_TOKEN"] = issuer.token
        with _services(backend, issuer, Path(folder), arguments.peer) as services:
            say(f"S3 behind both: {backend.s3_name}. DynamoDB: fixed answers. Tokens, metrics and log lines: on.")
            _tell_ceiling(backend, scale)
            loads = _loads(services, scale)
            for load in loads:
                _warm_up(load, backend)
            for load in loads:
                _report(load, _measure(load, arguments.pairs, backend))
    return 0


@contextmanager
def _services(
    backend: Backend, issuer: Issuer, folder: Path, peer: str | None
) -> Generator[tuple[Service, Service, Service]]:
    """Ours without its cache and with it, and the peer: one process each."""
    environment = {**backend.environment, **issuer.environment, "PORT": "0", "VODSTACK_MAX_UPLOADS": "64"}
    with ExitStack() as stack:
        found: list[Service] = []
        for name, module, cache_seconds in (
            ("ours", "vodstack_app", "0"),
            ("ours, cached", "vodstack_app", "1"),
            *([] if peer else [("FastAPI", PEER, "")]),
        ):
            changed = {**environment, "VODSTACK_RECORD_CACHE_SECONDS": cache_seconds}
            process = stack.enter_context(run_service(module, changed, folder, name=f"service-{len(found)}"))
            found.append(Service(name, f"http://127.0.0.1:{process.port(ANSWERS_PORT)}", process.pid))
        if peer:
            _await_peer(peer, backend, issuer)
            found.append(Service("the peer", peer, listener(_port(peer))))
        ours, cached, other = found
        yield ours, cached, other


def _await_peer(url: str, backend: Backend, issuer: Issuer) -> None:
    """Say what the peer needs to know, and wait until it answers anything at all."""
    say(f"Start the peer at {url} with this environment (it gets tokens of the issuer named, and may pass over them):")
    for name, value in sorted({**backend.environment, **issuer.environment}.items()):
        say(f"  export {name}={value}")
    deadline = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline:
        try:
            get(_port(url), "/")
        except OSError:
            time.sleep(0.5)
        else:
            return
    raise SystemExit(f"Nothing answers at {url}.")


def _port(url: str) -> int:
    return urlsplit(url).port or 80


def _loads(services: tuple[Service, Service, Service], scale: Scale) -> list[Load]:
    ours, cached, peer = services
    looks = ("get", "--seconds", scale.seconds)
    small = ("upload", "--connections", "8", "--seconds", scale.seconds)
    large = ("upload", "--connections", "1", "--requests", "1", "--seconds", "600", "--mib", str(scale.large_mib))
    return [
        Load("GET of one video, 1,000 in turn, 32 connections", looks, (ours, cached, peer), "requests/s"),
        Load("GET of one video, always the same", (*looks, "--ids", "1"), (ours, cached, peer), "requests/s"),
        Load("Upload of 1 MiB, 8 connections", small, (ours, peer), "uploads/s"),
        Load(f"Upload of {scale.large_mib} MiB", large, (ours, peer), "MiB/s", scale.large_mib),
    ]


def _tell_ceiling(backend: Backend, scale: Scale) -> None:
    count, seconds = _generate(("get", "--seconds", scale.seconds), backend.environment["AWS_ENDPOINT_URL"])
    say(f"The load generator, against a server that does nothing: {count / seconds:,.0f} requests/s.")


def _generate(arguments: tuple[str, ...], url: str) -> tuple[int, float]:
    """How many requests were answered, and in what time. Raises RuntimeError where one went wrong."""
    what, *rest = arguments
    command = [sys.executable, "-m", "load", what, url, *rest]
    result = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    if result["faults"]:
        raise RuntimeError(f"{url}: {result['faults']}")
    return result["count"], result["seconds"]


def _warm_up(load: Load, backend: Backend) -> None:
    for service in load.services:
        what, *_ = load.arguments
        _generate((what, "--requests", "20", "--connections", "4"), service.url)
    backend.forget_objects()


def _measure(load: Load, pairs: int, backend: Backend) -> dict[str, Figures]:
    figures = {service.name: Figures() for service in load.services}
    for pair in range(pairs):
        for service in load.services if pair % 2 == 0 else reversed(load.services):
            used = processor_seconds(service.pid) if service.pid else 0.0
            count, seconds = _generate(load.arguments, service.url)
            figures[service.name].rates.append(count * load.factor / seconds)
            if service.pid:
                spent = processor_seconds(service.pid) - used
                figures[service.name].milliseconds.append(1000 * spent / count)
            backend.forget_objects()
    return figures


def _report(load: Load, figures: dict[str, Figures]) -> None:
    peer = figures[load.services[-1].name]
    say(f"\n{load.title}: median [range] of {len(peer.rates)}")
    say(f"{'':>14} {load.unit:>22} {'CPU ms each':>22} {'times the peer':>19} {'the same by CPU':>19}")
    for name, own in figures.items():
        line = f"{name:>14} {_spread(own.rates, 0):>22} {_spread(own.milliseconds, 2):>22}"
        if own is not peer:
            line += f" {_spread(_ratios(own.rates, peer.rates), 2):>19}"
            line += f" {_spread(_ratios(peer.milliseconds, own.milliseconds), 2):>19}"
        say(line)


def _ratios(ours: list[float], others: list[float]) -> list[float]:
    """Pair by pair; none where one of the two is not known."""
    return [one / other for one, other in zip(ours, others, strict=False)]


def _spread(values: list[float], digits: int) -> str:
    if not values:
        return "-"
    low, middle, high = min(values), statistics.median(values), max(values)
    return f"{middle:,.{digits}f} [{low:,.{digits}f}-{high:,.{digits}f}]"


if __name__ == "__main__":
    sys.exit(main())
