"""Pulumi's property structs as plain Python values, and back."""

from collections.abc import Mapping
from typing import Any, Final, cast

from google.protobuf import json_format, struct_pb2

# https://github.com/pulumi/pulumi/blob/master/sdk/go/common/resource/sig/sig.go
_SIGNATURE: Final = "4dabf18193072939515e22adb298388d"
_SECRET: Final = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105 - the mark of a secret, not one
_UNKNOWN: Final = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"


class Unknown:
    """What is only known once a resource is made, in a preview."""

    def __repr__(self) -> str:
        return "<unknown>"


UNKNOWN: Final = Unknown()


def plain(struct: struct_pb2.Struct) -> tuple[dict[str, Any], frozenset[str]]:
    """A struct's values, and the names of those at its top that are or hold secrets."""
    members = cast("dict[str, object]", json_format.MessageToDict(struct))
    secret = frozenset(name for name, value in members.items() if _holds_secret(value))
    return {name: _plain(value) for name, value in members.items()}, secret


def updated(struct: struct_pb2.Struct, values: Mapping[str, Any], secret: frozenset[str]) -> struct_pb2.Struct:
    """A copy of `struct` with `values` over it; those named in `secret` are marked as Pulumi marks secrets."""
    copy = struct_pb2.Struct()
    copy.CopyFrom(struct)
    copy.update({name: {_SIGNATURE: _SECRET, "value": v} if name in secret else v for name, v in values.items()})
    return copy


def holds_unknown(value: object) -> bool:
    match value:
        case Unknown():
            return True
        case dict():
            return any(holds_unknown(member) for member in cast("dict[str, object]", value).values())
        case list():
            return any(holds_unknown(member) for member in cast("list[object]", value))
        case _:
            return False


def _plain(value: object) -> Any:
    match value:
        case dict():
            members = cast("dict[str, object]", value)
            if members.get(_SIGNATURE) == _SECRET:
                return _plain(members["value"])
            return {name: _plain(member) for name, member in members.items() if name != _SIGNATURE}
        case list():
            return [_plain(member) for member in cast("list[object]", value)]
        case float() if value.is_integer():
            return int(value)  # the wire knows one kind of number, and `port: 8080.0` is no port
        case str() if value == _UNKNOWN:
            return UNKNOWN
        case _:
            return value


def _holds_secret(value: object) -> bool:
    match value:
        case dict():
            members = cast("dict[str, object]", value)
            return members.get(_SIGNATURE) == _SECRET or any(_holds_secret(member) for member in members.values())
        case list():
            return any(_holds_secret(member) for member in cast("list[object]", value))
        case _:
            return False
