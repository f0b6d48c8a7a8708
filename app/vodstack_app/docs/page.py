"""The API's description as one HTML page that asks nothing of any other host, for it works where there is none."""

import base64
import hashlib
import json
from collections.abc import Iterator, Mapping
from html import escape
from importlib.resources import files
from typing import Any

from vodstack_app.docs.fields import fields_table, members, prose, sendable, table, type_of
from vodstack_app.docs.samples import EXAMPLE_ID, example_call, samples
from vodstack_app.docs.trials import trial

JsonObject = Mapping[str, Any]

METHODS = ("get", "head", "post", "put", "patch", "delete")
_FILES = files("vodstack_app.docs")
STYLE = _FILES.joinpath("page.css").read_text()
SCRIPT = _FILES.joinpath("page.js").read_text()


def _digest(content: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"


# What the page itself promises, the browser enforces: this style and this script alone, and requests to this API alone.
CONTENT_SECURITY_POLICY = (
    f"default-src 'none'; style-src {_digest(STYLE)}; script-src {_digest(SCRIPT)}; connect-src 'self'; img-src data:;"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_CREDENTIALS = (
    '<form class="token"><label><span>access token</span>'
    '<input type="password" autocomplete="off" placeholder="for the forms below; it is kept nowhere"></label></form>'
)


def render_page(schema: JsonObject, address: str) -> str:
    """The page, whose lines of code ask the API at the address, which ends without a slash."""
    info = schema["info"]
    operations = list(_operations(schema))
    asks_token = bool(schema.get("security"))
    links = "".join(
        f'<li><a href="#{escape(operation["operationId"])}">{_signature(method, path)}'
        f"<small>{escape(operation.get('summary') or '')}</small></a></li>"
        for method, path, operation in operations
    )
    sections = "".join(
        _operation_section(method, path, operation, _code(method, path, operation, address, asks_token=asks_token))
        for method, path, operation in operations
    )
    structs = "".join(
        _struct_section(name, struct) for name, struct in members(schema.get("components", {}), "schemas").items()
    )
    return (
        f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>{escape(info["title"])}</title>'
        f'<meta name="viewport" content="width=device-width"><link rel="icon" href="data:,">'
        f'<style>{STYLE}</style></head><body><div class="frame"><nav><ul>{links}</ul></nav><main>'
        f"<h1>{escape(info['title'])} {escape(info['version'])}</h1>{_introduction(info, asks_token=asks_token)}"
        f"{sections}<h1>Structures</h1>{structs}</main></div><script>{SCRIPT}</script></body></html>"
    )


def _introduction(info: JsonObject, *, asks_token: bool) -> str:
    paragraphs = "".join(f"<p>{prose(paragraph)}</p>" for paragraph in info.get("description", "").split("\n\n"))
    token = "<p>The lines of code read an access token from the variable <code>TOKEN</code>.</p>" if asks_token else ""
    return (
        f'{paragraphs}<p>For machines: <a href="/openapi.json">openapi.json</a></p>'
        f"<p>In the lines of code, <code>{EXAMPLE_ID}</code> stands for the id of a video of yours.</p>"
        f"{token}{_CREDENTIALS if asks_token else ''}"
    )


def _operations(schema: JsonObject) -> Iterator[tuple[str, str, JsonObject]]:
    for path, item in schema["paths"].items():
        for method in METHODS:
            if method in item:
                yield method, path, item[method]


def _signature(method: str, path: str) -> str:
    return f'<b class="method">{method.upper()}</b> <code>{escape(path)}</code>'


def _operation_section(method: str, path: str, operation: JsonObject, code: str) -> str:
    described: list[JsonObject] = operation.get("parameters") or []
    parameters = {
        parameter["name"]: {**sendable(members(parameter, "schema")), "description": parameter.get("description")}
        for parameter in described
    }
    required = frozenset(parameter["name"] for parameter in described if parameter.get("required"))
    answers = "".join(_answer(status, response) for status, response in sorted(members(operation, "responses").items()))
    return (
        f'<section id="{escape(operation["operationId"])}"><h2>{_signature(method, path)}</h2>'
        f"<p>{prose(_sentence(operation.get('summary') or ''))} {prose(operation.get('description') or '')}</p>"
        f'<div class="columns"><div>{table(parameters, required)}{_bodies(operation)}<h3>Answers</h3>{answers}</div>'
        f'<div class="side">{code}{trial(method, path, operation)}</div></div></section>'
    )


def _code(method: str, path: str, operation: JsonObject, address: str, *, asks_token: bool) -> str:
    name = escape(operation["operationId"])
    lines = samples(example_call(method, path, operation, address, asks_token=asks_token))
    choices = "".join(
        f'<input type="radio" name="code-{name}" id="{name}-{number}" value="{language}"{"" if number else " checked"}>'
        f'<label for="{name}-{number}">{language}</label>'
        for number, language in enumerate(lines)
    )
    shown = "".join(f'<pre data-language="{language}">{escape(text)}</pre>' for language, text in lines.items())
    return f'<div class="code">{choices}{shown}</div>'


def _bodies(operation: JsonObject) -> str:
    """A body that comes by several media types is shown once."""
    shown: dict[str, list[str]] = {}
    for media_type, content in members(operation.get("requestBody") or {}, "content").items():
        shown.setdefault(f"{fields_table(content.get('schema', {}))}{_examples(content)}", []).append(media_type)
    return "".join(
        f"<h3>Body: {' or '.join(f'<code>{escape(each)}</code>' for each in media_types)}</h3>{text}"
        for text, media_types in shown.items()
    )


def _sentence(text: str) -> str:
    return text if not text or text.endswith("?") else f"{text}."


def _answer(status: str, response: JsonObject) -> str:
    contents = "".join(
        f"<p><code>{escape(media_type)}</code> {type_of(content.get('schema', {}))}</p>{_examples(content)}"
        for media_type, content in members(response, "content").items()
    )
    return f"<details><summary><b>{escape(status)}</b> {prose(response['description'])}</summary>{contents}</details>"


def _examples(content: JsonObject) -> str:
    examples = members(content, "examples").values()
    return "".join(f"<pre>{escape(json.dumps(example.get('value'), indent=2))}</pre>" for example in examples)


def _struct_section(name: str, struct: JsonObject) -> str:
    return (
        f'<section id="schema-{escape(name)}"><h2><code>{escape(name)}</code></h2>'
        f"<p>{prose(struct.get('description') or '')}</p>{fields_table(struct)}</section>"
    )
