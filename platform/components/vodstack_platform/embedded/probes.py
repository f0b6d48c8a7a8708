"""Probes as a Deployment declares them, asked over HTTP or TCP on the loopback address."""

import asyncio
import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, cast

import httpx

from vodstack_platform.embedded.emulator import LOOPBACK
from vodstack_platform.embedded.errors import ManifestError

_KUBELET: Final = {"User-Agent": "kube-probe/1.34"}


@dataclass(frozen=True, kw_only=True)
class Probe:
    """`path` is None for a probe that only connects."""

    kind: str
    port: int
    path: str | None
    headers: Mapping[str, str]
    initial_delay_seconds: float
    period_seconds: float
    timeout_seconds: float
    failure_threshold: int
    success_threshold: int

    async def ask(self) -> str | None:
        """Why the probe fails; None when it passes."""
        try:
            async with asyncio.timeout(self.timeout_seconds):
                return await (self._connect() if self.path is None else self._get(self.path))
        except TimeoutError:
            return f"{self} took more than {self.timeout_seconds:g} s"

    def __str__(self) -> str:
        if self.path is None:
            return f"{self.kind} connection to port {self.port}"
        return f"{self.kind} GET http://{LOOPBACK}:{self.port}{self.path}"

    async def _get(self, path: str) -> str | None:
        try:
            async with httpx.AsyncClient(trust_env=False, timeout=None) as client:  # noqa: S113 - `ask` bounds it
                answer = await client.get(f"http://{LOOPBACK}:{self.port}{path}", headers={**_KUBELET, **self.headers})
        except httpx.HTTPError as error:
            return f"{self} failed: {type(error).__name__}"
        if httpx.codes.OK <= answer.status_code < httpx.codes.BAD_REQUEST:
            return None
        return f"{self} answered {answer.status_code}"

    async def _connect(self) -> str | None:
        try:
            _, writer = await asyncio.open_connection(LOOPBACK, self.port)
        except OSError as error:
            return f"{self} failed: {error.strerror}"
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
        return None


def probe_of(container: Mapping[str, Any], key: str, ports: Mapping[str, int]) -> Probe | None:
    """The probe under `key` of a container, with Kubernetes' defaults. Raises ManifestError."""
    declared = cast("dict[str, Any] | None", container.get(key))
    if not declared:
        return None
    kind = key.removesuffix("Probe")
    action = cast("dict[str, Any] | None", declared.get("httpGet") or declared.get("tcpSocket"))
    if action is None:
        raise ManifestError(
            f"{container['name']}: the {kind} probe is neither httpGet nor tcpSocket, which are asked here"
        )
    headers = cast("list[dict[str, str]]", action.get("httpHeaders") or [])
    return Probe(
        kind=kind,
        port=_port(container, kind, action["port"], ports),
        path=str(action.get("path") or "/") if "httpGet" in declared else None,
        headers={header["name"]: header["value"] for header in headers},
        initial_delay_seconds=float(declared.get("initialDelaySeconds") or 0),
        period_seconds=float(declared.get("periodSeconds") or 10),
        timeout_seconds=float(declared.get("timeoutSeconds") or 1),
        failure_threshold=int(declared.get("failureThreshold") or 3),
        success_threshold=int(declared.get("successThreshold") or 1),
    )


def _port(container: Mapping[str, Any], kind: str, port: object, ports: Mapping[str, int]) -> int:
    if isinstance(port, int):
        return port
    if str(port) in ports:
        return ports[str(port)]
    raise ManifestError(f"{container['name']}: the {kind} probe asks port {port!r}, the container has {sorted(ports)}")
