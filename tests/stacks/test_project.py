"""The project's files, by the rules that the Pulumi CLI holds them to before it runs anything."""

import json
import os
import re
import shutil
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest
import yaml

from vodstack_platform.config.reading import parse_settings

ROOT = Path(__file__).parents[2]
PROJECT = yaml.safe_load((ROOT / "Pulumi.yaml").read_text())
STACKS = sorted(path.name.split(".")[1] for path in ROOT.glob("Pulumi.*.yaml"))


def test_declared_config_is_typed_where_it_is_ours_and_a_plain_value_elsewhere():
    for key, declared in PROJECT["config"].items():
        if key.startswith("vodstack:"):
            assert declared["type"] in {"string", "integer", "boolean", "array"}
            assert "value" not in declared
        else:
            assert declared.keys() == {"value"}


def test_declared_defaults_are_those_of_the_code():
    defaults = json.loads(parse_settings({"services": {"auth": "none", "images": {"tag": "v1"}}}).model_dump_json())
    for key, declared in PROJECT["config"].items():
        if key.startswith("vodstack:"):
            assert declared["default"] == defaults[key.partition(":")[2]]


@pytest.mark.parametrize("stack", STACKS)
def test_a_stacks_file_is_valid_and_names_its_region(stack):
    config = yaml.safe_load((ROOT / f"Pulumi.{stack}.yaml").read_text())["config"]
    assert config["aws:region"]
    ours = {key.partition(":")[2]: value for key, value in config.items() if key.startswith("vodstack:")}
    parse_settings(ours)


STACK_FILES = sorted((*ROOT.glob("Pulumi*.yaml"), *(ROOT / "docs").rglob("Pulumi*.yaml")))


@pytest.mark.parametrize("path", STACK_FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_stacks_file_is_in_the_style_that_pulumi_rewrites_it_in(path):
    """`pulumi stack init` and `pulumi config set` keep order, quotes and comments, and set the rest anew by yaml.v3."""
    text = path.read_text()
    assert text.endswith("\n")
    for line in text.splitlines():
        assert line.strip(), "it drops blank lines"
        assert line == line.rstrip()
        assert not re.search(r"[{\[] | [}\]]", line), line
        assert _indent(line) % 2 == 0, line
    for comment, line in pairwise(text.splitlines()):
        # A comment below the last key of a section moves to another place.
        assert not comment.lstrip().startswith("#") or _indent(comment) == _indent(line), comment


def _indent(line):
    return len(line) - len(line.lstrip())


@pytest.mark.skipif(shutil.which("pulumi") is None, reason="the Pulumi CLI is not on PATH")
@pytest.mark.parametrize(
    "path", [each for each in STACK_FILES if each.name != "Pulumi.yaml"], ids=lambda path: path.name
)
def test_pulumi_changes_no_line_of_a_stacks_file(path, tmp_path):
    stack = path.name.split(".")[1]
    (tmp_path / "stacks").mkdir()
    shutil.copy(
        path.parent / "Pulumi.yaml" if (path.parent / "Pulumi.yaml").exists() else ROOT / "Pulumi.yaml", tmp_path
    )
    shutil.copy(path, tmp_path)
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "PULUMI_BACKEND_URL": f"file://{tmp_path}",
        "PULUMI_CONFIG_PASSPHRASE": "throw-away",
    }
    for command in (["stack", "init", stack], ["config", "set", "--stack", stack, "aws:profile", "mine"]):
        subprocess.run(["pulumi", *command, "--non-interactive"], cwd=tmp_path, env=environment, check=True)
    before, after = path.read_text().splitlines(), (tmp_path / path.name).read_text().splitlines()
    assert [line for line in after if line in before] == before
    assert [line.strip().partition(":")[0] for line in after if line not in before] == ["aws", "encryptionsalt"]


def test_the_stacks_are_those_of_the_design():
    assert STACKS == ["dev", "emulator", "local"]


@pytest.mark.parametrize("module", sorted((ROOT / "stacks").glob("*.py")), ids=lambda path: path.name)
def test_no_module_of_the_program_bears_a_standard_modules_name(module):
    assert module.stem == "__main__" or module.stem not in sys.stdlib_module_names
