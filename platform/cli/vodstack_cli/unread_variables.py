"""Variables of ours in the command's environment that the command does not read: they are refused with what works."""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final

import click

from vodstack_cli.errors import CommandError
from vodstack_contracts.environment import Variable
from vodstack_contracts.unknown_variables import PREFIX, describe, unknown_variables

CONFIG_KEYS: Final[Mapping[str, str]] = MappingProxyType(
    {
        Variable.AUTH: "services.auth",
        Variable.OIDC_ISSUER: "services.oidc.issuer",
        Variable.OIDC_AUDIENCE: "services.oidc.audience",
        Variable.OIDC_CLIENT_IDS: "services.oidc.clientIds",
        Variable.OIDC_SCOPE_PREFIX: "services.oidc.scopePrefix",
        Variable.OIDC_LEEWAY: "services.oidc.leewaySeconds",
        Variable.PUBLIC_URL: "services.exposure.host",
        Variable.CORS_ORIGINS: "services.api.corsOrigins",
        Variable.MAX_UPLOAD_BYTES: "services.api.maxUploadBytes",
        Variable.MAX_UPLOADS: "services.api.maxUploads",
        Variable.MAX_UPLOADS_OF_ONE: "services.api.clients.uploads",
        Variable.MAX_WATCHES_OF_ONE: "services.api.clients.watches",
        Variable.MAX_CONNECTIONS: "services.api.maxConnections",
        Variable.MAX_CONNECTIONS_OF_ONE: "services.api.clients.connections",
        Variable.LEAST_RATE: "services.api.clients.leastBytesPerSecond",
        Variable.REQUESTS_PER_MINUTE: "services.api.requestsPerMinute",
        Variable.STORED_BYTES: "services.api.storedBytes",
        Variable.ENCODED_MINUTES: "services.worker.encodedMinutesPerDay",
        Variable.JOBS_PER_OWNER: "services.worker.jobsPerOwner",
        Variable.SHUTDOWN_GRACE: "services.api.gracePeriodSeconds",
        Variable.SCRATCH_BYTES: "services.worker.scratchGib",
        Variable.VISIBILITY_TIMEOUT: "foundation.queues.visibilityTimeoutSeconds",
        Variable.MEDIA_MEMORY: "services.worker.resources.memory",
        Variable.JOBS: "services.worker.jobs",
        Variable.CHUNK_SECONDS: "services.worker.chunkSeconds",
        Variable.MAX_DURATION: "services.worker.maxDurationSeconds",
        Variable.MAX_FRAMES: "services.worker.maxFrames",
        Variable.SANDBOX: "services.worker.cage",
        Variable.LOG_FORMAT: "services.logFormat",
        Variable.LOG_LEVEL: "services.logLevel",
    }
)
"""The key of a stack's file by which a variable of API or worker is set. The others no stack sets."""


OPTIONS: Final[Mapping[str, str]] = MappingProxyType(
    {
        Variable.PORT: "give --port, or PORT= to make",
        Variable.METRICS_PORT: "give --metrics-port, or METRICS_PORT= to make",
    }
)


def refuse_unread_variables(command: click.Command, environment: Mapping[str, str]) -> None:
    """Raises CommandError where a variable of ours would have no effect."""
    read = {Variable.STATE_DIRECTORY, *_variables_of(command)}
    unread = {each for each in Variable if each.startswith(PREFIX)} - read
    refusals = [_refusal(name) for name in sorted(unread & environment.keys())]
    for name, nearest in unknown_variables(environment, {*Variable, *read}).items():
        sentence = describe(name, nearest)
        refusals.append(f"{sentence} {_refusal(nearest)}" if nearest and nearest not in read else sentence)
    if refusals:
        raise CommandError(" ".join(refusals))


def _variables_of(command: click.Command) -> Iterator[str]:
    for parameter in command.params:
        if isinstance(parameter.envvar, str):
            yield parameter.envvar
        elif parameter.envvar:
            yield from parameter.envvar
    if isinstance(command, click.Group):
        for each in command.commands.values():
            yield from _variables_of(each)


def _refusal(name: str) -> str:
    if option := OPTIONS.get(name):
        return f"{name} has no effect here: {option}."
    if key := CONFIG_KEYS.get(name):
        section, _, path = key.partition(".")
        return (
            f"{name} has no effect here, for a stack's file decides: set {path} of vodstack:{section} "
            "in Pulumi.local.yaml (docs/config.md)."
        )
    return f"{name} has no effect here, and no key of a stack's file stands for it: unset it."
