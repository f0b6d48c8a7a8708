"""What can be said of the images without building them."""

import re
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest

from vodstack_platform.workload import USER_ID

ROOT = Path(__file__).parents[2]
LOCK = tomllib.loads((ROOT / "uv.lock").read_text())
MEMBERS = ("app", "worker")
PLATFORMS = {"linux/amd64": "x86_64", "linux/arm64": "aarch64"}
# What the image's Python and C library take: CPython 3.11, glibc 2.36 of Debian 12.
INTERPRETERS = re.compile(r"cp311|abi3|py3|py2\.py3")
NEWEST_GLIBC = 36


def dockerfile(member: str) -> str:
    return (ROOT / member / "Dockerfile").read_text()


def closure(member: str) -> dict[str, dict]:
    """The locked packages that a Linux image of `member` may get, by name and version."""
    packages = {(package["name"], package["version"]): package for package in LOCK["package"] if "version" in package}
    by_name: dict[str, list] = {}
    for (name, _), package in packages.items():
        by_name.setdefault(name, []).append(package)
    found, waiting = {}, [(f"vodstack-{member}", None, ())]
    while waiting:
        name, wanted, extras = waiting.pop()
        for package in by_name[name]:
            label = f"{name} {package['version']} {sorted(extras)}"
            if label in found or (wanted and package["version"] != wanted):
                continue
            found[label] = package
            needs = list(package.get("dependencies", ()))
            for extra in extras:
                needs += package.get("optional-dependencies", {}).get(extra, ())
            for need in needs:
                marker = need.get("marker", "")
                elsewhere = "win32" in marker.split("!=")[0] or ">= '3.12'" in marker or ">= '3.13'" in marker
                if not elsewhere:
                    waiting.append((need["name"], need.get("version"), tuple(need.get("extra", ()))))
    return found


def suits(wheel: str, machine: str) -> bool:
    _, _, interpreter, abi, tags = wheel.removesuffix(".whl").rsplit("-", 4)
    if not (INTERPRETERS.search(interpreter) or abi == "abi3"):
        return False
    if tags == "any":
        return True
    glibc = [int(minor) for minor in re.findall(rf"manylinux_2_([0-9]+)_{machine}", tags)]
    return f"manylinux2014_{machine}" in tags or any(minor <= NEWEST_GLIBC for minor in glibc)


@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize("member", MEMBERS)
def test_every_package_of_an_image_comes_as_a_wheel_so_no_compiler_is_needed(member, platform):
    lacking = [
        label
        for label, package in closure(member).items()
        if "registry" in package["source"]
        and not any(suits(wheel["url"].rpartition("/")[2], PLATFORMS[platform]) for wheel in package["wheels"])
    ]
    assert lacking == []


@pytest.mark.parametrize("member", MEMBERS)
def test_an_image_holds_no_other_member_than_its_own_and_the_contracts(member):
    names = {label.split()[0] for label in closure(member)}
    assert {name for name in names if name.startswith("vodstack-")} == {f"vodstack-{member}", "vodstack-contracts"}
    assert not names & {"moto", "pulumi", "boto3", "pytest"}
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", dockerfile(member), re.MULTILINE)
    assert {source.split("/")[0] for line in copied for source in line.split()} <= {
        "pyproject.toml",
        "uv.lock",
        "platform",
        member,
    }


def test_the_worker_ships_the_ffmpeg_that_the_laptop_runs():
    (shipped,) = [label.split()[1] for label in closure("worker") if label.startswith("imageio-ffmpeg ")]
    assert shipped == version("imageio-ffmpeg")
    assert "apt-get" not in dockerfile("worker")


def test_both_images_stand_on_one_base_pinned_by_digest_and_a_precise_tag():
    bases = {re.findall(r"^ARG BASE=(.+)$", dockerfile(member), re.MULTILINE)[0] for member in MEMBERS}
    (base,) = bases
    assert re.fullmatch(r"docker\.io/library/python:3\.11\.\d+-slim-bookworm@sha256:[0-9a-f]{64}", base)
    assert base in (ROOT / "docs" / "images.md").read_text()


@pytest.mark.parametrize("member", MEMBERS)
def test_every_stage_starts_from_the_argument_so_that_another_base_can_be_given(member):
    stages = re.findall(r"^FROM (\S+)", dockerfile(member), re.MULTILINE)
    assert stages == ["${BASE}", "${BASE}"]


@pytest.mark.parametrize("member", MEMBERS)
def test_the_process_is_the_python_itself_and_runs_as_the_user_of_the_pods(member):
    text = dockerfile(member)
    assert f'ENTRYPOINT ["/opt/vodstack/bin/python", "-m", "vodstack_{member}"]' in text
    assert f"USER {USER_ID}:{USER_ID}" in text
    assert "PYTHONSAFEPATH=1" in text


def test_the_builder_brings_the_same_uv_as_the_makefile():
    (wanted,) = re.findall(r"^UV_VERSION := (\S+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    for member in MEMBERS:
        assert f"ARG UV_VERSION={wanted}\n" in dockerfile(member)


def test_the_build_sees_nothing_that_is_not_named():
    lines = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    assert lines[0] == "*"
    assert {line[1:] for line in lines if line.startswith("!")} == {
        "pyproject.toml",
        "uv.lock",
        "platform/contracts",
        "app",
        "worker",
    }
