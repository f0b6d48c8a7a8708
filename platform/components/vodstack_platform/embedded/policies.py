"""Policies in the form that moto can judge (docs/adr/0009-moto-in-its-own-process.md).

moto judges S3 by action and resource, everything else by action alone on resource `*`, and takes a condition whose
facts it lacks for a denial.
"""

import fnmatch
import json
from collections.abc import Iterable, Mapping
from typing import Any, cast

Statement = Mapping[str, Any]

# What moto asks for though AWS knows no such action: the one before it covers the call.
_ALSO_IN_MOTO = {
    "s3:ListBucket": "s3:HeadBucket",
    "sqs:SendMessage": "sqs:SendMessageBatch",
    "sqs:DeleteMessage": "sqs:DeleteMessageBatch",
    "sqs:ChangeMessageVisibility": "sqs:ChangeMessageVisibilityBatch",
}


def loosened(document: str) -> dict[str, Any]:
    """A copy for moto: resources outside S3 become `*`, conditional denials go, and so do conditions of grants.

    What was loosened is asserted on the policy itself.
    """
    kept = [dict(statement) for statement in statements_of(document) if not _conditional_denial(statement)]
    return {"Version": "2012-10-17", "Statement": [part for statement in kept for part in _split(statement)]}


def without_conditions(document: str) -> dict[str, Any] | None:
    """The statements that hold always; None when there are none."""
    always = [statement for statement in statements_of(document) if "Condition" not in statement]
    return {"Version": "2012-10-17", "Statement": always} if always else None


def statements_of(document: str) -> list[Statement]:
    statements = json.loads(document)["Statement"]
    return [cast("Statement", statements)] if isinstance(statements, dict) else cast("list[Statement]", statements)


def many(value: object) -> list[str]:
    """IAM writes one of something as itself."""
    return [value] if isinstance(value, str) else list(cast("Iterable[str]", value))


def _conditional_denial(statement: Statement) -> bool:
    return statement["Effect"] == "Deny" and "Condition" in statement


def _split(statement: dict[str, Any]) -> list[dict[str, Any]]:
    """S3's actions keep their resources, the others get all."""
    statement.pop("Condition", None)
    actions = many(statement.get("Action", []))
    actions += [_ALSO_IN_MOTO[action] for action in actions if action in _ALSO_IN_MOTO]
    of_s3 = [action for action in actions if action.startswith("s3:")]
    others = [action for action in actions if not action.startswith("s3:")]
    parts: list[dict[str, Any]] = []
    if of_s3:
        parts.append(statement | {"Action": of_s3})
    if others:
        parts.append(statement | {"Action": others, "Resource": "*"})
    # moto has no use for a Sid, and two parts must not share one.
    return [{key: value for key, value in part.items() if key != "Sid"} for part in parts]


def allows(documents: Iterable[str], action: str, resource: str) -> bool:
    """Whether the documents together allow it; conditions are taken as met, in grants and denials alike."""
    effects = {
        statement["Effect"]
        for document in documents
        for statement in statements_of(document)
        if _matches(statement, "Action", action) and _matches(statement, "Resource", resource)
    }
    return effects == {"Allow"}


def granted(documents: Iterable[str], action_prefix: str) -> set[str]:
    """The actions that begin so and are granted on some resource, whatever is denied."""
    return {
        action
        for document in documents
        for statement in statements_of(document)
        if statement["Effect"] == "Allow"
        for action in many(statement.get("Action", []))
        if action.startswith(action_prefix) or action == "*"
    }


def _matches(statement: Statement, element: str, value: str) -> bool:
    return any(fnmatch.fnmatchcase(value, pattern) for pattern in many(statement.get(element, [])))
