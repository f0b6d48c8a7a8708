"""Builds a Kubernetes API server and its etcd from pinned Go modules, and starts them for the tests."""

import hashlib
import json
import os
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

MODULE = Path(__file__).parent / "apiserver"
CACHE = Path(__file__).parents[2] / ".cache" / "cluster"
# What the program's custom resources are defined by: a Go module and the folder in it. Keep to the charts' versions.
DEFINITIONS = {
    "monitoring.coreos.com": (
        "github.com/prometheus-operator/prometheus-operator@v0.93.1",
        "example/prometheus-operator-crd",
    ),
    "keda.sh": ("github.com/kedacore/keda/v2@v2.20.2", "config/crd/bases"),
    # The newest that the proxy has: older than the controller, but no field of ours is newer.
    "elbv2.k8s.aws": (
        "sigs.k8s.io/aws-load-balancer-controller@v0.0.0-20221203001353-edeb4f1c1312",
        "config/crd/bases",
    ),
    "karpenter.sh": ("github.com/aws/karpenter-provider-aws@v1.14.1", "pkg/apis/crds"),
}
START_SECONDS = 120
_TOKEN = "test-only"
_APPLY = "application/apply-patch+yaml"


class _Definitions(yaml.SafeLoader):
    """YAML 1.1 gives a bare `=`, which some enumerations hold, a meaning of its own."""


_Definitions.add_constructor("tag:yaml.org,2002:value", lambda _loader, node: node.value)


@dataclass(frozen=True)
class Verdict:
    """What the API server says of an object. `warnings` come with acceptance, too."""

    status: int
    message: str
    warnings: tuple[str, ...]

    @property
    def accepted(self) -> bool:
        return self.status < 400 and not self.warnings


class ApiServer:
    """The API server's HTTP API, as far as tests need it."""

    def __init__(self, url: str, certificate: Path) -> None:
        self._client = httpx.Client(
            base_url=url,
            headers={"Authorization": f"Bearer {_TOKEN}"},
            verify=ssl.create_default_context(cafile=str(certificate)),
            trust_env=False,
            timeout=30,
        )
        self._kinds: dict[str, dict[str, Any]] = {}

    def close(self) -> None:
        self._client.close()

    def is_ready(self) -> bool:
        try:
            return self._client.get("/readyz").status_code == 200
        except httpx.TransportError:
            return False

    def apply(self, content: Any, *, dry_run: bool) -> Verdict:
        """Server-side apply with strict validation, as `kubectl apply --server-side --validate=strict` does it."""
        query = {"fieldManager": "tests", "fieldValidation": "Strict", "force": "true"}
        answer = self._client.patch(
            self._path(content),
            params=query | ({"dryRun": "All"} if dry_run else {}),
            content=json.dumps(content),
            headers={"Content-Type": _APPLY},
        )
        return Verdict(answer.status_code, answer.text, tuple(answer.headers.get_list("Warning")))

    def serves(self, api_version: str, kind: str) -> bool:
        return kind in self._discover(api_version)

    def _path(self, content: Any) -> str:
        known = self._discover(content["apiVersion"])[content["kind"]]
        namespace = content["metadata"].get("namespace", "default") if known["namespaced"] else None
        place = f"/namespaces/{namespace}" if namespace else ""
        return f"{_root(content['apiVersion'])}{place}/{known['name']}/{content['metadata']['name']}"

    def _discover(self, api_version: str) -> dict[str, Any]:
        if not self._kinds.get(api_version):
            answer = self._client.get(_root(api_version))
            listed = answer.json()["resources"] if answer.status_code == 200 else []
            self._kinds[api_version] = {found["kind"]: found for found in listed if "/" not in found["name"]}
        return self._kinds[api_version]


def _root(api_version: str) -> str:
    return f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"


