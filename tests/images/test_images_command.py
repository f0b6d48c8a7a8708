"""`vodstack images` with stand-in builders on PATH: what it calls, what it prints, what it says when it cannot."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DIGEST = f"sha256:{'ab' * 32}"
# Each call is a line of its log; the answers are those of the real builders.
STAND_IN = """#!/bin/sh
echo "$(basename "$0") $*" >> "$CALLS"
case "$1" in
  info) exit {info} ;;
  build) echo building; exit {build} ;;
  push) [ "$2" = --digestfile ] && printf '%s' '{digest}' > "$3" ;;
  image) echo '["elsewhere.example/x@sha256:{other}", "'"${{5%:*}}"'@{digest}"]' ;;
esac
exit 0
"""


class Machine:
    """A PATH with chosen builders and nothing else of theirs."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.calls_file = folder / "calls"

    def install(self, name: str, *, info: int = 0, build: int = 0, digest: str = DIGEST):
        script = self.folder / name
        script.write_text(STAND_IN.format(info=info, build=build, digest=digest, other="cd" * 32))
        script.chmod(0o755)

    def images(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        program = f"import sys; sys.argv[1:] = {list(arguments)!r}; from vodstack_cli.images import images; images()"
        return subprocess.run(
            [sys.executable, "-c", program],
            cwd=ROOT,
            env={"PATH": f"{self.folder}{os.pathsep}/usr/bin/nowhere:/bin", "CALLS": str(self.calls_file)},
            capture_output=True,
            text=True,
            check=False,
        )

    @property
    def calls(self) -> list[str]:
        if not self.calls_file.exists():
            return []
        return [line for line in self.calls_file.read_text().splitlines() if not line.endswith(" info")]


@pytest.fixture
def machine(tmp_path):
    found = Machine(tmp_path)
    for name in ("docker", "podman", "buildah"):
        found.install(name, info=1)
    return found


def test_both_images_are_built_from_their_dockerfiles_with_what_was_asked(machine):
    machine.install("podman")
    finished = machine.images(
        "--tag",
        "v1",
        "--platform",
        "linux/arm64",
        "--base",
        "mirror.example/python:3",
        "--revision",
        "abc",
        "--",
        "--pull",
    )
    assert finished.returncode == 0, finished.stderr
    assert machine.calls == [
        f"podman build --file {member}/Dockerfile --tag vodstack/{name}:v1 --platform linux/arm64"
        " --build-arg REVISION=abc --build-arg BASE=mirror.example/python:3 --pull ."
        for member, name in (("app", "api"), ("worker", "video-processor"))
    ]


def test_a_docker_without_its_daemon_is_passed_over_for_what_works(machine):
    machine.install("buildah")
    assert machine.images().returncode == 0
    assert {call.split()[0] for call in machine.calls} == {"buildah"}


@pytest.mark.parametrize("builder", ["docker", "podman", "buildah"])
def test_pushed_images_are_printed_by_digest_and_nothing_else_is(machine, builder):
    machine.install(builder)
    finished = machine.images("--api-repository", "r.example/api", "--worker-repository", "r.example:5000/team/worker")
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout == f"api=r.example/api@{DIGEST}\nworker=r.example:5000/team/worker@{DIGEST}\n"


def test_nothing_is_pushed_before_both_are_built(machine):
    machine.install("docker", build=3)
    finished = machine.images("--api-repository", "r.example/api")
    assert finished.returncode != 0
    assert "was not built: docker ended with 3" in finished.stderr
    assert [call.split()[1] for call in machine.calls] == ["build"]


def test_a_push_that_tells_no_digest_is_an_error_not_a_reference_by_tag(machine):
    machine.install("buildah", digest="none")
    finished = machine.images("--api-repository", "r.example/api")
    assert finished.returncode != 0
    assert "no digest of it came back" in finished.stderr
    assert finished.stdout == ""


def test_without_a_builder_the_sentence_says_what_to_install(machine):
    finished = machine.images()
    assert finished.returncode != 0
    assert "None of docker, podman, buildah works" in finished.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--tag", "a b"), "is no tag"),
        (("--tag", "--privileged"), "is no tag"),
        (("--api-repository", "--all-tags"), "is no repository"),
        (("--worker-repository", "r.example/Worker"), "is no repository"),
    ],
)
def test_what_a_builder_could_take_for_something_else_is_refused(machine, arguments, words):
    machine.install("docker")
    finished = machine.images(*arguments)
    assert finished.returncode != 0
    assert words in finished.stderr
    assert machine.calls == []
