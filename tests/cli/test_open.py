"""`vodstack open`: kubectl is a stand-in where a pod would have to run, and the real one where none has to."""

import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.cli.kubectl_stand_in import SECRET

from vodstack_cli.forward import Inside, Kubectl, inside
from vodstack_contracts import outputs
from vodstack_contracts.outputs import ClusterOutputs, MonitoringOutputs, ServicesOutputs
from vodstack_platform.embedded.emulator import aws_client

REGION = "eu-west-1"
STAND_IN = Path(__file__).parent / "kubectl_stand_in.py"
KUBECTL = shutil.which("kubectl")
needs_kubectl = pytest.mark.skipif(KUBECTL is None, reason="kubectl is not on PATH")


def _kubeconfig(**user: Any) -> str:
    """As pulumi-eks makes it, with another way to a token where one is given."""
    execute = {"apiVersion": "client.authentication.k8s.io/v1beta1", "command": "aws", "args": ["eks", "get-token"]}
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:1"}}],
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
            "users": [{"name": "u", "user": user or {"exec": execute}}],
            "current-context": "c",
        }
    )


@dataclass
class Desk:
    """A platform engineer's shell: programs on PATH, and a stack that has published its layers."""

    folder: Path
    endpoint: str
    stack: str = field(default_factory=lambda: f"dev-{uuid.uuid4().hex[:8]}")

    def install(self, name: str, script: str) -> None:
        path = self.folder / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    @property
    def log(self) -> Path:
        return self.folder / "log"

    @property
    def runs(self) -> list[dict[str, Any]]:
        """What kubectl was told, and how it ended."""
        return [json.loads(line) for line in self.log.read_text().splitlines()]

    def publish(self, kubeconfig: str | None = None, api_url: str = "http://api.vodstack.svc.cluster.local") -> None:
        layers: list[Any] = [
            MonitoringOutputs(
                monitoring_namespace="monitoring",
                prometheus_url="http://monitoring-prometheus.monitoring.svc.cluster.local:9090",
                grafana_url="http://grafana.monitoring.svc.cluster.local:80",
                grafana_secret="grafana-admin",
            ),
            ServicesOutputs(namespace="vodstack", api_url=api_url, api_role_arn="arn:a", worker_role_arn="arn:w"),
        ]
        if kubeconfig:
            layers.append(ClusterOutputs(cluster_name="vodstack-dev", kubeconfig=kubeconfig, storage_class="gp3"))
        ssm = aws_client("ssm", self.endpoint, REGION)
        for layer in layers:
            name = f"/vodstack/{self.stack}/{outputs.contract_of(type(layer))}"
            ssm.put_parameter(Name=name, Value=json.dumps(outputs.document(layer)), Type="String")

    def start(self, *arguments: str, **variables: str) -> "subprocess.Popen[str]":
        command = [sys.executable, "-m", "vodstack_cli", "open", *arguments, "--stack", self.stack]
        environment: Mapping[str, str] = {
            "PATH": str(self.folder),
            "HOME": str(self.folder),
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": REGION,
            "KUBECTL_LOG": str(self.log),
            "PYTHONUNBUFFERED": "1",
            **variables,
        }
        return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def fails(self, *arguments: str, **variables: str) -> str:
        """What is told where nothing can be opened."""
        with self.start(*arguments, **variables) as running:
            _, told = running.communicate(timeout=60)
        assert running.returncode == 1, told
        assert "Traceback" not in told
        return " ".join(told.split())


@pytest.fixture
def desk(tmp_path: Path, aws_endpoint: str) -> Desk:
    made = Desk(tmp_path, aws_endpoint)
    made.install("kubectl", f'exec {shlex.quote(sys.executable)} {shlex.quote(str(STAND_IN))} "$@"')
    made.install("aws", "exit 1")
    return made


def _lines(running: "subprocess.Popen[str]") -> Iterator[str]:
    assert running.stdout
    yield from (line.strip() for line in running.stdout)


