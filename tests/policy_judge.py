"""What AWS would answer to a call, by the policies alone: identity policies, a boundary, and policies of resources.

    may(policies, Call("s3:GetObject", "arn:aws:s3:::b/k", {"aws:SecureTransport": "true"}), boundary=document)

It knows the operators that our policies use, and raises for any other (docs/adr/0091-policies-are-judged-by-tables.md).
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Document = str | Mapping[str, Any]
Values = str | Sequence[str]


@dataclass(frozen=True)
class Call:
    """One call: what, on what, and the facts about it that AWS tells conditions, lists for those of many values."""

    action: str
    resource: str
    facts: Mapping[str, Values] = field(default_factory=dict)

    def fact(self, key: str) -> list[str] | None:
        """Keys are the same in any case; None for one that the call does not have."""
        for name, value in self.facts.items():
            if name.lower() == key.lower():
                return [value] if isinstance(value, str) else list(value)
        return None


def may(policies: Sequence[Document], call: Call, *, boundary: Document | None = None) -> bool:
    """Whether an identity with these policies may make the call: granted, within the boundary, and nowhere denied."""
    granted = _effects(policies, call)
    bounds = {"Allow"} if boundary is None else _effects([boundary], call)
    return granted == {"Allow"} == bounds


def admits(document: Document, principal: tuple[str, str], call: Call) -> bool:
    """Whether a resource's own policy lets in a principal, such as `("Service", "s3.amazonaws.com")`."""
    return _effects([document], call, principal) == {"Allow"}


def denies(document: Document, principal: tuple[str, str], call: Call) -> bool:
    return "Deny" in _effects([document], call, principal)


def facts_for(statement: Mapping[str, Any], value: str = "any") -> dict[str, Values]:
    """Facts that meet a statement's own conditions: the first value of each, `value` in place of a wildcard."""
    facts: dict[str, Values] = {}
    for operator, tests in statement.get("Condition", {}).items():
        for key, wanted in tests.items():
            first = _many(wanted)[0].replace("*", value)
            if operator.startswith("For"):
                facts[key] = [first]
            elif operator != "Null":
                facts[key] = first
            elif wanted == "false":
                facts[key] = value
    return facts


def statements(document: Document) -> Iterator[dict[str, Any]]:
    parsed: Mapping[str, Any] = json.loads(document) if isinstance(document, str) else document
    found = parsed["Statement"]
    yield from [found] if isinstance(found, dict) else found


def _effects(documents: Sequence[Document], call: Call, principal: tuple[str, str] | None = None) -> set[str]:
    return {
        statement["Effect"]
        for document in documents
        for statement in statements(document)
        if _names(statement, "Action", call.action, flags=re.IGNORECASE)
        and (_is_of_a_role(statement) or _names(statement, "Resource", call.resource))
        and _meets(statement, principal)
        and all(
            _holds(operator, key, _many(wanted), call)
            for operator, tests in statement.get("Condition", {}).items()
            for key, wanted in tests.items()
        )
    }


def _is_of_a_role(statement: Mapping[str, Any]) -> bool:
    """Trust policies name no resource: it is the role that they belong to."""
    return "Principal" in statement and not {"Resource", "NotResource"} & statement.keys()


def _names(statement: Mapping[str, Any], element: str, value: str, flags: int = 0) -> bool:
    if f"Not{element}" in statement:
        return not any(_like(pattern, value, flags) for pattern in _many(statement[f"Not{element}"]))
    return any(_like(pattern, value, flags) for pattern in _many(statement.get(element, [])))


def _meets(statement: Mapping[str, Any], principal: tuple[str, str] | None) -> bool:
    if "NotPrincipal" in statement:
        raise NotImplementedError("NotPrincipal")
    if principal is None:
        return True
    kind, name = principal
    wanted = statement["Principal"]
    return wanted == "*" or any(each in ("*", name) for each in _many(wanted.get(kind, [])))


def _holds(operator: str, key: str, wanted: Sequence[str], call: Call) -> bool:
    quantifier, _, rest = operator.rpartition(":")
    test, optional = rest.removesuffix("IfExists"), rest.endswith("IfExists")
    present = call.fact(key)
    if test == "Null":
        return (present is None) == (wanted[0] == "true")
    negated, matches = _OPERATORS[test]
    if present is None:
        return quantifier == "ForAllValues" or optional or (negated and not quantifier)
    results = [negated != any(matches(each, value) for each in wanted) for value in present]
    if quantifier:
        return {"ForAnyValue": any, "ForAllValues": all}[quantifier](results)
    if len(results) != 1:
        raise ValueError(f"{key} has several values, and {operator} compares one")
    return results[0]


def _like(pattern: str, value: str, flags: int = 0) -> bool:
    expression = re.escape(pattern).replace(r"\*", ".*").replace(r"\?", ".")
    return re.fullmatch(expression, value, flags | re.DOTALL) is not None


def _arn_like(pattern: str, value: str) -> bool:
    """Each of an ARN's six parts by itself: a wildcard reaches no further than the next colon."""
    parts, given = pattern.split(":", 5), value.split(":", 5)
    return len(parts) == len(given) and all(map(_like, parts, given))


def _equal(wanted: str, value: str) -> bool:
    return wanted == value


def _same(wanted: str, value: str) -> bool:
    return wanted.lower() == value.lower()


_OPERATORS: Mapping[str, tuple[bool, Callable[[str, str], bool]]] = {
    "StringEquals": (False, _equal),
    "StringNotEquals": (True, _equal),
    "StringLike": (False, _like),
    "StringNotLike": (True, _like),
    "ArnEquals": (False, _arn_like),
    "ArnLike": (False, _arn_like),
    "ArnNotLike": (True, _arn_like),
    "Bool": (False, _same),
}


def _many(value: Any) -> list[str]:
    """IAM writes one of something as itself."""
    return [str(value)] if isinstance(value, str | int | bool) else [str(each) for each in value]
