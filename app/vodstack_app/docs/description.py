"""The API's description: Litestar's, with what it leaves out, and as it is committed for makers of clients."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from litestar import Litestar

from vodstack_app.asgi import create_router
from vodstack_app.docs.served import describe_app
from vodstack_app.health.readiness import Readiness
from vodstack_app.metrics import Metrics
from vodstack_app.settings import Settings
from vodstack_app.tracing import Tracing
from vodstack_contracts.environment import Variable

# With tokens, for that is what clients in the world meet. Nothing is asked of any of these names.
_ANYWHERE: Mapping[str, str] = {
    Variable.AWS_REGION: "us-east-1",
    Variable.S3_BUCKET: "bucket",
    Variable.DYNAMODB_TABLE: "videos",
    Variable.WORK_TABLE: "work",
    Variable.AUTH: "oidc",
    Variable.OIDC_ISSUER: "https://issuer.example",
    Variable.OIDC_AUDIENCE: "vodstack",
}


def describe(environment: Mapping[str, str] = _ANYWHERE) -> dict[str, Any]:
    settings = Settings.model_validate(environment)
    app: Litestar = create_router(settings, Readiness(), Metrics(), Tracing())
    return describe_app(app, settings)


def write(described: dict[str, Any], file: Path) -> None:
    file.write_text(json.dumps(described, indent=2, sort_keys=True, ensure_ascii=False) + "\n")
