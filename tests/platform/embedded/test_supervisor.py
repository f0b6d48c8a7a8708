"""Processes of ours under the supervisor: real ones, that listen, die, hang and are killed."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from vodstack_platform.embedded.deployed import Deployed, Resource, Standing
from vodstack_platform.embedded.emulator import Emulator
from vodstack_platform.embedded.errors import ManifestError, PortTakenError, ProcessError
from vodstack_platform.embedded.service import Service
from vodstack_platform.embedded.supervisor import Supervisor

HERE = Path(__file__).parent
ENTRY_POINTS = {"stand-in": (sys.executable, str(HERE / "stand_in.py"))}
PATIENCE_SECONDS = 30
NOWHERE = Emulator("http://127.0.0.1:9", 0)


@pytest.fixture
def port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def probe(path: str, **settings: int) -> dict[str, Any]:
    return {"httpGet": {"path": path, "port": "http"}, "periodSeconds": 1, "timeoutSeconds": 2, **settings}


def container(port: int, **changes: Any) -> dict[str, Any]:
    return {
        "name": "service",
        "image": "registry.example/vodstack/stand-in:1@sha256:0",
        "env": [{"name": "PORT", "value": str(port)}],
        "ports": [{"name": "http", "containerPort": port}],
        "startupProbe": probe("/livez", failureThreshold=20),
        "readinessProbe": probe("/readyz", failureThreshold=1),
        "livenessProbe": probe("/livez", failureThreshold=2),
        **changes,
    }


def deployment(container: dict[str, Any], *, replicas: int = 1, **pod: Any) -> dict[str, Any]:
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [container], **pod}}
    spec = {"replicas": replicas, "selector": {"matchLabels": {"a": "b"}}, "template": template}
    metadata = {"name": "service", "namespace": "here"}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec}


def deployed_of(*objects: dict[str, Any]) -> Deployed:
    resources = tuple(
        Resource(
            type=f"kubernetes:{content['apiVersion']}:{content['kind']}",
            name=content["metadata"]["name"],
            urn=f"urn:{content['kind']}:{content['metadata']['name']}",
            id="",
            standing=Standing.RECORDED,
            inputs=content,
            outputs=content,
        )
        for content in objects
    )
    return Deployed(
        project="p",
        stack="s",
        region="us-east-1",
        endpoint=None,
        outputs={},
        secret_outputs=frozenset(),
        resources=resources,
    )


@asynccontextmanager
async def running(directory: Path, *objects: dict[str, Any], **options: Any):
    lines: list[tuple[str, str]] = []
    async with Supervisor(
        deployed_of(*objects),
        NOWHERE,
        directory=directory,
        entry_points=ENTRY_POINTS,
        on_line=lambda name, line: lines.append((name, line)),
        **options,
    ) as supervisor:
        yield supervisor, lines


async def until(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not condition():  # noqa: ASYNC110 - what is waited for happens in other processes
            await asyncio.sleep(0.02)


async def get(port: int, path: str) -> httpx.Response:
    async with httpx.AsyncClient(trust_env=False) as client:
        return await client.get(f"http://127.0.0.1:{port}{path}")


def process_of(service: Service) -> int:
    assert service.process_id is not None
    return service.process_id


def is_alive(process_id: int) -> bool:
    try:
        return psutil.Process(process_id).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


async def test_a_deployment_becomes_a_process_that_is_ready_and_gone_afterwards(port, tmp_path):
    async with running(tmp_path, deployment(container(port))) as (supervisor, lines):
        await supervisor.ready(PATIENCE_SECONDS)
        process_id = process_of(supervisor.services["service"])
        assert (await get(port, "/livez")).status_code == 200
        assert ("service", "listening") in lines
    assert ("service", "leaving") in lines
    assert not is_alive(process_id)


async def test_a_process_sees_its_deployment_and_nothing_of_the_developers_shell(port, tmp_path, monkeypatch):
    monkeypatch.setenv("AWS_PROFILE", "production")
    settings = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m", "namespace": "here"}}
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": "here"}}
    environment = [
        {"name": "PORT", "value": str(port)},
        {"name": "SCRATCH", "value": "/scratch"},
        {"name": "RENAMED", "valueFrom": {"configMapKeyRef": {"name": "m", "key": "COLOUR"}}},
        {"name": "PASSWORD", "valueFrom": {"secretKeyRef": {"name": "s", "key": "p"}}},
        {"name": "ABSENT", "valueFrom": {"secretKeyRef": {"name": "none", "key": "p", "optional": True}}},
        {"name": "NAMESPACE", "valueFrom": {"fieldRef": {"fieldPath": "metadata.namespace"}}},
    ]
    described = container(
        port,
        env=environment,
        envFrom=[{"configMapRef": {"name": "m"}}],
        volumeMounts=[{"name": "disk", "mountPath": "/scratch"}],
    )
    async with running(
        tmp_path,
        settings | {"data": {"COLOUR": "blue"}},
        secret | {"data": {"p": "aHVzaA=="}},
        deployment(described, volumes=[{"name": "disk", "emptyDir": {}}]),
        extra_env={"VODSTACK_LOG_FORMAT": "console"},
    ) as (supervisor, _):
        await supervisor.ready(PATIENCE_SECONDS)
        seen = (await get(port, "/env")).json()
    assert seen["COLOUR"] == seen["RENAMED"] == "blue"
    assert seen["PASSWORD"] == "hush"
    assert seen["NAMESPACE"] == "here"
    assert seen["VODSTACK_LOG_FORMAT"] == "console"
    assert seen["AWS_ENDPOINT_URL"] == NOWHERE.endpoint_url
    assert "AWS_PROFILE" not in seen
    assert "ABSENT" not in seen
    assert "AWS_ACCESS_KEY_ID" not in seen, "a ServiceAccount without a role gives no keys"
    assert (Path(seen["SCRATCH"]) / "note").read_text() == "written"
    assert Path(seen["SCRATCH"]).is_relative_to(tmp_path)


async def test_a_missing_config_map_is_named(port, tmp_path):
    described = container(port, envFrom=[{"configMapRef": {"name": "forgotten"}}])
    with pytest.raises(ManifestError, match="no ConfigMap here/forgotten"):
        async with running(tmp_path, deployment(described)):
            pass


async def test_a_wrong_probe_fails_here_as_it_would_in_a_cluster(port, tmp_path):
    wrong = container(port, readinessProbe=probe("/reddyz", failureThreshold=1))
    async with running(tmp_path, deployment(wrong)) as (supervisor, _):
        await until(lambda: "/reddyz answered 404" in supervisor.services["service"].trouble)
        with pytest.raises(ProcessError, match="/reddyz answered 404"):
            await supervisor.ready(0.1)


async def test_a_probe_of_a_port_that_the_container_lacks_is_refused(port, tmp_path):
    wrong = container(port, livenessProbe={"httpGet": {"path": "/", "port": "metrics"}})
    with pytest.raises(ManifestError, match="liveness probe asks port 'metrics'"):
        async with running(tmp_path, deployment(wrong)):
            pass


async def test_a_failing_liveness_probe_restarts_the_process(port, tmp_path):
    async with running(tmp_path, deployment(container(port))) as (supervisor, lines):
        await supervisor.ready(PATIENCE_SECONDS)
        service = supervisor.services["service"]
        first = service.process_id
        await get(port, "/turn/live/500")
        await until(lambda: service.restarts == 1 and not service.ready.is_set())
        await supervisor.ready(PATIENCE_SECONDS)
        assert service.process_id != first
        assert any("liveness GET" in line and "answered 500, 2 times" in line for _, line in lines)


async def test_a_failing_readiness_probe_takes_readiness_away_and_no_more(port, tmp_path):
    async with running(tmp_path, deployment(container(port))) as (supervisor, _):
        await supervisor.ready(PATIENCE_SECONDS)
        service = supervisor.services["service"]
        await get(port, "/turn/ready/503")
        await until(lambda: not service.ready.is_set())
        await get(port, "/turn/ready/200")
        await supervisor.ready(PATIENCE_SECONDS)
        assert service.restarts == 0


async def test_a_killed_process_comes_back(port, tmp_path):
    async with running(tmp_path, deployment(container(port))) as (supervisor, lines):
        await supervisor.ready(PATIENCE_SECONDS)
        service = supervisor.services["service"]
        os.kill(process_of(service), signal.SIGKILL)
        await until(lambda: service.restarts == 1)
        await supervisor.ready(PATIENCE_SECONDS)
        assert any("ended by SIGKILL" in line for _, line in lines)


async def test_a_process_that_keeps_dying_is_reported_with_its_last_words(port, tmp_path):
    dying = container(port, env=[{"name": "PORT", "value": str(port)}, {"name": "DIES_WITH", "value": "3"}])
    async with running(tmp_path, deployment(dying)) as (supervisor, _):
        with pytest.raises(ProcessError, match=r"(?s)service is not ready: ended with exit code 3.*dying as told"):
            await supervisor.ready(PATIENCE_SECONDS)


async def test_a_process_that_ignores_sigterm_is_killed_after_its_grace_period(port, tmp_path):
    stubborn = container(port, env=[{"name": "PORT", "value": str(port)}, {"name": "STUBBORN", "value": "1"}])
    async with running(tmp_path, deployment(stubborn, terminationGracePeriodSeconds=1)) as (supervisor, lines):
        await supervisor.ready(PATIENCE_SECONDS)
        process_id = process_of(supervisor.services["service"])
    assert not is_alive(process_id)
    assert any("1 s after SIGTERM: killed" in line for _, line in lines)


async def test_a_taken_port_is_found_before_anything_starts(tmp_path):
    with socket.socket() as occupant:
        occupant.bind(("127.0.0.1", 0))
        occupant.listen()
        port = occupant.getsockname()[1]
        with pytest.raises(PortTakenError, match=f"port {port} of .* service would listen, is taken: ask"):
            async with running(tmp_path, deployment(container(port)), port_advice="ask"):
                pass
    assert not list(tmp_path.iterdir())


async def test_replicas_that_would_share_a_port_become_one_and_it_says_so(port, tmp_path):
    async with running(tmp_path, deployment(container(port), replicas=3)) as (supervisor, _):
        assert list(supervisor.services) == ["service"]
        assert supervisor.notes == ("service: 1 process in place of 3 replicas, for they share one address here",)


async def test_an_image_that_is_none_of_ours_does_not_run_and_it_says_so(port, tmp_path):
    async with running(tmp_path, deployment(container(port, image="docker.io/nginx:1"))) as (supervisor, _):
        assert not supervisor.services
        assert "docker.io/nginx:1 is none of ours" in supervisor.notes[0]


async def test_processes_end_when_their_supervisor_is_killed(port, tmp_path):
    parent = await asyncio.create_subprocess_exec(
        sys.executable,
        str(HERE / "supervise_forever.py"),
        str(port),
        str(tmp_path),
        stdout=subprocess.PIPE,
    )
    assert parent.stdout
    async with asyncio.timeout(PATIENCE_SECONDS):
        process_id = int(await parent.stdout.readline())
    parent.kill()
    await parent.wait()
    await until(lambda: not is_alive(process_id))
