"""The roles that the program makes fit the workflows that take them and the state that `bootstrap` makes."""

from pathlib import Path

import pytest
import yaml

from vodstack_platform.config.foundation import GithubSettings
from vodstack_platform.deployment_actions import ECR, UNNAMED, is_read
from vodstack_platform.github_delivery import DEPLOY_WORKFLOW, PREVIEW_WORKFLOW

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("workflow", "file", "reference"),
    [(DEPLOY_WORKFLOW, "deploy", "refs/heads/main"), (PREVIEW_WORKFLOW, "preview", "refs/pull/*/merge")],
)
def test_each_role_trusts_the_workflow_file_that_takes_it_at_the_reference_that_starts_it(workflow, file, reference):
    assert workflow == f"{file}.yml@{reference}"
    text = (ROOT / ".github" / "workflows" / f"{file}.yml").read_text()
    assert f"vars.{file.upper()}_ROLE_ARN" in text
    triggers = yaml.safe_load(text)[True]
    assert triggers.keys() <= {"push", "workflow_dispatch"} if file == "deploy" else {"pull_request"}


def test_the_environment_that_the_deploy_role_trusts_is_the_jobs():
    (job,) = yaml.safe_load((ROOT / ".github" / "workflows" / "deploy.yml").read_text())["jobs"].values()
    assert GithubSettings(repository="owner/name", owner_id=1, repository_id=2).environment == job["environment"]


def test_the_deploy_role_may_push_an_image():
    """What `docker push` to ECR calls, as AWS documents it."""
    pushing = {
        "BatchCheckLayerAvailability",
        "InitiateLayerUpload",
        "UploadLayerPart",
        "CompleteLayerUpload",
        "PutImage",
    }
    assert pushing <= set(ECR.split())
    assert "ecr:GetAuthorizationToken" in UNNAMED.split()


def test_the_preview_role_may_find_the_newest_image_and_push_none():
    assert is_read("ecr:DescribeImages")
    assert "DescribeImages" in ECR.split()
    assert not is_read("ecr:PutImage")
    assert not is_read("ecr:GetAuthorizationToken")
