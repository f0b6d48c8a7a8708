"""What a field may be, in words: its type, its limits, whether it has to be there."""

import re
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

JsonObject = Mapping[str, Any]

KIB = 1024
_UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB")
_QUOTED = re.compile("`([^`]+)`")


def prose(text: str) -> str:
    return _QUOTED.sub(r"<code>\1</code>", escape(text))


def members(node: JsonObject, name: str) -> dict[str, JsonObject]:
    return node.get(name) or {}


def body_of(operation: JsonObject) -> tuple[str, JsonObject]:
    """The media type that comes first, and what is said of it; empty where there is no body."""
    content = members(members(operation, "requestBody"), "content")
    return next(iter(content.items())) if content else ("", {})


def example_of(content: JsonObject) -> Any:
    """The value of the first example, if there is one."""
    return next((example["value"] for example in members(content, "examples").values()), None)


def sendable(schema: JsonObject) -> JsonObject:
    """A parameter's schema without null, which no URL and no header can hold."""
    choices = [choice for choice in schema.get("oneOf") or () if choice.get("type") != "null"]
    return {**schema, **choices[0], "oneOf": None} if len(choices) == 1 else schema


def fields_table(struct: JsonObject) -> str:
    if "enum" in struct:
        return f"<p>{escape(', '.join(str(value) for value in struct['enum']))}</p>"
    return table(members(struct, "properties"), frozenset(struct.get("required", ())))


def table(fields: Mapping[str, JsonObject], required: frozenset[str]) -> str:
    rows = "".join(
        f"<tr><td><code>{escape(name)}</code></td><td>{_type_and_limits(field, name in required)}</td>"
        f"<td>{prose(field.get('description') or '')}</td></tr>"
        for name, field in fields.items()
    )
    return f'<div class="wide"><table>{rows}</table></div>' if rows else ""


def type_of(field: JsonObject) -> str:
    if "$ref" in field:
        name = escape(field["$ref"].rsplit("/", 1)[-1])
        return f'<a href="#schema-{name}">{name}</a>'
    if field.get("oneOf"):
        return " or ".join(type_of(choice) for choice in field["oneOf"])
    if "enum" in field:
        return " or ".join(f"<code>{escape(str(word))}</code>" for word in field["enum"] if word is not None)
    words: str | list[str] = field.get("type", "")
    kinds = [words] if isinstance(words, str) else words
    if "array" in kinds:
        item = field.get("items", {})
        listed = "".join(f" ({each})" for each in [", ".join(_limits(item))] if each)
        kinds = [f"list of {type_of(item)}{listed}" if kind == "array" else kind for kind in kinds]
        return " or ".join(kinds)
    return escape(" or ".join(kinds))


def _type_and_limits(field: JsonObject, is_required: bool) -> str:  # noqa: FBT001 - it is a fact of the field
    lines = (["required"] if is_required else []) + [*_limits(field)]
    return f"{type_of(field)}{''.join(f'<br><small>{line}</small>' for line in lines)}"


def _limits(field: JsonObject) -> Iterator[str]:
    """Each of a schema's limits as a few words of HTML."""
    if field.get("format") == "uuid":
        yield "a UUID"
    unit = "bytes" if field.get("format") == "binary" else "characters"
    if lengths := _between(field.get("minLength"), field.get("maxLength"), unit):
        yield lengths
    if amounts := _between(field.get("minimum"), field.get("maximum"), ""):
        yield amounts
    if entries := _between(field.get("minItems"), field.get("maxItems"), "entries"):
        yield entries
    if entries := _between(field.get("minProperties"), field.get("maxProperties"), "entries"):
        yield entries
    if pattern := field.get("pattern"):
        yield f"<code>{escape(pattern)}</code>"
    if field.get("default") is not None:
        yield f"{escape(str(field['default']))} unless given"


def _between(low: float | None, high: float | None, unit: str) -> str:
    last = f" {unit}" if unit else ""
    if low == high and low is not None:
        return f"{_number(low)}{last}"
    if high is None:
        return f"at least {_number(low)}{last}" if low else ""
    words = f"{_number(low)} to {_number(high)}{last}" if low is not None else f"up to {_number(high)}{last}"
    return f"{words} ({_size(int(high))})" if high >= KIB**2 else words


def _number(value: float) -> str:
    return f"{int(value):,}" if value == int(value) else f"{value:g}"


def _size(amount: int) -> str:
    """As large a unit as divides it, or nearly does."""
    step = next((step for step in range(len(_UNITS) - 1, 0, -1) if amount >= KIB**step), 0)
    return f"{amount / KIB**step:.4g} {_UNITS[step]}"
