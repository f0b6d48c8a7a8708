"""Pulumi's own engine, by its CLI: the program is served from this process, and stand-ins serve as the providers."""

import asyncio
import contextlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Generator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import yaml
from pulumi.automation._server import LanguageServer
from pulumi.runtime.proto import language_pb2_grpc

from vodstack_platform.embedded.engine import _close_what_never_ran, _execute
from vodstack_platform.embedded.stack_config import _merged

PROJECT = Path(__file__).parents[2]
_PACKAGES = ("aws", "docker-build", "eks", "kubernetes", "random")
_STILL = ("same", "read", "refresh")


@dataclass(frozen=True)
class Run:
    """How a command ended. `events` are the engine's own words."""

    code: int
    output: str
    events: list[dict[str, Any]]

    @property
    def steps(self) -> dict[str, str]:
        """What the engine did to each resource, or would do, by its URN."""
        found = [event["resourcePreEvent"]["metadata"] for event in self.events if "resourcePreEvent" in event]
        return {step["urn"]: step["op"] for step in found}

    @property
    def changes(self) -> dict[str, str]:
        """The steps that change something, by type and name."""
        return {type_and_name(urn): step for urn, step in self.steps.items() if step not in _STILL}

    @property
    def complaints(self) -> list[str]:
        found = [event["diagnosticEvent"] for event in self.events if "diagnosticEvent" in event]
        return [each["message"] for each in found if each["severity"] in ("warning", "error")]


def type_and_name(urn: str) -> str:
    """A URN without the stack and the parents, as in `aws:sqs/queue:Queue arrivals`."""
    kind, _, name = urn.split("::", 2)[2].rpartition("::")
    return f"{kind.rpartition('$')[2]} {name}"


class PulumiStack:
    """A stack of the project, with its file and its state in a folder of their own."""

    def __init__(self, folder: Path, name: str, providers: str) -> None:
        self._name = name
        self._folder = folder
        for each in ("stacks", "state"):
            (folder / each).mkdir(parents=True, exist_ok=True)
        shutil.copy(PROJECT / "Pulumi.yaml", folder)
        self._environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "PULUMI_BACKEND_URL": f"file://{folder / 'state'}",
            "PULUMI_CONFIG_PASSPHRASE": "throw-away",
            "PULUMI_DEBUG_COMMANDS": "true",  # behind it is the log of events
            "PULUMI_DEBUG_PROVIDERS": providers,
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
            "PULUMI_SKIP_UPDATE_CHECK": "true",
        }
        self._run("stack", "init", name, names_stack=False)

    def beside(self, name: str) -> "PulumiStack":
        """Another stack of the same backend, with nothing in it."""
        return PulumiStack(self._folder, name, self._environment["PULUMI_DEBUG_PROVIDERS"])

    def configure(self, *changes: Mapping[str, Any], like: str) -> None:
        """Write the stack's config: that of the project's stack `like`, with changes to it."""
        config: Any = yaml.safe_load((PROJECT / f"Pulumi.{like}.yaml").read_text())["config"]
        for change in changes:
            config = _merged(config, {f"vodstack:{key}": value for key, value in change.items()})
        path = self._folder / f"Pulumi.{self._name}.yaml"
        path.write_text(yaml.safe_dump({**yaml.safe_load(path.read_text()), "config": config}))

    def preview(self) -> Run:
        return self._with_program("preview")

    def up(self, *arguments: str) -> Run:
        return self._with_program("up", "--yes", "--skip-preview", *arguments)

    def refresh(self, *arguments: str) -> Run:
        return self._operation("refresh", "--yes", "--skip-preview", *arguments)

    def destroy(self, *arguments: str) -> Run:
        return self._operation("destroy", "--yes", *arguments)

    def state(self) -> list[dict[str, Any]]:
        return json.loads(self._run("stack", "export").output)["deployment"].get("resources", [])

    def move(self, urn: str, target: str) -> None:
        """Give a resource, and all below it, to another stack of the same backend."""
        self._run("state", "move", "--yes", "--source", self._name, "--dest", target, urn, names_stack=False)

    def pretend(self, outputs: Mapping[str, Any]) -> None:
        """Give the stack outputs without running anything."""
        state = json.loads(self._run("stack", "export").output)
        kind = "pulumi:pulumi:Stack"
        urn = f"urn:pulumi:{self._name}::vodstack::{kind}::vodstack-{self._name}"
        state["deployment"]["resources"] = [{"urn": urn, "custom": False, "type": kind, "outputs": dict(outputs)}]
        path = self._folder / "state.json"
        path.write_text(json.dumps(state))
        self._run("stack", "import", "--file", str(path))

    def _with_program(self, *arguments: str) -> Run:
        with _served_program() as port:
            done = self._operation(*arguments, f"--client=127.0.0.1:{port}", "--exec-kind", "auto.inline")
        if done.code:
            _close_what_never_ran()
        return done

    def _operation(self, *arguments: str) -> Run:
        log = self._folder / "events.jsonl"
        log.unlink(missing_ok=True)
        done = self._run(*arguments, "--event-log", str(log), is_checked=False)
        lines = log.read_text().splitlines() if log.exists() else []
        return Run(done.code, done.output, [json.loads(line) for line in lines])

    def _run(self, *arguments: str, names_stack: bool = True, is_checked: bool = True) -> Run:
        named = ("--stack", self._name) if names_stack else ()
        command = ["pulumi", *arguments, *named, "--non-interactive", "--color", "never"]
        done = subprocess.run(
            command, cwd=self._folder, env=self._environment, capture_output=True, text=True, check=False
        )
        if is_checked and done.returncode:
            raise AssertionError(f"{' '.join(command)}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}")
        return Run(done.returncode, done.stdout if is_checked else done.stdout + done.stderr, [])


@contextlib.contextmanager
def _served_program() -> Generator[int]:
    """The program as an inline one, for which Pulumi needs no plugin of the language."""
    loops: list[asyncio.AbstractEventLoop] = []

    def program() -> None:
        loops.append(asyncio.get_running_loop())
        _execute(PROJECT / "stacks")

    with ThreadPoolExecutor(4) as threads:
        server = grpc.server(threads)
        language_pb2_grpc.add_LanguageRuntimeServicer_to_server(LanguageServer(program), server)
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        try:
            yield port
        finally:
            server.stop(0).wait()
    # The SDK leaves the loop of a program open where the engine broke off.
    for loop in loops:
        loop.close()


@dataclass(frozen=True)
class Standins:
    """Running stand-ins. `attached` is how PULUMI_DEBUG_PROVIDERS names them."""

    attached: str
    log: Path

    @property
    def operations(self) -> list[str]:
        """What they were told to do, in order, as in `delete aws:sqs/queue:Queue arrivals`."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        return [f"{each['operation']} {type_and_name(each['urn'])}" for each in map(json.loads, lines)]


@contextlib.contextmanager
def running_standins(log: Path) -> Generator[Standins]:
    command = [sys.executable, "-m", "tests.stacks.standin_provider", str(log)]
    environment = {**os.environ, "PYTHONPATH": str(PROJECT)}
    with subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin
        assert process.stdout
        port = process.stdout.readline().strip()
        try:
            yield Standins(",".join(f"{package}:{port}" for package in _PACKAGES), log)
        finally:
            process.stdin.close()