def _read_soon(path: Path) -> str:
    """The first line of a file that another process is about to write, once a second one follows."""
    deadline = time.monotonic() + 30
    while not path.exists() or len(path.read_text().splitlines()) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return path.read_text().splitlines()[0]


@pytest.mark.parametrize(
    ("arguments", "service", "path"),
    [
        (["api"], ["--namespace", "vodstack", "service/api", ":80"], "/docs"),
        (["grafana"], ["--namespace", "monitoring", "service/grafana", ":80"], ""),
        (["prometheus"], ["--namespace", "monitoring", "service/monitoring-prometheus", ":9090"], ""),
    ],
)
def test_a_page_is_forwarded_and_opened_until_ctrl_c(desk: Desk, arguments: list[str], service: list[str], path: str):
    desk.publish(_kubeconfig())
    desk.install("browse", f'echo "$1" > {desk.folder}/opened; echo >> {desk.folder}/opened')
    with desk.start(*arguments, BROWSER=f"{desk.folder}/browse %s") as running:
        address, hint = (next(_lines(running)) for _ in range(2))
        assert re.fullmatch(r"http://127\.0\.0\.1:[0-9]+" + path, address)
        assert hint == "Ctrl-C closes it."
        assert httpx.get(address, trust_env=False).text == f"the page {path or '/'}"
        assert _read_soon(desk.folder / "opened") == address
        running.send_signal(signal.SIGINT)
        _, told = running.communicate(timeout=30)
    assert (running.returncode, told.strip()) == (130, "closed: the port is forwarded no more")
    told_kubectl, ended = desk.runs
    assert told_kubectl["arguments"][2:] == ["port-forward", "--address", "127.0.0.1", *service]
    assert (told_kubectl["kubeconfig"], told_kubectl["mode"]) == (_kubeconfig(), "0o600")
    assert told_kubectl["region"] == REGION
    assert ended == {"ended": "by SIGTERM"}
    assert not Path(told_kubectl["arguments"][1]).exists()


def test_without_a_display_the_address_is_printed_alone(desk: Desk):
    desk.publish(_kubeconfig())
    desk.install("w3m", f": > {desk.folder}/opened")
    with desk.start("api", TERM="xterm") as running:
        assert next(_lines(running)).startswith("http://127.0.0.1:")
        running.terminate()
        running.communicate(timeout=30)
    assert running.returncode == 128 + signal.SIGTERM
    assert not (desk.folder / "opened").exists()


def test_grafanas_password_is_printed_when_asked_for(desk: Desk):
    desk.publish(_kubeconfig())
    with desk.start("grafana", "--password") as running:
        assert next(_lines(running)) == f"user: {SECRET['user']}, password: {SECRET['password']}"
        running.terminate()
        running.communicate(timeout=30)
    names = ["--namespace", "monitoring", "grafana-admin"]
    assert desk.runs[0]["arguments"][2:] == ["get", "secret", *names, "--output", "json"]


def test_an_address_that_the_world_reaches_is_opened_as_it_is(desk: Desk):
    desk.publish(api_url="https://videos.example.com")
    with desk.start("api") as running:
        shown, _ = running.communicate(timeout=60)
    assert (running.returncode, shown) == (0, "https://videos.example.com/docs\n")
    assert not desk.log.exists()


def test_a_cluster_of_ones_own_is_taken_by_its_context_and_a_port_by_its_number(desk: Desk):
    desk.publish()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        free_port = listening.getsockname()[1]
    told = desk.fails("api")
    assert f"There is no parameter /vodstack/{desk.stack}/cluster/v1" in told
    assert "by --context" in told
    with desk.start("api", "--context", "team", "--port", str(free_port)) as running:
        assert next(_lines(running)) == f"http://127.0.0.1:{free_port}/docs"
        running.terminate()
        running.communicate(timeout=30)
    arguments = desk.runs[0]["arguments"]
    assert (arguments[:2], arguments[-1]) == (["--context", "team"], f"{free_port}:80")


