"""Structs as DynamoDB items, in the typed form that the low-level client speaks.

boto3's own serializer refuses floats and brings boto3 with it; this module is all that the services need
(docs/adr/0006-table-items.md).
"""

import re
from collections.abc import Mapping
from typing import Any, TypeVar, cast

import msgspec

from vodstack_contracts.errors import MalformedItemError

T = TypeVar("T")
_INTEGER = re.compile(r"-?\d+")


def to_attribute(value: object) -> dict[str, Any]:
    """One plain value as a typed attribute. Raises TypeError for what JSON could not hold either."""
    match value:
        case None:
            return {"NULL": True}
        case bool():
            return {"BOOL": value}
        case str():
            return {"S": str(value)}
        case int() | float():
            return {"N": repr(value)}
        case list() | tuple():
            return {"L": [to_attribute(member) for member in cast("list[object]", value)]}
        case dict():
            members = cast("dict[str, object]", value)
            return {"M": {name: to_attribute(member) for name, member in members.items()}}
        case _:
            return to_attribute(msgspec.to_builtins(value))


def from_attribute(attribute: Mapping[str, Any]) -> Any:
    """The plain value of a typed attribute. Raises MalformedItemError for types the records do not use."""
    ((kind, value),) = attribute.items()
    match kind:
        case "NULL":
            return None
        case "S" | "BOOL":
            return value
        case "N":
            return int(value) if _INTEGER.fullmatch(value) else float(value)
        case "NS":
            return frozenset(int(member) for member in value)
        case "L":
            return [from_attribute(member) for member in value]
        case "M":
            return {name: from_attribute(member) for name, member in value.items()}
        case _:
            raise MalformedItemError(f"the records use no attribute of DynamoDB type {kind}")


def to_item(record: msgspec.Struct) -> dict[str, Any]:
    """A struct as an item. Empty optional fields are left out, so a sparse index stays sparse."""
    plain: dict[str, object] = msgspec.to_builtins(record)
    return {name: to_attribute(value) for name, value in plain.items() if value is not None}


def from_item(item: Mapping[str, Any], struct: type[T]) -> T:
    """An item as a struct. Attributes that the struct does not name are passed over: newer versions add some.

    Raises MalformedItemError.
    """
    plain = {name: from_attribute(attribute) for name, attribute in item.items()}
    try:
        return msgspec.convert(plain, struct)
    except msgspec.ValidationError as error:
        raise MalformedItemError(f"this is no {struct.__name__}: {error}") from error
