import json

import pulumi
import pytest

from vodstack_platform.config.exposure import ExposureSettings
from vodstack_platform.config.reading import ConfigError, parse_settings, read_settings

LAPTOP = {"layers": ["foundation", "services"], "cluster": {"existing": {"name": "laptop"}}}
IMAGES = {"images": {"tag": "v1"}}
OIDC = {"issuer": "https://issuer.example/pool", "audience": "videos"}
LONG = OIDC | {"issuer": f"https://issuer.example/{'p' * 300}", "jwksUrl": "https://issuer.example/keys"}
INGRESS = {
    "mode": "ingress",
    "sourceRanges": ["198.51.100.0/24"],
    "certificateArn": "arn:aws:acm:us-east-1:111111111111:certificate/c",
}
SERVICES = {**IMAGES, "auth": "none"}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"foundaton": {}}, ["vodstack:foundaton", "unknown key", "{}", "Did you mean foundation?", "monitoring"]),
        (
            {"foundation": {"queues": {"visibilityTimeoutSecond": 30}}},
            ["vodstack:foundation.queues.visibilityTimeoutSecond", "given 30", "visibilityTimeoutSeconds?", "chunks"],
        ),
        (
            {"foundation": {"queues": {"maxReceiveCount": "many"}}},
            ["vodstack:foundation.queues.maxReceiveCount", '"many"', "integer"],
        ),
        ({"foundation": {"queues": {"maxReceiveCount": 3}}}, ["given 3", "greater than or equal to 20"]),
        ({"layers": ["fundation"]}, ["vodstack:layers.0", '"fundation"', "Did you mean foundation?", "'cluster'"]),
        ({"layers": ["foundation", "foundation"]}, ["twice"]),
        (
            {"layers": ["services"]},
            ["services needs foundation", "references.foundation", "organization/project/stack"],
        ),
        (LAPTOP, ["services.images", "tag"]),
        (LAPTOP | {"services": IMAGES}, ["services.auth", "none"]),
        (
            LAPTOP | {"services": IMAGES | {"exposure": {"mode": "load-balancer"}}},
            ["vodstack:services.exposure", "sourceRanges"],
        ),
        (
            LAPTOP | {"services": {"exposure": {"mode": "load-balancer", "sourceRanges": ["0.0.0.0/0"]}}},
            ["openToTheWorld"],
        ),
        (
            LAPTOP | {"services": {"exposure": {"mode": "ingress", "sourceRanges": ["198.51.100.0/24"]}}},
            ["vodstack:services.exposure", "certificateArn", "TLS alone"],
        ),
        (
            LAPTOP | {"services": {"auth": "oidc", "oidc": OIDC, "exposure": INGRESS}},
            ["vodstack:services", "oidc.jwksUrl", "exposure.checkTokens"],
        ),
        (
            LAPTOP | {"services": {"auth": "none", "exposure": INGRESS, "api": {"gracePeriodSeconds": 20}}},
            ["vodstack:services", "gracePeriodSeconds", "30"],
        ),
        (
            LAPTOP | {"services": {"exposure": INGRESS | {"host": "https://videos.example.com"}}},
            ["vodstack:services.exposure.host"],
        ),
        ({"cluster": {"apiServer": {"publicCidrs": ["0.0.0.0/0"]}}}, ["vodstack:cluster.apiServer", "openToTheWorld"]),
        ({"cluster": {"nodes": {"minSize": 4}}}, ["minSize, desiredSize and maxSize"]),
        ({"cluster": {"addonVersions": {"corends": "v1"}}}, ["addonVersions", "Did you mean coredns?"]),
        (
            {"cluster": {"karpenter": {"instanceFamilies": ["c7g", "m7g"], "instanceSizes": ["large", "large"]}}},
            ["vodstack:cluster.karpenter", "make 2 types", "at least 15"],
        ),
        (
            {"cluster": {"karpenter": {"instanceFamilies": ["c7i"]}}},
            ["vodstack:cluster.karpenter.instanceFamilies.0", '"c7i"'],
        ),
        ({"foundation": {"network": {"cidr": "10.0.0.0/24"}}}, ["foundation.network.cidr", "/16 to /20"]),
        ({"foundation": {"network": {"mode": "existing"}}}, ["foundation.network", "both or neither"]),
        ({"foundation": {"network": {"zones": 3, "zoneNames": ["a"]}}}, ["names 1 zones, yet zones is 3"]),
        (
            {"foundation": {"network": {"mode": "none"}}, "layers": ["foundation", "cluster"]},
            ["layer cluster needs a network"],
        ),
        (LAPTOP | {"layers": ["foundation", "cluster"]}, ["cluster.existing", "drop one of the two"]),
        ({"services": {"auth": "noen"}}, ["vodstack:services.auth", '"noen"', "Did you mean none?"]),
        ({"services": {"auth": "oidc"}}, ["vodstack:services", "go together"]),
        ({"services": {"auth": "cognito", "oidc": OIDC}}, ["vodstack:services", "go together"]),
        (LAPTOP | {"services": IMAGES | {"auth": "cognito"}}, ["there is no pool", "foundation.cognito"]),
        ({"foundation": {"cognito": {"domain": "our-aws-videos"}}}, ["cognito.domain", "aws", "choose another name"]),
        (
            LAPTOP | {"services": {"auth": "oidc", "oidc": LONG, "exposure": INGRESS}},
            ["vodstack:services", "256 characters", "exposure.checkTokens"],
        ),
        ({"foundation": {"cognito": {"machineScopes": ["videos:all"]}}}, ["machineScopes.0", '"videos:all"']),
        ({"services": {"oidc": OIDC}}, ["vodstack:services", "go together"]),
        (
            {"services": {"auth": "oidc", "oidc": {"issuer": "https://issuer.example"}}},
            ["vodstack:services.oidc", "audience or clientIds"],
        ),
        ({"services": {"oidc": OIDC | {"issuer": "http://i.example"}}}, ["vodstack:services.oidc.issuer", "https"]),
        ({"services": {"oidc": OIDC | {"clientId": "web"}}}, ["services.oidc.clientId", "Did you mean clientIds?"]),
        ({"cluster": {"existing": {}}}, ["vodstack:cluster.existing.name", "required"]),
        ({"references": {"foundation": "elsewhere"}}, ["vodstack:references.foundation", '"elsewhere"']),
        ({"foundation": {"queues": {"dlqRetentionSeconds": 3600}}}, ["dlqRetentionSeconds must exceed"]),
        ({"services": {"api": {"maxUploads": 16}}}, ["vodstack:services.api", "558Mi", "384Mi", "lower maxUploads"]),
        ({"services": {"worker": {"jobs": 2}}}, ["vodstack:services.worker", "1632Mi", "1536Mi", "lower jobs"]),
        ({"services": {"worker": {"replicas": 3, "scaling": {"maxReplicas": 2}}}}, ["services.worker", "fewer than"]),
        ({"services": {"logFormat": "text"}}, ["vodstack:services.logFormat", '"text"', "'console'"]),
        ({"foundation": "big"}, ["vodstack:foundation", '"big"']),
    ],
)
def test_a_wrong_key_is_named_with_what_was_given_and_what_is_allowed(given, words):
    with pytest.raises(ConfigError) as raised:
        parse_settings(given)
    assert [word for word in words if word not in str(raised.value)] == []


