"""What /openapi.json promises, held by generated requests: documented and undocumented ones, good and bad."""

from typing import cast

import jsonschema_rs
import schemathesis
from hypothesis import HealthCheck, settings
from litestar import Litestar
from schemathesis.checks import negative_data_rejection
from tests.app.conftest import Api

from vodstack_app.asgi import create_app
from vodstack_app.health.readiness import Readiness
from vodstack_app.settings import Settings

FORM = "multipart/form-data"
NOWHERE = {"AWS_REGION": "us-east-1", "S3_BUCKET": "none", "DYNAMODB_TABLE": "none", "VODSTACK_AUTH": "none"}
DESCRIPTION = cast("Litestar", create_app(Settings.model_validate(NOWHERE), Readiness()).app).openapi_schema.to_schema()

schema = schemathesis.openapi.from_dict(DESCRIPTION)


def test_the_served_description_is_the_one_held(api: Api):
    assert api.client.get("/openapi.json").json() == DESCRIPTION


@schema.parametrize()  # pyright: ignore[reportUntypedFunctionDecorator] - it has no types
@settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_answer_is_one_that_the_description_promises(api: Api, case: schemathesis.Case):
    excluded = [negative_data_rejection] if keeps_to_its_schema(case) else []
    case.call_and_validate(base_url=api.url, excluded_checks=excluded)


def keeps_to_its_schema(case: schemathesis.Case) -> bool:
    """Whether a form that is meant to be wrong is right: its numbers arrive as digits, its pattern may still match."""
    if case.media_type != FORM or not isinstance(case.body, dict) or "file" not in case.body:
        return False
    form = DESCRIPTION["paths"][case.path][case.method.lower()]["requestBody"]["content"][FORM]["schema"]
    return jsonschema_rs.is_valid(form, {name: _on_the_wire(name, value) for name, value in case.body.items()})


def _on_the_wire(name: str, value: object) -> object:
    match value:
        case _ if name == "file":
            return "bytes"
        case bool() | int() | float():
            return str(value)
        case list() if name == "tags":
            return ",".join(str(member) for member in value)
        case _:
            return value
