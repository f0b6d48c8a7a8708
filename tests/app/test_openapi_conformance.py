"""What /openapi.json promises, held by generated requests: documented and undocumented ones, good and bad."""

from typing import cast

import schemathesis
from hypothesis import HealthCheck, settings
from litestar import Litestar
from schemathesis.checks import negative_data_rejection
from tests.app.conftest import Api

from vodstack_app.asgi import create_app
from vodstack_app.health.readiness import Readiness
from vodstack_app.settings import Settings

SHORT = 100  # characters: within every field's limit
NOWHERE = {"AWS_REGION": "us-east-1", "S3_BUCKET": "none", "DYNAMODB_TABLE": "none", "VODSTACK_AUTH": "none"}
DESCRIPTION = cast("Litestar", create_app(Settings.model_validate(NOWHERE), Readiness()).app).openapi_schema.to_schema()

schema = schemathesis.openapi.from_dict(DESCRIPTION)


def test_the_served_description_is_the_one_held(api: Api):
    assert api.client.get("/openapi.json").json() == DESCRIPTION


@schema.parametrize()  # pyright: ignore[reportUntypedFunctionDecorator] - it has no types
@settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_answer_is_one_that_the_description_promises(api: Api, case: schemathesis.Case):
    excluded = [negative_data_rejection] if is_text_on_the_wire(case) else []
    case.call_and_validate(base_url=api.url, excluded_checks=excluded)


def is_text_on_the_wire(case: schemathesis.Case) -> bool:
    """Whether a form is wrong only by types that no form has: a number in a field of text arrives as its digits."""
    if case.media_type != "multipart/form-data" or not isinstance(case.body, dict) or "file" not in case.body:
        return False
    written = {name: value if name == "file" else _written(value) for name, value in case.body.items()}
    return written != case.body and all(len(str(value)) < SHORT for name, value in written.items() if name != "file")


def _written(value: object) -> object:
    match value:
        case bool() | int() | float():
            return str(value)
        case list():
            return [_written(member) for member in value]
        case _:
            return value
