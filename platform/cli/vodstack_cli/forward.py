"""A way from this machine to a Service inside a cluster: `kubectl port-forward`, kept until it is told to stop."""

import asyncio
import base64
import json
import re
import shutil
import subprocess
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import urlsplit

from vodstack_cli.errors import CommandError

_INSIDE = re.compile(r"(?P<service>[a-z0-9-]+)\.(?P<namespace>[a-z0-9-]+)\.svc\.cluster\.local")
_PORTS = {"http": 80, "https": 443}
_LISTENING = re.compile(r"Forwarding from 127\.0\.0\.1:([0-9]+) -> ")
_STOP_SECONDS = 5
_ASK_SECONDS = 60
_NO_CONTEXT = "Your kubeconfig has no such context: `kubectl config get-contexts` lists those that it has."
# Words of kubectl or of the API server, and what they mean here. The first that is found counts.
_CAUSES = (
    ("getting credentials", "`aws` gave no token for the cluster: run `aws sso login`, or set AWS_PROFILE."),
    ("context was not found", _NO_CONTEXT),
    ("does not exist", _NO_CONTEXT),
    (
        "unauthorized",
        "The cluster does not know your AWS identity: name its role in cluster.apiServer.admins, and run `pulumi up`.",
    ),
    ("logged in to the server", "The cluster does not know you: name your role in cluster.apiServer.admins."),
    (
        "forbidden",
        "You lack a right in the cluster: `get` on services, pods and secrets, `create` on pods/portforward.",
    ),
    ("not found", "The cluster has no such Service: `pulumi up` has not finished, or another cluster was asked."),
    ("unable to listen", "The port of this machine is taken: choose another by --port, or leave it out."),
    ("timed out waiting", "None of its pods runs: `kubectl get pods` in its namespace shows why."),
    ("lost connection", "The pod, or the connection to it, ended: run this again."),
    (
        "connect",
        "The cluster's API server was not reached: is your address in the stack's cluster.apiServer.publicCidrs?",
    ),
)


@dataclass(frozen=True)
class Inside:
    """A Service, by its address inside the cluster."""

    scheme: str
    service: str
    namespace: str
    port: int


def inside(url: str) -> Inside | None:
    """Return the Service behind an address inside a cluster; None for an address that the world reaches."""
    parts = urlsplit(url)
    found = _INSIDE.fullmatch(parts.hostname or "")
    if not found:
        return None
    return Inside(parts.scheme, found["service"], found["namespace"], parts.port or _PORTS[parts.scheme])


@dataclass(frozen=True)
class Kubectl:
    """kubectl for one cluster; `selection` are the arguments that choose it."""

    selection: tuple[str, ...]
    environment: Mapping[str, str]

    def forwarding(self, target: Inside, port: int | None) -> list[str]:
        local = f"{port or ''}:{target.port}"
        names = ["--namespace", target.namespace, f"service/{target.service}", local]
        return ["kubectl", *self.selection, "port-forward", "--address", "127.0.0.1", *names]

    def secret(self, namespace: str, name: str) -> dict[str, str]:
        """Return what a Secret holds. Raises CommandError."""
        command = ["kubectl", *self.selection, "get", "secret", "--namespace", namespace, name, "--output", "json"]
        try:
            done = subprocess.run(
                command, env=self.environment, capture_output=True, text=True, timeout=_ASK_SECONDS, check=False
            )
        except subprocess.TimeoutExpired as error:
            raise CommandError(_why(["i/o timeout: cannot connect"])) from error
        if done.returncode:
            raise CommandError(_why(done.stderr.splitlines()))
        data = cast("Mapping[str, str]", json.loads(done.stdout)["data"])
        return {key: base64.b64decode(value).decode() for key, value in data.items()}

    async def forward(self, target: Inside, port: int | None, on_ready: Callable[[str], None]) -> None:
        """Forward until cancelled; call `on_ready` with the address. Raises CommandError where kubectl ends."""
        process = await asyncio.create_subprocess_exec(
            *self.forwarding(target, port),
            env=self.environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            # Ctrl-C goes to this command alone, which then ends kubectl.
            start_new_session=True,
        )
        lines = deque[str](maxlen=20)
        try:
            async for line in cast("asyncio.StreamReader", process.stdout):
                lines.append(line.decode(errors="replace"))
                if found := _LISTENING.match(lines[-1]):
                    on_ready(f"{target.scheme}://127.0.0.1:{found[1]}")
            await process.wait()
            raise CommandError(_why(lines))
        finally:
            await _end(process)


def require_programs(kubeconfig: str | None) -> None:
    """Raises CommandError where kubectl, or the program by which a stack's kubeconfig gets a token, is not on PATH."""
    users: list[Any] = json.loads(kubeconfig)["users"] if kubeconfig else []
    wanted = ["kubectl", *(user["user"]["exec"]["command"] for user in users if "exec" in user["user"])]
    for program in wanted:
        if not shutil.which(program):
            raise CommandError(f"{program} is not on PATH: install it.")


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    process.terminate()
    try:
        await asyncio.wait_for(process.wait(), _STOP_SECONDS)
    except TimeoutError:
        process.kill()
        await process.wait()


def _why(lines: "deque[str] | list[str]") -> str:
    said = next((line for line in reversed(lines) if line.strip()), "nothing")
    text = "\n".join(lines).lower()
    cause = next((sentence for words, sentence in _CAUSES if words in text), "Run this again.")
    return f"{cause} kubectl said: {said.strip()}"
