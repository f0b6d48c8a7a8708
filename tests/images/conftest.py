"""Images built and started for real, where the machine has what that takes: no daemon and no registry."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
TOOLS = ("buildah", "debootstrap", "crun", "unshare")
BASE = "localhost/vodstack-base:bookworm"
TAG = "prove"
ENVIRONMENT = {**os.environ, "STORAGE_DRIVER": "vfs", "BUILDAH_ISOLATION": "chroot"}
# crun refuses a host that mixes both cgroup versions; a mount namespace of its own shows it the newer one alone.
START = 'mount -t cgroup2 none /sys/fs/cgroup && exec crun --cgroup-manager=disabled run --bundle "$0" "$1"'
CAPABILITY_SETS = ("bounding", "effective", "inheritable", "permitted", "ambient")


def buildah(*arguments: str) -> str:
    done = subprocess.run(["buildah", *arguments], env=ENVIRONMENT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@dataclass(frozen=True)
class Image:
    """A built image, unpacked, with its config as the image itself states it."""

    name: str
    root: Path
    config: dict[str, Any]
    bundles: Path

    @contextmanager
    def process(
        self, *arguments: str, environment: dict[str, str] | None = None, scratch: Path | None = None
    ) -> Generator[subprocess.Popen[str]]:
        """Its entry point (or other arguments) as a pod would run it: its own user, no capability, nothing writable."""
        bundle = self.bundles / f"{self.name}-{len(list(self.bundles.iterdir()))}"
        bundle.mkdir()
        (bundle / "config.json").write_text(json.dumps(self._runtime_config(arguments, environment or {}, scratch)))
        command = ["unshare", "--mount", "sh", "-c", START, str(bundle), f"vodstack-{os.getpid()}-{bundle.name}"]
        running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        try:
            yield running
        finally:
            if running.poll() is None:
                running.kill()
            running.communicate()
            subprocess.run(["crun", "delete", "--force", command[-1]], capture_output=True, check=False)

    def output(self, program: str) -> str:
        with self.process("/opt/vodstack/bin/python", "-c", program) as running:
            out, err = running.communicate(timeout=60)
        assert running.returncode == 0, err
        return out

    def _runtime_config(
        self, arguments: tuple[str, ...], environment: dict[str, str], scratch: Path | None
    ) -> dict[str, Any]:
        uid, gid = (int(part) for part in self.config["User"].split(":"))
        mounts: list[dict[str, Any]] = [
            {"destination": "/proc", "type": "proc", "source": "proc"},
            {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755"]},
        ]
        if scratch:
            mounts.append(
                {"destination": "/scratch", "type": "bind", "source": str(scratch), "options": ["bind", "rw"]}
            )
        return {
            "ociVersion": "1.0.2",
            "process": {
                "user": {"uid": uid, "gid": gid},
                "args": list(arguments) or self.config["Entrypoint"],
                "env": [*self.config["Env"], *(f"{key}={value}" for key, value in environment.items())],
                "cwd": self.config["WorkingDir"],
                "capabilities": {kind: [] for kind in CAPABILITY_SETS},
                "noNewPrivileges": True,
            },
            "root": {"path": str(self.root), "readonly": True},
            "mounts": mounts,
            "linux": {"namespaces": [{"type": kind} for kind in ("mount", "pid", "ipc", "uts")]},
        }


@pytest.fixture(scope="session")
def base_image(tmp_path_factory: pytest.TempPathFactory) -> str:
    lacking = [tool for tool in TOOLS if not shutil.which(tool)]
    if lacking or os.geteuid() != 0:
        pytest.skip(f"building images without a daemon needs root and {', '.join(TOOLS)}; lacking: {lacking or 'root'}")
    if BASE in buildah("images", "--format", "{{.Name}}:{{.Tag}}").split():
        return BASE
    system = tmp_path_factory.mktemp("base") / "debian"
    packages = "--include=ca-certificates,python3,python3-venv"
    subprocess.run(["debootstrap", "--variant=minbase", packages, "bookworm", system], capture_output=True, check=True)
    for archive in (system / "var" / "cache" / "apt" / "archives").glob("*.deb"):
        archive.unlink()
    container = buildah("from", "scratch")
    buildah("add", "--quiet", container, str(system), "/")
    buildah("commit", "--quiet", "--rm", container, BASE)
    shutil.rmtree(system)
    return BASE


@pytest.fixture(scope="session")
def built_images(base_image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Image]]:
    """Both images, by the command that a person would use."""
    command = [sys.executable, "-m", "vodstack_cli.images", "--builder", "buildah", "--tag", TAG, "--base", base_image]
    # Packages come from where this machine gets them, so its certificate authorities have to count.
    options = ["--", "--pull-never", "--volume", "/etc/ssl/certs:/etc/ssl/certs:ro"]
    done = subprocess.run(
        [*command, *options], cwd=ROOT, env=ENVIRONMENT, stderr=subprocess.PIPE, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    bundles = tmp_path_factory.mktemp("bundles")
    names = {repository: f"localhost/vodstack/{repository}:{TAG}" for repository in ("api", "video-processor")}
    found, containers = {}, []
    for repository, name in names.items():
        config = json.loads(buildah("inspect", "--type", "image", name))["OCIv1"]["config"]
        containers.append(buildah("from", "--pull-never", name))
        found[repository] = Image(repository, Path(buildah("mount", containers[-1])), config, bundles)
    yield found
    buildah("rm", *containers)
    buildah("rmi", *names.values())
