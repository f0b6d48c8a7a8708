"""Runs our Deployments as local processes. No second kubelet: docs/adr/0008-bounds-of-the-embedded-engine.md."""

import asyncio
import contextlib
import os
import socket
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from vodstack_contracts.environment import Variable
from vodstack_platform.embedded import identity, leash
from vodstack_platform.embedded.deployed import Deployed
from vodstack_platform.embedded.emulator import LOOPBACK, Emulator
from vodstack_platform.embedded.errors import PortTakenError, ProcessError
from vodstack_platform.embedded.service import LineCallback, Service
from vodstack_platform.embedded.workload_plans import ENTRY_POINTS, ContainerPlan, EntryPoints, plan_workloads

# A container sees nothing of the developer's shell. These alone say where programs and certificates are.
_PASSED_ON: Final = (
    "HOME",
    "IMAGEIO_FFMPEG_EXE",
    "LANG",
    "LC_ALL",
    "LC_CTYPE",
    "PATH",
    "SSL_CERT_FILE",
    "TMPDIR",
    "TZ",
)


class Supervisor:
    """`async with` starts every Deployment of ours and stops them all at its end.

    `directory` holds what emptyDir volumes become. `port_advice` ends the sentence about a port that is taken.
    """

    def __init__(
        self,
        deployed: Deployed,
        emulator: Emulator,
        *,
        directory: Path,
        entry_points: EntryPoints = ENTRY_POINTS,
        extra_env: Mapping[str, str] | None = None,
        on_line: LineCallback = lambda _name, _line: None,
        port_advice: str = "set another one in the stack's config",
    ) -> None:
        self._deployed = deployed
        self._emulator = emulator
        self._directory = directory
        self._extra_env = extra_env or {}
        self._on_line = on_line
        self._port_advice = port_advice
        self._plans = plan_workloads(deployed.manifests, entry_points)
        self._leash: asyncio.subprocess.Process | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self.services: dict[str, Service] = {}

    @property
    def notes(self) -> Sequence[str]:
        """What runs otherwise here than in a cluster, in sentences."""
        return self._plans.notes

    async def __aenter__(self) -> Self:
        self._require_free_ports()
        self._leash = await asyncio.create_subprocess_exec(
            sys.executable, "-I", "-S", leash.__file__, stdin=asyncio.subprocess.PIPE, start_new_session=True
        )
        try:
            self.services = {plan.name: self._service(plan) for plan in self._plans.containers}
        except BaseException:
            await self._let_go()
            raise
        self._tasks = [asyncio.create_task(service.run(), name=name) for name, service in self.services.items()]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def ready(self, timeout_seconds: float) -> None:
        """Wait until every process is ready. Raises ProcessError, with the last line of one that is not."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_seconds):
                await asyncio.gather(*(self._settled(service) for service in self.services.values()))
        for service in self.services.values():
            if not service.ready.is_set():
                reason = service.trouble or f"not ready within {timeout_seconds:g} s"
                raise ProcessError(
                    f"{service.name} is not ready: {': '.join(filter(None, (reason, service.last_words)))}"
                )

    async def stop(self) -> None:
        """Stop every process, each within its grace period."""
        for service in self.services.values():
            service.stop()
        stopping = asyncio.gather(*self._tasks, return_exceptions=True)
        try:
            await asyncio.shield(stopping)
        except asyncio.CancelledError:
            await stopping  # a second Ctrl-C must not leave processes behind
            raise
        finally:
            await self._let_go()

    def _service(self, plan: ContainerPlan) -> Service:
        home = self._directory / plan.name
        mounts = {path: home / volume for path, volume in plan.mounts.items()}
        for directory in (home, *mounts.values()):
            directory.mkdir(parents=True, exist_ok=True)
        return Service(
            plan,
            environment=self._environment(plan, mounts),
            directory=home,
            on_line=self._on_line,
            on_start=lambda group: self._tell_leash(f"+{group}"),
            on_end=lambda group: self._tell_leash(f"-{group}"),
        )

    def _environment(self, plan: ContainerPlan, mounts: Mapping[str, Path]) -> dict[str, str]:
        declared = {name: _mounted(value, mounts) for name, value in plan.environment.items()}
        return {
            **{name: os.environ[name] for name in _PASSED_ON if name in os.environ},
            "PYTHONUNBUFFERED": "1",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            **declared,
            "AWS_ENDPOINT_URL": self._emulator.endpoint_url,
            Variable.HOST: LOOPBACK,
            **identity.environment_for(self._deployed, self._emulator, plan, declared),
            **self._extra_env,
        }

    def _require_free_ports(self) -> None:
        users: dict[int, str] = {}
        for plan in self._plans.containers:
            for port in plan.ports.values():
                if port in users:
                    raise PortTakenError(
                        f"{users[port]} and {plan.name} would both listen on port {port}: {self._port_advice}"
                    )
                users[port] = plan.name
                if not is_free(port):
                    raise PortTakenError(
                        f"port {port} of {LOOPBACK}, on which {plan.name} would listen, is taken: {self._port_advice}"
                    )

    def _tell_leash(self, line: str) -> None:
        if self._leash and self._leash.stdin:
            self._leash.stdin.write(f"{line}\n".encode())

    async def _let_go(self) -> None:
        if self._leash and self._leash.stdin:
            self._leash.stdin.close()
            await self._leash.wait()
            self._leash = None

    async def _settled(self, service: Service) -> None:
        waits = [asyncio.create_task(event.wait()) for event in (service.ready, service.given_up)]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()


def _mounted(value: str, mounts: Mapping[str, Path]) -> str:
    for path, directory in mounts.items():
        if value == path or value.startswith(f"{path}/"):
            return f"{directory}{value.removeprefix(path)}"
    return value


def is_free(port: int) -> bool:
    """Whether a process of ours could listen on this port of the loopback address."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
        return True
