"""Forms by which the page sends an operation's request; page.js reads them."""

import json
from collections.abc import Iterator
from html import escape
from typing import Any, cast

from vodstack_app.docs.fields import JsonObject, body_of, example_of, members, sendable
from vodstack_app.docs.samples import FORM


def trial(method: str, path: str, operation: JsonObject) -> str:
    """Hidden until the script shows it, for without the script it does nothing."""
    media_type, content = body_of(operation)
    inputs = [*_parameters(operation), *_body(media_type, content)]
    return (
        f'<form class="try" hidden data-method="{method.upper()}" data-path="{escape(path)}"'
        f' data-type="{escape(media_type)}">{"".join(inputs)}'
        f"<p><button>Send {method.upper()}</button></p><output></output></form>"
    )


def _parameters(operation: JsonObject) -> Iterator[str]:
    for parameter in cast("list[dict[str, Any]]", operation.get("parameters") or []):
        name, schema = parameter["name"], sendable(members(parameter, "schema"))
        yield _labelled(name, _input(name, parameter["in"], schema, parameter.get("required")))


def _body(media_type: str, content: JsonObject) -> Iterator[str]:
    example, schema = example_of(content), members(content, "schema")
    if media_type == FORM:
        for name, field in members(schema, "properties").items():
            given = example.get(name) if example else ""
            shown = given if isinstance(given, str) else json.dumps(given)
            yield _labelled(name, _input(name, "form", {**field, "example": shown}, name in schema["required"]))
    elif media_type:
        text = escape(json.dumps(example, indent=2))
        rows = text.count("\n") + 1
        yield _labelled("body", f'<textarea name="body" data-in="body" rows="{rows}">{text}</textarea>')


def _labelled(name: str, control: str) -> str:
    return f"<label><span>{escape(name)}</span>{control}</label>"


def _input(name: str, place: str, schema: JsonObject, required: object) -> str:
    said = f'name="{escape(name)}" data-in="{place}"{" required" if required else ""}'
    if schema.get("enum"):
        words = "".join(f"<option>{escape(str(word))}</option>" for word in schema["enum"] if word is not None)
        return f"<select {said}><option></option>{words}</select>"
    if schema.get("format") == "binary":
        return f'<input type="file" {said}>'
    if schema.get("type") == "integer":
        limits = "".join(
            f' {html}="{schema[word]:.0f}"' for html, word in (("min", "minimum"), ("max", "maximum")) if word in schema
        )
        return f'<input type="number" {said}{limits} placeholder="{escape(str(schema.get("default", "")))}">'
    longest = f' maxlength="{schema["maxLength"]}"' if "maxLength" in schema else ""
    return f'<input {said}{longest} placeholder="{escape(str(schema.get("example", "")))}">'
