"""What msgspec finds wrong with a request, in the words of those who send it."""

import re
from collections.abc import Sequence
from typing import TypeVar

import msgspec
from msgspec import Struct, structs

from vodstack_app.errors import BadRequestError, FieldFault

T = TypeVar("T", bound=Struct)

_SHOWN_NAME_LIMIT = 100
_TYPES = {
    "int": "a whole number",
    "float": "a number",
    "str": "a string",
    "bool": "true or false",
    "array": "a list",
    "object": "a JSON object",
}
_UNITS = {"str": "characters", "array": "entries", "object": "entries"}
_PLACE = re.compile(r"(?P<found>.*?)(?: - at (?:key in )?`\$\.?(?P<path>.*)`)?", re.DOTALL)
_MISSING = re.compile(r"Object missing required field `(?P<name>.*)`", re.DOTALL)
_UNKNOWN = re.compile(r"Object contains unknown field `(?P<name>.*)`", re.DOTALL)
_TYPE = re.compile(r"Expected `(?P<types>[^`]+)`, got .*", re.DOTALL)
_LENGTH = re.compile(r"Expected `(?P<type>\w+)` of length (?P<bound>[<>]=) (?P<limit>\d+)")
_RANGE = re.compile(r"Expected `(?P<type>\w+)` (?P<bound>[<>]=) (?P<limit>\S+)")
_ANY_ENTRY = "[...]"


def read_struct(body: bytes, struct: type[T]) -> T:
    """The struct that a JSON body holds. Raises BadRequestError, which names the field at fault."""
    try:
        return msgspec.json.decode(body, type=struct, strict=False)
    except msgspec.ValidationError as error:
        fault = _fault_of(str(error), struct)
        if not fault.field:
            raise BadRequestError(fault.detail) from error
        raise BadRequestError(summary([fault]), faults=[fault]) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadRequestError("The body cannot be read as JSON. Send a JSON object in UTF-8.") from error


def is_text(given: str) -> bool:
    """Whether it can be written as UTF-8: half of a surrogate pair cannot."""
    try:
        given.encode()
    except UnicodeEncodeError:
        return False
    return True


def summary(faults: Sequence[FieldFault]) -> str:
    return " ".join(f"{fault.field}: {fault.detail}" for fault in faults)


def explain(found: str, choices: Sequence[str] = ()) -> str:
    """What to send in place of what was found wrong; `choices` are all the values that there are."""
    if choices:
        return f"Send one of {', '.join(choices)}."
    if match := _TYPE.fullmatch(found):
        return f"Send {_types(match['types'])}."
    if match := _LENGTH.fullmatch(found):
        return _bounded(match["bound"], match["limit"], _UNITS.get(match["type"], "characters"))
    if match := _RANGE.fullmatch(found):
        side = "at least" if match["bound"] == ">=" else "at most"
        return f"Send {_types(match['type'])} of {side} {match['limit']}."
    return "This value is not acceptable."


def _fault_of(message: str, struct: type[Struct]) -> FieldFault:
    place = _PLACE.fullmatch(message)
    found, path = (place["found"], place["path"] or "") if place else (message, "")
    if match := _MISSING.fullmatch(found):
        return FieldFault(match["name"], "This field must be there.")
    if match := _UNKNOWN.fullmatch(found):
        known = ", ".join(field.encode_name for field in structs.fields(struct))
        return FieldFault(match["name"][:_SHOWN_NAME_LIMIT], f"There is no such field; there are {known}.")
    if path.endswith(_ANY_ENTRY):
        return FieldFault(path.removesuffix(_ANY_ENTRY), f"{explain(found)} This holds for every entry.")
    return FieldFault(path, explain(found))


def _types(words: str) -> str:
    wanted = [_TYPES.get(word, word) for word in words.split(" | ") if word != "null"]
    return " or ".join(wanted)


def _bounded(bound: str, limit: str, unit: str) -> str:
    if bound == "<=":
        return f"At most {limit} {unit} are allowed."
    return "It may not be empty." if limit == "1" else f"Send at least {limit} {unit}."
