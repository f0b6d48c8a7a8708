"""The policy pack with packages of its own, as Pulumi installs and starts it on a fresh clone."""

import subprocess
import sys
from pathlib import Path

import grpc
import pytest
import yaml
from google.protobuf import empty_pb2
from google.protobuf.struct_pb2 import Struct
from pulumi.runtime.proto import analyzer_pb2, analyzer_pb2_grpc

from vodstack_platform.rules import RULES

PROJECT = Path(__file__).parents[2]
PACK = PROJECT / "platform" / "policies"
BELOW_THE_LOCK = sorted(
    (*(PROJECT / "platform").rglob("PulumiPolicy.yaml"), *(PROJECT / "docs" / "examples").rglob("Pulumi.yaml"))
)


@pytest.mark.parametrize("path", BELOW_THE_LOCK, ids=lambda path: path.parent.name)
def test_what_has_packages_of_its_own_below_the_lock_names_its_toolchain(path: Path):
    """Unnamed, Pulumi looks for a uv.lock upwards and fills the environment from ours, without those packages."""
    assert (PROJECT / "uv.lock").exists()
    assert yaml.safe_load(path.read_text())["runtime"]["options"] == {"toolchain": "pip", "virtualenv": ".venv"}
    assert (path.parent / "requirements.txt").read_text()


@pytest.mark.prove  # it downloads the pack's packages
@pytest.mark.timeout(600)
def test_the_pack_starts_from_its_requirements_and_judges(tmp_path: Path):
    subprocess.run([sys.executable, "-m", "venv", tmp_path], check=True)
    python = tmp_path / "bin" / "python"
    packages = [python, "-m", "pip", "install", "--quiet", "--requirement", PACK / "requirements.txt"]
    subprocess.run(packages, check=True)
    # So Pulumi's host of Python programs starts it: with the engine's address and the pack's folder.
    command = [python, "-u", "-m", "pulumi.policy", "127.0.0.1:1", "."]
    with subprocess.Popen(command, cwd=PACK, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            with grpc.insecure_channel(f"127.0.0.1:{process.stdout.readline().strip()}") as channel:
                analyzer = analyzer_pb2_grpc.AnalyzerStub(channel)
                offered = {policy.name for policy in analyzer.GetAnalyzerInfo(empty_pb2.Empty()).policies}
                verdicts = [_verdict(analyzer, acl) for acl in ("private", "public-read")]
        finally:
            process.terminate()
    assert offered == {rule.name for rule in RULES}
    assert verdicts == [[], ["no-public-bucket"]]


def _verdict(analyzer: analyzer_pb2_grpc.AnalyzerStub, acl: str) -> list[str]:
    properties = Struct()
    properties.update({"acl": acl})
    kind = "aws:s3/bucket:Bucket"
    bucket = analyzer_pb2.AnalyzeRequest(
        type=kind, name="b", urn=f"urn:pulumi:dev::vodstack::{kind}::b", properties=properties
    )
    return [each.policyName for each in analyzer.Analyze(bucket).diagnostics]
