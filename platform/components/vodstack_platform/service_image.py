from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws
import pulumi_docker_build as docker_build

from vodstack_platform.image_registry import CACHE_TAG


@dataclass(frozen=True, kw_only=True)
class ServiceImageArgs:
    """What is built, and where it goes."""

    repository_url: pulumi.Output[str]
    """Repository that the image is pushed to."""
    context: str
    """Folder of the build, as seen from the program's, so that it is alike on every machine."""
    dockerfile: str
    """Path of the Dockerfile, as seen from the program's folder."""
    platforms: Sequence[str]
    """Platforms to build for, such as `linux/arm64`."""


class ServiceImage(pulumi.ComponentResource):
    """An image built during `pulumi up`, and known by its digest alone: tags of the registry never move."""

    reference: pulumi.Output[str]

    def __init__(self, name: str, args: ServiceImageArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("vodstack:platform:ServiceImage", name, None, opts)
        cache = pulumi.Output.concat(args.repository_url, ":", CACHE_TAG)
        image = docker_build.Image(
            name,
            context=docker_build.BuildContextArgs(location=args.context),
            dockerfile=docker_build.DockerfileArgs(location=args.dockerfile),
            platforms=[docker_build.Platform(platform) for platform in args.platforms],
            exports=[
                docker_build.ExportArgs(
                    registry=docker_build.ExportRegistryArgs(names=[args.repository_url], push_by_digest=True)
                )
            ],
            cache_from=[docker_build.CacheFromArgs(registry=docker_build.CacheFromRegistryArgs(ref=cache))],
            cache_to=[docker_build.CacheToArgs(registry=_cache_to(cache))],
            build_on_preview=False,
            push=False,  # the export does it
            registries=[self._login(args.repository_url)],
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.reference = pulumi.Output.concat(args.repository_url, "@", image.digest)
        self.register_outputs({"reference": self.reference})

    def _login(self, repository_url: pulumi.Output[str]) -> docker_build.RegistryArgs:
        """Good for twelve hours; the provider does not count a new password as a change of the image."""
        token = aws.ecr.get_authorization_token_output(opts=pulumi.InvokeOutputOptions(parent=self))
        return docker_build.RegistryArgs(
            address=repository_url.apply(lambda url: url.partition("/")[0]),
            username=token.user_name,
            password=pulumi.Output.secret(token.password),
        )


def _cache_to(reference: pulumi.Output[str]) -> docker_build.CacheToRegistryArgs:
    return docker_build.CacheToRegistryArgs(
        ref=reference,
        mode=docker_build.CacheMode.MAX,
        # ECR takes a cache only in the form of an image.
        image_manifest=True,
        oci_media_types=True,
        ignore_error=True,
    )
