"""`vodstack images`: builds both images with whichever builder is there, and pushes them by digest."""

import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from vodstack_cli.errors import CommandError
from vodstack_cli.project import project_option

BUILDERS = ("docker", "podman", "buildah")
TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
REPOSITORY = re.compile(r"[a-z0-9][a-z0-9.-]*(?::[0-9]{1,5})?(?:/[a-z0-9][a-z0-9._-]*)+")
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


@dataclass(frozen=True)
class Image:
    """One of ours: `name` as the stack's config calls it, `repository` as it is called on the machine that built it."""

    name: str
    member: str
    repository: str


IMAGES = (
    Image(name="api", member="app", repository="vodstack/api"),
    Image(name="worker", member="worker", repository="vodstack/video-processor"),
)


@click.command()
@project_option
@click.option("--builder", type=click.Choice(BUILDERS), help="What builds.  [default: the first that works]")
@click.option("--platform", help="Such as linux/arm64.  [default: this machine's]")
@click.option("--tag", default="local", show_default=True, help="Tag of both images.")
@click.option("--base", help="Base image instead of the Dockerfiles' own.")
@click.option("--revision", default="unknown", show_default=True, help="Commit that the images' labels name.")
@click.option("--api-repository", help="Push the API's image there and print its reference by digest.")
@click.option("--worker-repository", help="Push the worker's image there and print its reference by digest.")
@click.argument("options", nargs=-1, type=click.UNPROCESSED, metavar="[-- BUILD_OPTIONS...]")
def images(
    *,
    project: Path,
    builder: str | None,
    platform: str | None,
    tag: str,
    base: str | None,
    revision: str,
    api_repository: str | None,
    worker_repository: str | None,
    options: tuple[str, ...],
) -> None:
    """Build the images of the API and the worker. BUILD_OPTIONS go to the builder's build as they are."""
    if not TAG.fullmatch(tag):
        raise CommandError(f"{tag!r} is no tag: letters, digits, '_', '.' and '-', at most 128.")
    targets = {"api": api_repository, "worker": worker_repository}
    for repository in filter(None, targets.values()):
        if not REPOSITORY.fullmatch(repository):
            raise CommandError(f"{repository!r} is no repository: give one such as registry.example.com/team/api.")
    tool = Builder(builder or _working_builder())
    arguments = {"REVISION": revision, **({"BASE": base} if base else {})}
    for image in IMAGES:
        tool.build(project=project, image=image, tag=tag, platform=platform, arguments=arguments, options=options)
    for image in IMAGES:
        if target := targets[image.name]:
            click.echo(f"{image.name}={target}@{tool.push(f'{image.repository}:{tag}', f'{target}:{tag}')}")


def _working_builder() -> str:
    """A docker command without its daemon builds nothing, so each is asked, not looked up."""
    for name in BUILDERS:
        if shutil.which(name) and subprocess.run([name, "info"], capture_output=True, check=False).returncode == 0:
            return name
    raise CommandError(
        f"None of {', '.join(BUILDERS)} works on this machine: install one, or start docker's daemon. "
        "`make demo` and `make up` need no images."
    )


@dataclass(frozen=True)
class Builder:
    """The three builders' one dialect: same files, same words, a digest each writes in its own way."""

    name: str

    def build(
        self,
        *,
        project: Path,
        image: Image,
        tag: str,
        platform: str | None,
        arguments: dict[str, str],
        options: Sequence[str],
    ) -> None:
        command = [self.name, "build", "--file", str(project / image.member / "Dockerfile")]
        command += ["--tag", f"{image.repository}:{tag}"]
        command += ["--platform", platform] if platform else []
        for key, value in arguments.items():
            command += ["--build-arg", f"{key}={value}"]
        self._run([*command, *options, str(project)], f"{image.repository}:{tag} was not built")

    def push(self, local: str, remote: str) -> str:
        """The digest under which the registry keeps what was pushed."""
        self._run([self.name, "tag", local, remote], f"{local} was not tagged as {remote}")
        failure = f"{remote} was not pushed. Log in to its registry; a tag that is there may be immutable"
        if self.name == "docker":
            self._run(["docker", "push", remote], failure)
            return self._docker_digest(remote)
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "digest"
            self._run([self.name, "push", "--digestfile", str(file), remote], failure)
            return _digest(file.read_text(encoding="utf-8"), remote)

    def _docker_digest(self, remote: str) -> str:
        command = ["docker", "image", "inspect", "--format", "{{json .RepoDigests}}", remote]
        found = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        repository = remote.rpartition(":")[0]
        references = [reference for reference in json.loads(found) if reference.startswith(f"{repository}@")]
        return _digest(references[0].partition("@")[2] if references else "", remote)

    def _run(self, command: list[str], failure: str) -> None:
        """The builder's own words go to standard error: standard output is for what comes out of it."""
        try:
            subprocess.run(command, stdout=sys.stderr.fileno(), check=True)
        except FileNotFoundError as error:
            raise CommandError(f"{self.name} is not on PATH.") from error
        except subprocess.CalledProcessError as error:
            raise CommandError(f"{failure}: {self.name} ended with {error.returncode}; its reason is above.") from error


def _digest(text: str, remote: str) -> str:
    digest = text.strip()
    if not DIGEST.fullmatch(digest):
        raise CommandError(f"{remote} was pushed, but no digest of it came back. Look it up in the registry.")
    return digest


if __name__ == "__main__":
    images()
