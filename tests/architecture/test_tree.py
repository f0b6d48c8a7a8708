"""The shape of the tree: what would break silently, or only on somebody else's machine."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TRACKED = subprocess.run(
    ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
).stdout.splitlines()
PYTHON = [path for path in TRACKED if path.endswith(".py") and (ROOT / path).exists()]
CONTAINERS = ("platform", "stacks", "tests", "bench", "dashboards", "docs")


@pytest.mark.parametrize("container", CONTAINERS)
def test_a_container_is_no_package(container):
    assert not (ROOT / container / "__init__.py").exists()


def test_import_platform_stays_the_standard_librarys():
    program = "import platform, uuid; print(platform.__file__)"
    for directory in (ROOT, ROOT / "stacks"):
        found = subprocess.run(
            [sys.executable, "-c", program],
            cwd=directory,
            env={"PYTHONPATH": str(directory)},
            capture_output=True,
            text=True,
            check=True,
        )
        assert not Path(found.stdout.strip()).is_relative_to(ROOT / "platform")


def test_no_module_in_the_programs_folder_shadows_a_standard_one():
    names = {path.stem for path in (ROOT / "stacks").glob("*.py")} - {"__main__"}
    assert not names & sys.stdlib_module_names


def test_no_module_is_called_by_a_word_that_says_nothing():
    vague = re.compile(r"(utils?|helpers?|common|manager|misc)\.py$")
    assert [path for path in PYTHON if vague.search(path)] == []


def test_moto_stays_out_of_what_is_shipped():
    """moto plays AWS on a laptop; it is an extra of the platform and no dependency of anything."""
    for member in ("pyproject.toml", "app/pyproject.toml", "worker/pyproject.toml"):
        assert "moto" not in (ROOT / member).read_text()


def test_every_target_of_the_makefile_says_what_it_does():
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z][a-z-]*):", makefile, re.MULTILINE))
    described = set(re.findall(r"^([a-z][a-z-]*):.*## ", makefile, re.MULTILINE))
    assert targets == described


def test_every_decision_record_is_numbered_once():
    numbers = [path.name[:4] for path in (ROOT / "docs" / "adr").glob("*.md")]
    assert len(numbers) == len(set(numbers))
    assert all(number.isdigit() for number in numbers)