@pytest.mark.parametrize("program", ["kubectl", "aws"])
def test_a_program_that_is_missing_is_named(desk: Desk, program: str):
    desk.publish(_kubeconfig())
    (desk.folder / program).unlink()
    assert f"{program} is not on PATH: install it" in desk.fails("grafana")


FAILURES = {
    "Unable to connect to the server: getting credentials: exec: executable aws failed with exit code 255": "aws sso",
    "error: You must be logged in to the server (Unauthorized)": "cluster.apiServer.admins",
    'Error from server (Forbidden): services "api" is forbidden: User "x" cannot get resource': "pods/portforward",
    'Error from server (NotFound): services "api" not found': "no such Service",
    "Unable to connect to the server: dial tcp 192.0.2.1:443: i/o timeout": "cluster.apiServer.publicCidrs",
    "error: timed out waiting for the condition": "None of its pods runs",
    "Unable to listen on port 8080: bind: address already in use": "choose another by --port",
    "error: lost connection to pod": "run this again",
}


@pytest.mark.parametrize("said", FAILURES)
def test_what_kubectl_says_is_told_with_what_to_do(desk: Desk, said: str):
    desk.publish(_kubeconfig())
    told = desk.fails("grafana", KUBECTL_FAILS=said)
    assert FAILURES[said] in told
    assert told.endswith(f"kubectl said: {said}")


def test_a_secret_that_is_refused_is_told_before_anything_is_forwarded(desk: Desk):
    desk.publish(_kubeconfig())
    said = 'Error from server (Forbidden): secrets "grafana-admin" is forbidden'
    assert "secrets" in desk.fails("grafana", "--password", KUBECTL_FAILS=said)
    (run,) = desk.runs
    assert "get" in run["arguments"]


def test_only_grafana_has_a_password(desk: Desk):
    desk.publish(_kubeconfig())
    with desk.start("api", "--password") as running:
        _, told = running.communicate(timeout=60)
    assert running.returncode == 2
    assert "--password is for grafana" in told


@needs_kubectl
def test_the_real_kubectl_knows_every_option_that_is_used():
    assert KUBECTL
    pages = [["port-forward", "--help"], ["get", "--help"], ["options"]]
    known = "".join(
        subprocess.run([KUBECTL, *page], capture_output=True, text=True, check=True).stdout for page in pages
    )
    arguments = Kubectl(("--kubeconfig", "f", "--context", "c"), {}).forwarding(Inside("http", "api", "ns", 80), None)
    for option in [*(each for each in arguments if each.startswith("--")), "--output"]:
        assert re.search(rf"{option}=", known), option
    assert "kubectl port-forward service/myservice" in known
    assert "port-forward pod/mypod :5000" in known


@needs_kubectl
def test_the_real_kubectl_before_a_cluster_that_is_not_reached_is_told(desk: Desk):
    desk.publish(_kubeconfig(token="a-token"))
    desk.install("kubectl", f'exec {KUBECTL} "$@"')
    assert "cluster.apiServer.publicCidrs" in desk.fails("api", PATH=f"{desk.folder}{os.pathsep}{os.environ['PATH']}")


@needs_kubectl
def test_the_real_kubectl_before_a_context_that_is_not_there_is_told(desk: Desk):
    desk.publish()
    desk.install("kubectl", f'exec {KUBECTL} "$@"')
    told = desk.fails("api", "--context", "nowhere", PATH=f"{desk.folder}{os.pathsep}{os.environ['PATH']}")
    assert "no such context" in told


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://api.vodstack.svc.cluster.local", Inside("http", "api", "vodstack", 80)),
        ("https://api.vodstack.svc.cluster.local", Inside("https", "api", "vodstack", 443)),
        ("http://k8s-1.elb.us-east-1.amazonaws.com", None),
        ("https://videos.example.com", None),
    ],
)
def test_only_addresses_inside_of_a_cluster_are_forwarded_to(url: str, expected: Inside | None):
    assert inside(url) == expected
