"""The project's files, by the rules that the Pulumi CLI holds them to before it runs anything."""

import json
import sys
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


def test_the_stacks_are_those_of_the_design():
    assert STACKS == ["dev", "emulator", "local"]


@pytest.mark.parametrize("module", sorted((ROOT / "stacks").glob("*.py")), ids=lambda path: path.name)
def test_no_module_of_the_program_bears_a_standard_modules_name(module):
    assert module.stem == "__main__" or module.stem not in sys.stdlib_module_names
