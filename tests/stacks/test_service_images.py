"""Which images the services run, and how the program builds them."""

from pathlib import Path

import pytest
from tests.stacks.conftest import pod_and_container

ROOT = Path(__file__).parents[2]


def test_images_are_the_registrys_by_tag_unless_given(run, dev):
    assert pod_and_container(dev, "api")[1]["image"] == f"{dev.outputs['apiRepositoryUrl']}:v0.1.0"
    given = {"api": "registry.example/api@sha256:" + "0" * 64, "worker": "registry.example/worker:1"}
    other = run("dev", services={"auth": "none", "images": given})
    assert pod_and_container(other, "worker")[1]["image"] == given["worker"]


@pytest.mark.parametrize(("name", "folder"), [("api", "app"), ("worker", "worker")])
def test_the_program_builds_images_on_request_and_runs_them_by_digest(run, name, folder):
    building = run("dev", services={"images": {"build": True}})
    image = building.one("docker-build:index:Image", name)
    repository = building.outputs[f"{name}RepositoryUrl"]
    assert pod_and_container(building, name)[1]["image"] == f"{repository}@{image.outputs['digest']}"
    (export,) = (each["registry"] for each in image.inputs["exports"])
    assert export["names"] == [repository]
    assert export["push"] is export["pushByDigest"] is True
    assert image.inputs["platforms"] == ["linux/arm64"]
    assert image.inputs["buildOnPreview"] is False
    assert (ROOT / "stacks" / image.inputs["context"]["location"]).resolve() == ROOT
    assert (ROOT / "stacks" / image.inputs["dockerfile"]["location"]).resolve() == ROOT / folder / "Dockerfile"


def test_a_built_images_cache_takes_the_one_tag_that_may_move_and_its_login_stays_secret(run):
    building = run("dev", services={"images": {"build": True}})
    image = building.one("docker-build:index:Image", "api")
    (allowed,) = building.one("aws:ecr/repository:Repository", "api").inputs["imageTagMutabilityExclusionFilters"]
    cache = f"{building.outputs['apiRepositoryUrl']}:{allowed['filter']}"
    assert image.inputs["cacheFrom"] == [{"registry": {"ref": cache}}]
    assert image.inputs["cacheTo"][0]["registry"]["ref"] == cache
    assert image.inputs["cacheTo"][0]["registry"]["imageManifest"] is True
    assert image.inputs["registries"][0]["address"] == cache.partition("/")[0]
    assert "registries" in image.secret_inputs


def test_a_reference_comes_before_a_build(run):
    given = {"build": True, "api": "registry.example/api@sha256:" + "0" * 64}
    building = run("dev", services={"images": given})
    assert [image.name for image in building.of_type("docker-build:index:Image")] == ["worker"]
    assert pod_and_container(building, "api")[1]["image"] == given["api"]
