"""The API's description as one HTML page that asks nothing of any other host, for it works where there is none."""

import json
import re
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

JsonObject = Mapping[str, Any]

METHODS = ("get", "head", "post", "put", "patch", "delete")
STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #1b1f24 }
section { border-top: 1px solid #d0d7de; margin-top: 2rem }
h2 code { font-size: 1.1rem } b.method { background: #0b5fff; color: #fff; border-radius: 4px; padding: 0 .5rem }
table { border-collapse: collapse; width: 100% } td, th { text-align: left; padding: .25rem .75rem .25rem 0;
vertical-align: top } pre { background: #f6f8fa; padding: .75rem; overflow: auto } nav li { list-style: none }
nav ul { padding: 0 } code { overflow-wrap: anywhere } td code { overflow-wrap: normal }
@media (max-width: 40rem) { tr { display: block; padding: .25rem 0 } td { display: inline }
td:last-child { display: block } }
@media (prefers-color-scheme: dark) { body { background: #0d1117; color: #e6edf3 } pre { background: #161b22 } }
"""


_QUOTED = re.compile("`([^`]+)`")


def render_page(schema: JsonObject) -> str:
    info = schema["info"]
    operations = list(_operations(schema))
    links = "".join(
        f'<li><a href="#{escape(operation["operationId"])}">{_signature(method, path)}</a></li>'
        for method, path, operation in operations
    )
    sections = "".join(_operation_section(method, path, operation) for method, path, operation in operations)
    components = _members(schema.get("components", {}), "schemas")
    structs = "".join(_struct_section(name, struct) for name, struct in components.items())
    return (
        f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>{escape(info["title"])}</title>'
        f'<meta name="viewport" content="width=device-width"><link rel="icon" href="data:,">'
        f"<style>{STYLE}</style></head><body><h1>{escape(info['title'])} {escape(info['version'])}</h1>"
        f"{_paragraphs(info.get('description', ''))}"
        f'<p>For machines: <a href="/openapi.json">openapi.json</a></p><nav><ul>{links}</ul></nav>'
        f"{sections}<h1>Structures</h1>{structs}</body></html>"
    )


def _operations(schema: JsonObject) -> Iterator[tuple[str, str, JsonObject]]:
    for path, item in schema["paths"].items():
        for method in METHODS:
            if method in item:
                yield method, path, item[method]


def _signature(method: str, path: str) -> str:
    return f'<b class="method">{method.upper()}</b> <code>{escape(path)}</code>'


def _operation_section(method: str, path: str, operation: JsonObject) -> str:
    described: list[JsonObject] = operation.get("parameters") or []
    parameters = {
        parameter["name"]: {**_sendable(_members(parameter, "schema")), "description": parameter.get("description")}
        for parameter in described
    }
    required = frozenset(parameter["name"] for parameter in described if parameter.get("required"))
    body = "".join(
        f"<h3>Body: <code>{escape(media_type)}</code></h3>{_fields(content.get('schema', {}))}{_examples(content)}"
        for media_type, content in _members(operation.get("requestBody", {}), "content").items()
    )
    responses = sorted(_members(operation, "responses").items())
    answers = "".join(_answer(status, response) for status, response in responses)
    return (
        f'<section id="{escape(operation["operationId"])}"><h2>{_signature(method, path)}</h2>'
        f"<p>{_prose(_sentence(operation.get('summary') or ''))} {_prose(operation.get('description') or '')}</p>"
        f"{_table(parameters, required)}{body}<h3>Answers</h3>{answers}</section>"
    )


def _paragraphs(text: str) -> str:
    return "".join(f"<p>{_prose(paragraph)}</p>" for paragraph in text.split("\n\n"))


def _prose(text: str) -> str:
    return _QUOTED.sub(r"<code>\1</code>", escape(text))


def _sentence(text: str) -> str:
    return text if not text or text.endswith("?") else f"{text}."


def _sendable(schema: JsonObject) -> JsonObject:
    """A parameter's schema without null, which no URL and no header can hold."""
    choices = [choice for choice in schema.get("oneOf") or () if choice.get("type") != "null"]
    return choices[0] if len(choices) == 1 else schema


def _members(node: JsonObject, name: str) -> dict[str, JsonObject]:
    return node.get(name) or {}


def _answer(status: str, response: JsonObject) -> str:
    contents = "".join(
        f"<p><code>{escape(media_type)}</code> {_type_of(content.get('schema', {}))}</p>{_examples(content)}"
        for media_type, content in _members(response, "content").items()
    )
    return f"<details><summary><b>{escape(status)}</b> {_prose(response['description'])}</summary>{contents}</details>"


def _examples(content: JsonObject) -> str:
    examples = _members(content, "examples").values()
    return "".join(f"<pre>{escape(json.dumps(example.get('value'), indent=2))}</pre>" for example in examples)


def _struct_section(name: str, struct: JsonObject) -> str:
    return (
        f'<section id="schema-{escape(name)}"><h2><code>{escape(name)}</code></h2>'
        f"<p>{_prose(struct.get('description') or '')}</p>{_fields(struct)}</section>"
    )


def _fields(struct: JsonObject) -> str:
    if "enum" in struct:
        return f"<p>{escape(', '.join(str(value) for value in struct['enum']))}</p>"
    return _table(_members(struct, "properties"), frozenset(struct.get("required", ())))


def _table(fields: Mapping[str, JsonObject], required: frozenset[str]) -> str:
    rows = "".join(
        f"<tr><td><code>{escape(name)}</code></td><td>{_type_of(field)}</td>"
        f"<td>{'required' if name in required else ''}</td><td>{_prose(field.get('description') or '')}</td></tr>"
        for name, field in fields.items()
    )
    return f"<table>{rows}</table>" if rows else ""


def _type_of(field: JsonObject) -> str:
    if "$ref" in field:
        name = escape(field["$ref"].rsplit("/", 1)[-1])
        return f'<a href="#schema-{name}">{name}</a>'
    if "oneOf" in field:
        return " or ".join(_type_of(choice) for choice in field["oneOf"])
    if "enum" in field:
        return " or ".join(f"<code>{escape(str(word))}</code>" for word in field["enum"] if word is not None)
    if field.get("type") == "array":
        return f"list of {_type_of(field.get('items', {}))}"
    words: str | list[str] = field.get("type", "")
    return escape(words if isinstance(words, str) else " or ".join(words))
