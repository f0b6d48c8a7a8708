"""The API's description as it is committed, for whoever makes a client without starting the API."""

import json
from pathlib import Path
from typing import Any, cast

from litestar import Litestar

from vodstack_app.asgi import create_app
from vodstack_app.health.readiness import Readiness
from vodstack_app.settings import Settings
from vodstack_contracts.environment import Variable

# With tokens, for that is what clients in the world meet. Nothing is asked of any of these names.
_ANYWHERE = {
    Variable.AWS_REGION: "us-east-1",
    Variable.S3_BUCKET: "bucket",
    Variable.DYNAMODB_TABLE: "videos",
    Variable.WORK_TABLE: "work",
    Variable.AUTH: "oidc",
    Variable.OIDC_ISSUER: "https://issuer.example",
    Variable.OIDC_AUDIENCE: "vodstack",
}


def describe() -> dict[str, Any]:
    app = cast("Litestar", create_app(Settings.model_validate(_ANYWHERE), Readiness()).app)
    return app.openapi_schema.to_schema()


def write(described: dict[str, Any], file: Path) -> None:
    file.write_text(json.dumps(described, indent=2, sort_keys=True, ensure_ascii=False) + "\n")
