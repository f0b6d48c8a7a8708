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
    """The stack of CloudFormation's that holds it."""
    return deployed.one("aws:cloudformation/stack:Stack")


def _properties(deployed):
    (client,) = json.loads(_client(deployed).inputs["templateBody"])["Resources"].values()
    assert client["Type"] == "AWS::Cognito::UserPoolClient"
    return client["Properties"]


def _client_id(deployed):
    return _client(deployed).outputs["outputs"]["ClientId"]


def test_the_api_takes_the_pools_tokens_by_their_client_and_their_prefix(issuing):
    environment = environment_of(issuing)
    pool = issuing.one("aws:cognito/userPool:UserPool")
    assert environment["VODSTACK_AUTH"] == "oidc"
    assert environment["VODSTACK_OIDC_ISSUER"] == f"https://{pool.outputs['endpoint']}"
    assert is_trustworthy(environment["VODSTACK_OIDC_ISSUER"])
    assert environment["VODSTACK_OIDC_CLIENT_IDS"] == _client_id(issuing)
    assert environment["VODSTACK_OIDC_SCOPE_PREFIX"] == "vodstack/"
    # Cognito's access tokens have none.
    assert "VODSTACK_OIDC_AUDIENCE" not in environment


def test_every_scope_of_the_api_is_one_of_the_pools(issuing):
    server = issuing.one("aws:cognito/resourceServer:ResourceServer").inputs
    assert {f"{server['identifier']}/{scope['scopeName']}" for scope in server["scopes"]} == {
        f"{environment_of(issuing)['VODSTACK_OIDC_SCOPE_PREFIX']}videos:{what}" for what in ("read", "write", "admin")
    }


def test_a_program_gets_tokens_for_what_the_config_grants_and_nothing_more(issuing):
    client = _properties(issuing)
    assert client["UserPoolId"] == issuing.one("aws:cognito/userPool:UserPool").id
    assert client["AllowedOAuthFlowsUserPoolClient"] is client["GenerateSecret"] is True
    assert client["AllowedOAuthFlows"] == ["client_credentials"]
    assert client["AllowedOAuthScopes"] == ["vodstack/videos:read"]
    assert client["AccessTokenValidity"] == 15
    assert client["TokenValidityUnits"] == {"AccessToken": "minutes"}
    # Cognito refuses scopes that it does not know yet.
    assert issuing.one("aws:cognito/resourceServer:ResourceServer").urn in _client(issuing).dependencies


def test_the_clients_secret_is_in_cognito_alone(issuing):
    """Pulumi never learns it: its own resource for a client has it among its outputs, and so in the state."""
    assert not issuing.of_type("aws:cognito/userPoolClient:UserPoolClient")
    assert _client(issuing).outputs["outputs"].keys() == {"ClientId"}
    assert json.loads(_client(issuing).inputs["templateBody"])["Outputs"] == {"ClientId": {"Value": {"Ref": "Client"}}}
    for resource in issuing.resources:
        assert "clientSecret" not in json.dumps(resource.outputs, default=str), resource.urn


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
    assert issuing.outputs["tokenClientIds"] == _client_id(issuing)
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
