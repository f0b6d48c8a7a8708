"""What the command says to set in place of a variable does set it."""

from functools import reduce
from typing import Any

from tests.stacks.conftest import pod_and_container

from vodstack_cli.unread_variables import CONFIG_KEYS, OPTIONS
from vodstack_contracts.environment import Variable
from vodstack_platform.embedded.deployed import Deployed

OIDC = {"issuer": "https://issuer.example", "audience": "us", "clientIds": ["web"], "scopePrefix": "v/"}
CHANGES: dict[str, dict[str, Any]] = {
    "services": {
        "auth": "oidc",
        "oidc": {**OIDC, "leewaySeconds": 5},
        "images": {"tag": "v1"},
        "exposure": {"mode": "load-balancer", "sourceRanges": ["10.0.0.0/8"], "host": "videos.example"},
        "api": {
            "corsOrigins": ["https://pages.example"],
            "maxUploadBytes": 7,
            "maxUploads": 2,
            "maxConnections": 12,
            "clients": {"uploads": 1, "watches": 3, "connections": 4, "leastBytesPerSecond": 5},
            "requestsPerMinute": 9,
            "storedBytes": 11,
            "gracePeriodSeconds": 33,
        },
        "worker": {
            "scratchGib": 3,
            "resources": {"cpu": "2", "memory": "4Gi"},
            "jobs": 2,
            "chunkSeconds": 17,
            "maxDurationSeconds": 19,
            "maxFrames": 23,
            "jobsPerOwner": 29,
            "encodedMinutesPerDay": 31,
            "cage": "best-effort",
        },
        "logFormat": "console",
        "logLevel": "debug",
    },
    "foundation": {"queues": {"visibilityTimeoutSeconds": 77}},
}
# No stack sets these: they are for services that are run by other means, or say where the stack's own parts are.
WITHOUT_KEY = {
    Variable.HOST,
    Variable.WORK_TABLE,
    Variable.CHUNKS_QUEUE_URL,
    Variable.SCRATCH_DIRECTORY,
    Variable.BODY_TIMEOUT,
    Variable.RATE_GRACE,
    Variable.REQUEST_TIMEOUT,
    Variable.DRAIN,
    Variable.MAX_HEAD_BYTES,
    Variable.BODY_MEMORY,
    Variable.UNSENT,
    Variable.MAX_WATCHES,
    Variable.RECORD_CACHE,
    Variable.POLL_WAIT,
    Variable.MAX_FAILURES,
    Variable.RETRY_DELAY,
    Variable.RESEND_AFTER,
    Variable.LOCAL_BYTES,
    Variable.MEDIA_UID,
    Variable.STATE_DIRECTORY,
    Variable.API_URL,
    Variable.TOKEN,
}


def _environment(deployed: Deployed) -> dict[str, Any]:
    listed = [each for name in ("api", "worker") for each in pod_and_container(deployed, name)[1]["env"]]
    shared = deployed.one("kubernetes:core/v1:ConfigMap", "settings").inputs["data"]
    return {each["name"]: each.get("value") for each in listed} | shared


def test_the_key_that_the_command_names_sets_the_variable(dev, run):
    for key in CONFIG_KEYS.values():
        reduce(lambda section, word: section[word], key.split("."), CHANGES)
    before, after = _environment(dev), _environment(run("dev", **CHANGES))
    assert [name for name in CONFIG_KEYS if before.get(name) == after[name]] == []


def test_every_variable_of_ours_has_a_key_or_none_on_purpose():
    ours = {each for each in Variable if each.startswith("VODSTACK_")}
    assert ours - OPTIONS.keys() == CONFIG_KEYS.keys() | WITHOUT_KEY