@pytest.mark.parametrize(("memory", "uploads"), [("512Mi", 14), ("1Gi", 32), ("1G", 30), ("524288k", 13)])
def test_more_memory_holds_more_uploads(memory, uploads):
    def settings(count: int):
        api = {"maxUploads": count, "resources": {"cpu": "1", "memory": memory}}
        return parse_settings({"layers": ["foundation"], "services": {"api": api}})

    assert settings(uploads).services.api.max_uploads == uploads
    with pytest.raises(ConfigError, match=memory):
        settings(uploads + 1)


def test_every_wrong_key_is_told_at_once():
    with pytest.raises(ConfigError) as raised:
        parse_settings({"tag": {}, "foundation": {"protected": False, "bucket": {"versioned": "yes"}}})
    assert [
        key for key in ("vodstack:tag", "foundation.protected", "bucket.versioned") if key in str(raised.value)
    ] == [
        "vodstack:tag",
        "foundation.protected",
        "bucket.versioned",
    ]


def test_the_namespace_is_read_from_the_stack_and_other_namespaces_are_left_alone():
    pulumi.runtime.set_all_config(
        {"vodstack:services": json.dumps(SERVICES), "aws:region": "eu-west-1", "other:thing": "x"}
        | {f"vodstack:{key}": json.dumps(value) for key, value in LAPTOP.items()}
    )
    settings = read_settings()
    assert settings.layers == ("foundation", "services")
    assert settings.services.images.tag == "v1"


def test_a_secret_is_not_repeated_in_the_error():
    pulumi.runtime.set_all_config({"vodstack:cluster": '{"existing": {"kubeconfig": 12345}}'}, ["vodstack:cluster"])
    with pytest.raises(ConfigError) as raised:
        read_settings()
    assert "12345" not in str(raised.value)
    assert "a secret value" in str(raised.value)


def test_an_object_that_is_no_json_is_named():
    pulumi.runtime.set_all_config({"vodstack:foundation": "{protect: false}"})
    with pytest.raises(ConfigError, match="vodstack:foundation is neither an object nor a list"):
        read_settings()


@pytest.fixture(autouse=True)
def _clean_config():
    yield
    pulumi.runtime.set_all_config({}, [])


@pytest.mark.parametrize(
    ("changes", "url"),
    [
        ({}, "http://videos.example.com"),
        ({"certificateArn": INGRESS["certificateArn"]}, "https://videos.example.com"),
        ({"host": None}, None),
        ({"mode": "internal"}, None),
    ],
)
def test_the_api_is_named_to_the_world_where_the_world_reaches_it_by_a_name(changes, url):
    known = {"mode": "load-balancer", "sourceRanges": ("198.51.100.0/24",), "host": "videos.example.com"}
    assert ExposureSettings.model_validate(known | changes).public_url == url
