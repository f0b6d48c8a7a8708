"""The roles that the program makes fit the workflows that take them and the state that `bootstrap` makes."""

from pathlib import Path

import yaml

from vodstack_cli.state_key import KEY_ALIAS
from vodstack_platform.config.foundation import GithubSettings
from vodstack_platform.deployment_access import STATE_ALIAS
from vodstack_platform.deployment_actions import ECR, UNNAMED, is_read

ROOT = Path(__file__).parents[2]


def test_the_roles_reach_the_key_that_bootstrap_makes():
    assert STATE_ALIAS == KEY_ALIAS


def test_the_environment_that_the_deploy_role_trusts_is_the_jobs():
    (job,) = yaml.safe_load((ROOT / ".github" / "workflows" / "deploy.yml").read_text())["jobs"].values()
    assert GithubSettings(repository="owner/name").environment == job["environment"]


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
