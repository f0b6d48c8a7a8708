"""The workflows: what they may do, whose code they run, and that they say what the Makefile says."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / ".github" / "workflows"
NAMES = ("ci", "deploy", "preview")
# Each further action is somebody else's code with our rights.
ACTIONS = {"actions/checkout", "aws-actions/configure-aws-credentials", "pulumi/actions"}


def text(name: str) -> str:
    return (FOLDER / f"{name}.yml").read_text()


def workflow(name: str) -> dict[Any, Any]:
    return yaml.safe_load(text(name))


def triggers(name: str) -> Any:
    return workflow(name)[True]  # YAML reads `on` as a boolean


def jobs(name: str) -> dict[str, Any]:
    return workflow(name)["jobs"]


def steps(name: str) -> list[dict[str, Any]]:
    return [step for job in jobs(name).values() for step in job["steps"]]


def locked(package: str) -> str:
    packages = tomllib.loads((ROOT / "uv.lock").read_text())["package"]
    return next(entry["version"] for entry in packages if entry["name"] == package)


def test_these_are_all_the_workflows():
    assert {path.stem for path in FOLDER.iterdir()} == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_every_action_is_one_of_few_and_pinned_by_commit_with_its_version_beside_it(name):
    used = re.findall(r"uses: (.+)$", text(name), re.MULTILINE)
    assert used
    for use in used:
        action, _, pin = use.partition("@")
        assert action in ACTIONS
        assert re.fullmatch(r"[0-9a-f]{40} # v\d+\.\d+\.\d+", pin), use


@pytest.mark.parametrize("name", NAMES)
def test_no_step_runs_a_script_with_anything_but_the_runners_variables_in_it(name):
    """Text of a pull request in `${{ }}` inside a script is a script of whoever wrote it."""
    assert [step for step in steps(name) if "${{" in step.get("run", "")] == []


@pytest.mark.parametrize("name", NAMES)
def test_the_token_starts_with_no_right_to_write(name):
    assert workflow(name)["permissions"] in ({}, {"contents": "read"})


@pytest.mark.parametrize("name", NAMES)
def test_the_checkout_leaves_no_token_behind(name):
    checkouts = [step for step in steps(name) if step.get("uses", "").startswith("actions/checkout@")]
    assert all(step["with"] == {"persist-credentials": False} for step in checkouts)


@pytest.mark.parametrize("name", NAMES)
def test_no_stored_key_is_used(name):
    assert "secrets." not in text(name)
    assert not re.search(r"aws-(access-key-id|secret-access-key)|PULUMI_ACCESS_TOKEN", text(name))


@pytest.mark.parametrize("name", NAMES)
def test_every_job_ends(name):
    assert all(job["timeout-minutes"] <= 90 for job in jobs(name).values())


def test_the_job_that_may_comment_runs_nothing_of_the_pull_request():
    comment = jobs("preview")["comment"]
    assert comment["permissions"] == {"pull-requests": "write"}
    assert [step for step in comment["steps"] if "uses" in step] == []
    assert jobs("preview")["preview"]["permissions"] == {"contents": "read", "id-token": "write"}


def test_a_pull_request_from_a_fork_gets_no_credentials():
    assert set(triggers("preview")) == {"pull_request"}
    condition = jobs("preview")["preview"]["if"]
    assert condition.startswith("github.event.pull_request.head.repo.full_name == github.repository && ")


def test_a_preview_takes_the_role_for_previews_and_a_deployment_the_one_for_deployments():
    assert "DEPLOY_ROLE_ARN" not in text("preview")
    assert "PREVIEW_ROLE_ARN" not in text("deploy")


def test_a_preview_is_held_to_the_rules():
    commands = "\n".join(step.get("run", "") for step in steps("preview"))
    (pack,) = re.findall(r"--policy-pack (\S+)", commands)
    assert f"{pack}/requirements.txt" in commands
    assert (ROOT / pack / "PulumiPolicy.yaml").is_file()


def test_a_preview_changes_nothing():
    commands = "\n".join(step.get("run", "") for step in steps("preview"))
    assert not re.search(r"pulumi (up|update|destroy|refresh|import|state|config set)\b", commands)


def test_deployments_come_one_after_another_from_main_alone():
    assert triggers("deploy") == {"push": {"branches": ["main"]}, "workflow_dispatch": None}
    assert workflow("deploy")["concurrency"] == {"group": "deploy-dev", "cancel-in-progress": False}
    (job,) = jobs("deploy").values()
    assert job["environment"] == "dev"
    assert job["if"].startswith("github.ref == 'refs/heads/main' && ")


def test_images_are_built_before_there_are_credentials_on_a_runner_of_the_nodes_architecture():
    (job,) = jobs("deploy").values()
    assert job["runs-on"].endswith("-arm")
    order = [step.get("name") or step["uses"].partition("@")[0] for step in job["steps"]]
    assert order.index("Build the images, before there are credentials") < order.index(
        "aws-actions/configure-aws-credentials"
    )


def test_a_deployment_names_its_images_by_digest_alone():
    last = steps("deploy")[-1]
    for name in ("api", "worker"):
        assert last["env"][f"{name.upper()}_IMAGE"] == f"${{{{ steps.images.outputs.{name} }}}}"
        assert f'--config "vodstack:services.images.{name}=${name.upper()}_IMAGE"' in last["run"]
    assert "images.tag" not in text("deploy")


@pytest.mark.parametrize("name", NAMES)
def test_every_make_target_exists(name):
    targets = set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    used = {
        target for step in steps(name) for target in re.findall(r"\bmake (?:--\S+ )*([a-z-]+)", step.get("run", ""))
    }
    assert used <= targets


@pytest.mark.parametrize("name", ["deploy", "preview"])
def test_the_pulumi_that_runs_is_the_one_in_the_lock(name):
    (install,) = [step for step in steps(name) if step.get("uses", "").startswith("pulumi/actions@")]
    assert install["with"] == {"pulumi-version": locked("pulumi")}


@pytest.mark.parametrize("name", ["deploy", "preview"])
def test_a_failure_within_a_pipe_fails_the_step(name):
    assert workflow(name)["defaults"] == {"run": {"shell": "bash"}}


def test_the_page_that_sets_delivery_up_names_every_variable_of_the_workflows():
    used = set(re.findall(r"vars\.([A-Z_]+)", text("deploy") + text("preview")))
    page = (ROOT / "docs" / "delivery.md").read_text()
    assert used == set(re.findall(r"^ *\| `([A-Z_]+)` \|", page, re.MULTILINE))


def test_what_runs_before_a_commit_is_pinned_to_what_make_check_runs():
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert [repo["repo"] for repo in hooks] == ["local"]
    pins = {pin for hook in hooks[0]["hooks"] for pin in hook["additional_dependencies"]}
    makefile = dict(re.findall(r"^([A-Z_]+) := (\S+)$", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert f"ruff=={locked('ruff')}" in pins
    assert f"zizmor=={locked('zizmor')}" in pins
    assert f"uv=={makefile['UV_VERSION']}" in pins
    assert f"github.com/rhysd/actionlint/cmd/actionlint@v{makefile['ACTIONLINT_VERSION']}" in pins
    assert all(re.search(r"(==|@v)\d", pin) for pin in pins)
