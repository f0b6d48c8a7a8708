"""The issuer that the program makes: who gets tokens of it, for what, and that the API takes them."""

import json

import pytest
from tests.stacks.conftest import environment_of

from vodstack_app.auth.issuer import is_trustworthy
from vodstack_platform.embedded.errors import ProgramError


@pytest.fixture(scope="module")
def issuing(everything):
    return everything


def _client(deployed):
    return deployed.one("aws:cognito/userPoolClient:UserPoolClient")


def test_the_api_takes_the_pools_tokens_by_their_client_and_their_prefix(issuing):
    environment = environment_of(issuing)
    pool = issuing.one("aws:cognito/userPool:UserPool")
    assert environment["VODSTACK_AUTH"] == "oidc"
    assert environment["VODSTACK_OIDC_ISSUER"] == f"https://{pool.outputs['endpoint']}"
    assert is_trustworthy(environment["VODSTACK_OIDC_ISSUER"])
    assert environment["VODSTACK_OIDC_CLIENT_IDS"] == _client(issuing).id
    assert environment["VODSTACK_OIDC_SCOPE_PREFIX"] == "vodstack/"
    # Cognito's access tokens have none.
    assert "VODSTACK_OIDC_AUDIENCE" not in environment


def test_every_scope_of_the_api_is_one_of_the_pools(issuing):
    server = issuing.one("aws:cognito/resourceServer:ResourceServer").inputs
    assert {f"{server['identifier']}/{scope['scopeName']}" for scope in server["scopes"]} == {
        f"{environment_of(issuing)['VODSTACK_OIDC_SCOPE_PREFIX']}videos:{what}" for what in ("read", "write", "admin")
    }


def test_a_program_gets_tokens_for_what_the_config_grants_and_nothing_more(issuing):
    client = _client(issuing)
    assert client.inputs["allowedOauthFlows"] == ["client_credentials"]
    assert client.inputs["allowedOauthScopes"] == ["vodstack/videos:read"]
    assert client.inputs["accessTokenValidity"] == 15
    assert client.inputs["tokenValidityUnits"] == {"accessToken": "minutes"}
    # Cognito refuses scopes that it does not know yet.
    assert issuing.one("aws:cognito/resourceServer:ResourceServer").urn in client.dependencies


def test_the_clients_secret_is_in_cognito_alone(issuing):
    secret = _client(issuing).outputs["clientSecret"]
    assert secret
    for resource in issuing.resources:
        assert secret not in json.dumps(resource.inputs, default=str), resource.urn
    assert secret not in json.dumps(issuing.outputs, default=str)


def test_nobody_signs_up_by_himself(issuing):
    pool = issuing.one("aws:cognito/userPool:UserPool").inputs
    assert pool["adminCreateUserConfig"] == {"allowAdminCreateUserOnly": True}


def test_the_pool_and_its_client_are_not_lost_by_accident(run, issuing):
    pool = issuing.one("aws:cognito/userPool:UserPool")
    assert pool.inputs["deletionProtection"] == "ACTIVE"
    assert pool.protect
    assert _client(issuing).protect
    loose = run("emulator", foundation={"cognito": {"deletionProtection": False}})
    assert loose.one("aws:cognito/userPool:UserPool").inputs["deletionProtection"] == "INACTIVE"
    assert not loose.one("aws:cognito/userPool:UserPool").protect


def test_whoever_consumes_the_stack_learns_where_tokens_are_got(run, issuing):
    assert issuing.outputs["tokenUrl"] == "https://our-videos.auth.us-east-1.amazoncognito.com/oauth2/token"
    assert issuing.outputs["tokenIssuer"] == environment_of(issuing)["VODSTACK_OIDC_ISSUER"]
    assert issuing.outputs["tokenClientIds"] == _client(issuing).id
    unnamed = run("emulator", foundation={"cognito": {"deletionProtection": False}})
    assert unnamed.outputs["tokenUrl"].startswith("https://vodstack-emulator-123456789012.auth.")


def test_without_a_pool_those_outputs_are_empty(dev):
    names = ("tokenIssuer", "tokenClientIds", "tokenScopePrefix", "tokenUrl")
    assert {dev.outputs[name] for name in names} == {""}
    assert not dev.of_type("aws:cognito/userPool:UserPool")


def test_a_foundation_elsewhere_without_a_pool_is_an_error_with_a_sentence(run):
    with pytest.raises(ProgramError, match=r"the foundation has no pool: set foundation\.cognito"):
        run(
            "dev",
            layers=["services"],
            references={"foundation": "organization/vodstack/data", "cluster": "organization/vodstack/platform"},
            services={"auth": "cognito"},
        )
