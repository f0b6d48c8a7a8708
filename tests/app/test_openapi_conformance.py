"""What /openapi.json promises, held by generated requests: documented and undocumented ones, good and bad."""

import re
import uuid
from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import negative_data_rejection
from tests.app.conftest import Api, serving
from tests.app.issuer import Issuer

from vodstack_app.docs.description import describe
from vodstack_app.idempotency.headers import KEY_PATTERN

FORM = "multipart/form-data"
KEY = "Idempotency-Key"
NOWHERE = {
    "AWS_REGION": "us-east-1",
    "S3_BUCKET": "none",
    "DYNAMODB_TABLE": "none",
    "VODSTACK_WORK_TABLE": "none",
    "VODSTACK_AUTH": "none",
}
DESCRIPTION = describe(NOWHERE)

open_schema = schemathesis.openapi.from_dict(DESCRIPTION)
guarded_schema = schemathesis.openapi.from_dict(describe())
few = settings(
    max_examples=6, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
many = settings(parent=few, max_examples=150, derandomize=False)


@pytest.fixture(scope="module")
def guarded(shared_api: Api) -> Iterator[Api]:
    """The shared API's like, which asks for tokens, and a client that has one."""
    with Issuer() as issuer, serving(shared_api.foundation, **issuer.settings()) as api:
        api.client.headers["Authorization"] = f"Bearer {issuer.token(exp=2**31)}"
        yield api


def test_the_served_description_is_the_one_held(api: Api):
    assert api.client.get("/openapi.json").json() == DESCRIPTION


@open_schema.parametrize()  # pyright: ignore[reportUntypedFunctionDecorator] - it has no types
@few
def test_every_answer_is_one_that_the_description_promises(api: Api, case: schemathesis.Case):
    hold(api, case)


@guarded_schema.parametrize()  # pyright: ignore[reportUntypedFunctionDecorator] - it has no types
@few
def test_with_tokens_every_answer_is_one_that_the_description_promises(api: Api, guarded: Api, case: schemathesis.Case):
    hold(guarded, case)


@pytest.mark.prove
@open_schema.parametrize()  # pyright: ignore[reportUntypedFunctionDecorator] - it has no types
@many
def test_every_one_of_many_answers_is_promised(api: Api, case: schemathesis.Case):
    hold(api, case)


@pytest.mark.prove
@guarded_schema.parametrize()  # pyright: ignore[reportUntypedFunctionDecorator] - it has no types
@many
def test_with_tokens_every_one_of_many_answers_is_promised(api: Api, guarded: Api, case: schemathesis.Case):
    hold(guarded, case)


def hold(api: Api, case: schemathesis.Case) -> None:
    """Every check there is, of every answer there is."""
    authorization = api.client.headers.get("Authorization")
    # A request that is wrong by having no token is given one.
    is_mended = authorization is not None and "Authorization" not in (case.headers or {})
    excluded: list[Any] = [negative_data_rejection] if is_mended or keeps_to_its_schema(case) else []
    if case.headers and re.fullmatch(KEY_PATTERN, str(case.headers.get(KEY, ""))):
        # The generator repeats a key with other requests, which is what 422 is for.
        case.headers[KEY] = uuid.uuid4().hex
    headers = {"Authorization": authorization} if authorization else None
    case.call_and_validate(base_url=api.url, headers=headers, excluded_checks=excluded)


def keeps_to_its_schema(case: schemathesis.Case) -> bool:
    """Whether a form that is meant to be wrong is right: its numbers arrive as digits, its pattern may still match."""
    operation = DESCRIPTION["paths"][case.path].get(case.method.lower())
    if not operation or case.media_type != FORM or not isinstance(case.body, dict) or "file" not in case.body:
        return False
    form = operation["requestBody"]["content"][FORM]["schema"]
    # An empty list makes no part at all.
    sent = {name: _on_the_wire(name, value) for name, value in case.body.items() if value != []}
    return jsonschema_rs.is_valid(form, sent)


def _on_the_wire(name: str, value: object) -> object:
    match value:
        case _ if name == "file":
            return "bytes"
        case None | bool() | int() | float():
            return str(value)
        case list() if name == "tags":
            return ",".join(str(member) for member in value)
        case [member]:
            return str(member)
        case _:
            return value