def build() -> Path:
    """The folder that holds both programs, built unless the cache has them."""
    sources = [MODULE / name for name in ("go.mod", "go.sum", "etcd.go")]
    folder = CACHE / hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()[:12]
    folder.mkdir(parents=True, exist_ok=True)
    for name, package in (("etcd", "./etcd.go"), ("kube-apiserver", "k8s.io/kubernetes/cmd/kube-apiserver")):
        if not (folder / name).exists():
            unfinished = folder / f"{name}.{os.getpid()}"
            subprocess.run(["go", "build", "-ldflags", "-s -w", "-o", unfinished, package], cwd=MODULE, check=True)
            unfinished.rename(folder / name)
    return folder


def definitions_of(group: str) -> list[Any]:
    """The custom resource definitions of an API group, from the Go module of its operator."""
    module, path = DEFINITIONS[group]
    # Run outside any module: the operator's code is read, not depended on.
    answer = subprocess.run(
        ["go", "mod", "download", "-json", module], cwd=CACHE, check=True, capture_output=True, text=True
    )
    folder = Path(json.loads(answer.stdout)["Dir"]) / path
    texts = [file.read_text() for file in sorted(folder.glob("*.yaml"))]
    documents = [document for text in texts for document in yaml.load_all(text, _Definitions)]
    return [document for document in documents if document and document["kind"] == "CustomResourceDefinition"]


@contextmanager
def running_api_server(programs: Path, directory: Path) -> Generator[ApiServer]:
    """An API server on 127.0.0.1 with an empty store in `directory`."""
    client_port, peer_port, port = _free_ports(3)
    store = f"http://127.0.0.1:{client_port}"
    with ExitStack() as stack:
        _start(stack, directory / "etcd.log", [programs / "etcd", *_etcd_flags(directory, store, peer_port)])
        flags = _server_flags(directory, store, port)
        server = _start(stack, directory / "kube-apiserver.log", [programs / "kube-apiserver", *flags])
        certificate = directory / "certificates" / "apiserver.crt"
        _wait(server, certificate.exists, directory)
        api = ApiServer(f"https://127.0.0.1:{port}", certificate)
        stack.callback(api.close)
        _wait(server, api.is_ready, directory)
        yield api


def missing_go() -> str | None:
    return None if shutil.which("go") else "SKIPPED: Go is not on PATH, so no API server was built"


def _etcd_flags(directory: Path, store: str, peer_port: int) -> list[str]:
    peer = f"http://127.0.0.1:{peer_port}"
    return [
        f"--data-dir={directory / 'store'}",
        f"--listen-client-urls={store}",
        f"--advertise-client-urls={store}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=default={peer}",
        "--unsafe-no-fsync",
    ]


def _server_flags(directory: Path, store: str, port: int) -> list[str]:
    key = directory / "service-accounts.pem"
    key.write_bytes(
        rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    tokens = directory / "tokens.csv"
    tokens.write_text(f'{_TOKEN},tests,tests,"system:masters"\n')
    return [
        f"--etcd-servers={store}",
        "--bind-address=127.0.0.1",
        f"--secure-port={port}",
        f"--cert-dir={directory / 'certificates'}",
        f"--token-auth-file={tokens}",
        "--authorization-mode=AlwaysAllow",
        "--service-account-issuer=https://localhost",
        f"--service-account-key-file={key}",
        f"--service-account-signing-key-file={key}",
        "--service-cluster-ip-range=10.0.0.0/24",
        # Without controllers no namespace has its default service account.
        "--disable-admission-plugins=ServiceAccount",
    ]


def _start(stack: ExitStack, log_path: Path, command: list[str | Path]) -> subprocess.Popen[bytes]:
    log = stack.enter_context(log_path.open("wb"))
    process = stack.enter_context(subprocess.Popen(command, stdout=log, stderr=log))
    stack.callback(process.terminate)
    return process


def _wait(server: subprocess.Popen[bytes], condition: Any, directory: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not condition():
        if server.poll() is not None or time.monotonic() > deadline:
            log = (directory / "kube-apiserver.log").read_text()[-4000:]
            raise AssertionError(f"the API server did not become ready:\n{log}")
        time.sleep(0.1)


def _free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for found in sockets:
            found.bind(("127.0.0.1", 0))
        return [found.getsockname()[1] for found in sockets]
