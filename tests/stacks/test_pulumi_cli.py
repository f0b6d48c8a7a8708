"""The steps of a stack's life by the real CLI, against moto. Skipped where `pulumi` and its plugins are not on PATH."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
# The first run of a machine downloads the AWS provider.
pytestmark = [
    pytest.mark.skipif(
        not (shutil.which("pulumi") and shutil.which("pulumi-language-python")),
        reason="the Pulumi CLI, or its host of Python programs, is not on PATH",
    ),
    pytest.mark.timeout(1200),
]


class Cli:
    """Runs Pulumi on a state of its own, with a copy of the stack's config."""

    def __init__(self, folder: Path, endpoint: str) -> None:
        config = yaml.safe_load((ROOT / "Pulumi.emulator.yaml").read_text())
        config["config"]["vodstack:aws"] = {"endpoint": endpoint}
        self._config_file = folder / "Pulumi.emulator.yaml"
        self._config_file.write_text(yaml.safe_dump(config))
        shutil.copy(ROOT / "Pulumi.yaml", folder)
        for each in ("stacks", "state"):
            (folder / each).mkdir()
        self._environment = {
            **os.environ,
            "PULUMI_BACKEND_URL": f"file://{folder / 'state'}",
            "PULUMI_CONFIG_PASSPHRASE": "throw-away",
            "PULUMI_SKIP_UPDATE_CHECK": "true",
        }

    def __call__(self, *arguments: str) -> str:
        command = ["pulumi", *arguments, "--stack", "emulator", "--non-interactive", "--color", "never"]
        if arguments[0] in ("preview", "up", "destroy"):
            command += ["--config-file", str(self._config_file)]
        # A stack's init writes into its file, and the project's own is not the test's to change.
        place = self._config_file.parent if arguments[0] == "stack" else ROOT
        done = subprocess.run(command, cwd=place, env=self._environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
        return done.stdout


@pytest.fixture
def pulumi(tmp_path: Path, aws_endpoint: str) -> Cli:
    return Cli(tmp_path, aws_endpoint)


def test_a_stack_is_previewed_made_left_alone_and_destroyed(pulumi: Cli, aws_endpoint: str):
    pulumi("stack", "init")
    pulumi("preview")
    pulumi("up", "--yes", "--skip-preview")
    outputs = json.loads(pulumi("stack", "output", "--json"))
    assert outputs["videosTableName"] == "twelve-labs-videos"
    assert outputs["arrivalsQueueUrl"].startswith(aws_endpoint)
    pulumi("up", "--yes", "--skip-preview", "--expect-no-changes")
    pulumi("destroy", "--yes", "--skip-preview")
    assert json.loads(pulumi("stack", "export"))["deployment"].get("resources", []) == []
