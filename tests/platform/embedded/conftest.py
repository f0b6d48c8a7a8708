from pathlib import Path

import pytest

from vodstack_platform.embedded.emulator import Emulator, running_emulator
from vodstack_platform.embedded.engine import run_program

REPOSITORY = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def emulator():
    with running_emulator() as running:
        yield running


@pytest.fixture(scope="module")
def deployed(emulator: Emulator):
    """The real program, as `make up` runs it."""
    return run_program("local", project=REPOSITORY, endpoint=emulator.endpoint_url)


@pytest.fixture
def write_project(tmp_path: Path):
    """Writes a Pulumi project around a program's text."""

    def write(program: str, project: str = "", stack: str = "") -> Path:
        (tmp_path / "program").mkdir()
        (tmp_path / "program" / "__main__.py").write_text(program)
        (tmp_path / "Pulumi.yaml").write_text(f"name: sample\nruntime: python\nmain: program\n{project}")
        (tmp_path / "Pulumi.test.yaml").write_text(stack)
        return tmp_path

    return write
