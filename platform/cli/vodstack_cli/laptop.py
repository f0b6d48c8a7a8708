"""The whole stack on this machine: the AWS emulator, the program's resources in it, the services as processes."""

import asyncio
import json
import os
import tempfile
from collections.abc import AsyncGenerator, Callable, Coroutine
from concurrent.futures import Future
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Thread
from typing import Any, Never, TypeVar

from vodstack_cli.errors import LaptopError
from vodstack_platform.embedded.deployed import Deployed
from vodstack_platform.embedded.emulator import Credentials, Emulator, running_emulator
from vodstack_platform.embedded.engine import run_program
from vodstack_platform.embedded.errors import EngineError, ProcessError
from vodstack_platform.embedded.supervisor import Supervisor, is_free

STACK = "local"
_START_SECONDS = 60
_PORT_CHOICE = "choose another, as in `make up PORT=8090 METRICS_PORT=9091`"
_PORT_ADVICE = f"stop what listens there, or {_PORT_CHOICE}"

LineCallback = Callable[[str, str], None]
_Result = TypeVar("_Result")


@dataclass(frozen=True)
class Ports:
    """Where the API and the worker's metrics listen, on the loopback address."""

    api: int
    metrics: int


@dataclass(frozen=True, kw_only=True)
class Laptop:
    """A stack that is up. `operator` are credentials that may do everything, for looking after it."""

    deployed: Deployed
    emulator: Emulator
    operator: Credentials
    api_url: str
    supervisor: Supervisor

    @property
    def endpoint_url(self) -> str:
        return self.emulator.endpoint_url

    @property
    def operator_environment(self) -> dict[str, str]:
        """What AWS's CLI and SDKs, and our own commands, need to see this stack; its keys open the emulator alone."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint_url,
            "AWS_REGION": self.deployed.region,
            "AWS_DEFAULT_REGION": self.deployed.region,  # boto3 reads no other
            **self.operator.environment,
        }

    def client(self, service: str) -> Any:
        """A boto3 client with the operator's credentials."""
        return self.emulator.client(service, self.deployed.region, self.operator)

    def output(self, name: str) -> str:
        return str(self.deployed.outputs[name])

    async def run(self) -> Never:
        """Runs until it is cancelled. Raises LaptopError where a process gives up."""
        waits = [asyncio.create_task(service.given_up.wait()) for service in self.supervisor.services.values()]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        broken = next(service for service in self.supervisor.services.values() if service.given_up.is_set())
        words = f": {broken.last_words}" if broken.last_words else ""
        raise LaptopError(f"{broken.name} keeps dying: {broken.trouble}{words}")

    async def during(self, work: Coroutine[Any, Any, _Result]) -> _Result:
        """Return what `work` returns. Raises LaptopError as soon as a process gives up, for `work` may wait for it."""
        doing, running = asyncio.create_task(work), asyncio.create_task(self.run())
        try:
            await asyncio.wait({doing, running}, return_when=asyncio.FIRST_COMPLETED)
            return await (doing if doing.done() else running)
        finally:
            for task in (doing, running):
                task.cancel()
            await asyncio.gather(doing, running, return_exceptions=True)


@asynccontextmanager
async def running_laptop(project: Path, ports: Ports, on_line: LineCallback) -> AsyncGenerator[Laptop]:
    """The stack, ready to serve; all of it is gone at the end. `on_line` is told each process's lines.

    Raises LaptopError.
    """
    reach_loopback_past_proxies()
    if ports.api == ports.metrics:
        raise LaptopError(f"API and worker cannot both listen on port {ports.api}: {_PORT_CHOICE}")
    for port in (ports.api, ports.metrics):
        if not is_free(port):
            raise LaptopError(f"port {port} of this machine is taken: {_PORT_ADVICE}")
    overrides = {"services": {"api": {"port": ports.api}, "worker": {"metricsPort": ports.metrics}}}
    try:
        with running_emulator() as emulator, tempfile.TemporaryDirectory(prefix="vodstack-") as directory:
            deployed = await on_daemon_thread(
                partial(run_program, STACK, project=project, endpoint=emulator.endpoint_url, config_overrides=overrides)
            )
            operator = _operator(emulator)
            supervisor = Supervisor(
                deployed, emulator, directory=Path(directory), on_line=on_line, port_advice=_PORT_ADVICE
            )
            async with supervisor:
                emulator.enforce_iam()
                await supervisor.ready(_START_SECONDS)
                yield Laptop(
                    deployed=deployed,
                    emulator=emulator,
                    operator=operator,
                    api_url=f"http://127.0.0.1:{ports.api}",
                    supervisor=supervisor,
                )
    except ProcessError as error:
        # The lines of the process follow the sentence, and `on_line` has been told them.
        raise LaptopError(f"the stack did not come up: {str(error).splitlines()[0]}") from error
    except EngineError as error:
        raise LaptopError(f"the stack did not come up: {error}") from error


def reach_loopback_past_proxies() -> None:
    """A company's proxy, which the shell may name for every address, knows nothing of what listens on this machine."""
    spared = os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or ""
    if spared != "*":
        os.environ["no_proxy"] = os.environ["NO_PROXY"] = ",".join(filter(None, (spared, "127.0.0.1", "localhost")))


async def on_daemon_thread(work: Callable[[], _Result]) -> _Result:
    """A pool's thread would hold a process that was told to stop until the work is done, or has failed for long."""
    result = Future[_Result]()

    def run() -> None:
        result.set_running_or_notify_cancel()
        try:
            result.set_result(work())
        except BaseException as error:  # noqa: BLE001 - it is raised where the result is waited for
            result.set_exception(error)

    Thread(target=run, daemon=True).start()
    return await asyncio.wrap_future(result)


def _operator(emulator: Emulator) -> Credentials:
    """The person at the keyboard, made before IAM is enforced: from then on the emulator refuses strangers."""
    iam: Any = emulator.client("iam")
    everything = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
    iam.create_user(UserName="operator")
    iam.put_user_policy(UserName="operator", PolicyName="everything", PolicyDocument=json.dumps(everything))
    keys = iam.create_access_key(UserName="operator")["AccessKey"]
    return Credentials(access_key_id=keys["AccessKeyId"], secret_access_key=keys["SecretAccessKey"])
