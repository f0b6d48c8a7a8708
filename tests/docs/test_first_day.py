"""Facts that docs/first-day.md takes over from elsewhere."""

import re
import tomllib

import pytest
import yaml

from vodstack_platform.config.reading import parse_settings

from .pages import ROOT

PAGE = (ROOT / "docs" / "first-day.md").read_text()
DEV = yaml.safe_load((ROOT / "Pulumi.dev.yaml").read_text())["config"]
SETTINGS = parse_settings({key.partition(":")[2]: value for key, value in DEV.items() if key.startswith("vodstack:")})


def test_the_quota_that_is_asked_for_is_enough_for_dev_and_its_replacements():
    vcpus = 2  # of each of its types
    assert all(name.endswith((".medium", ".large")) for name in SETTINGS.cluster.nodes.instance_types)
    (wanted,) = map(int, re.findall(r"--desired-value ([0-9]+)", PAGE))
    assert f"with {SETTINGS.cluster.nodes.desired_size} nodes of {vcpus}" in PAGE
    assert f"may grow to {SETTINGS.cluster.nodes.max_size}: ask for {wanted}" in PAGE
    assert wanted >= vcpus * (SETTINGS.cluster.nodes.max_size + 1)


@pytest.mark.parametrize("tool", ["pulumi", "uv", "kubectl", "moto"])
def test_versions_are_those_that_the_project_uses(tool: str):
    workflow = (ROOT / ".github" / "workflows" / "deploy.yml").read_text()
    makefile = (ROOT / "Makefile").read_text()
    locked = {each["name"]: each["version"] for each in tomllib.loads((ROOT / "uv.lock").read_text())["package"]}
    minor = int(SETTINGS.cluster.version.partition(".")[2])
    expected = {
        "pulumi": f"| Pulumi CLI | {_minor(re.findall(r'pulumi-version: ([0-9.]+)', workflow)[0])} |",
        "uv": f"| `uv`, on PATH | {_minor(re.findall(r'^UV_VERSION := ([0-9.]+)', makefile, re.MULTILINE)[0])} |",
        "kubectl": f"| `kubectl` | 1.{minor - 1} to 1.{minor + 1} |",
        "moto": f"moto[server]=={locked['moto']}'",
    }
    assert expected[tool] in PAGE


def _minor(version: str) -> str:
    return version.rpartition(".")[0]


def test_names_and_the_tag_are_those_of_dev():
    assert "vodstack-dev" in PAGE
    assert SETTINGS.cluster.name is None
    assert f"--tag {SETTINGS.services.images.tag} " in PAGE
