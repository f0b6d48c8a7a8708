"""The lines that send a request, in the languages that most clients are written in."""

import json
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, cast
from urllib.parse import quote

from vodstack_app.docs.fields import JsonObject, body_of, example_of

EXAMPLE_ID = "0200c014-987b-4c5e-82bc-5fa62e2d2e97"
EXAMPLE_FILE = "clip.mp4"
_PLACES = {"video_id": EXAMPLE_ID, "file_path": "hls/master.m3u8"}
FORM = "multipart/form-data"
EVENTS = "text/event-stream"
JSON = "application/json"
_LONG_SECONDS = 600
_LINE_LIMIT = 90


@dataclass(frozen=True)
class Call:
    """A request as an example shows it. `form` has None where the file stands."""

    method: str
    url: str
    answers: str
    token: bool = False
    redirects: bool = False
    media_type: str = ""
    body: Any = None
    form: Mapping[str, str | None] = field(default_factory=dict[str, str | None])


def example_call(method: str, path: str, operation: JsonObject, address: str, *, asks_token: bool) -> Call:
    """The request that the description's own examples make."""
    media_type, described = body_of(operation)
    value = example_of(described)
    is_form = media_type == FORM
    return Call(
        method=method.upper(),
        url=address + path.format(**{name: quote(place, safe="/") for name, place in _PLACES.items()}),
        answers=_media_type(operation),
        token=asks_token and operation.get("security") != [{}],
        redirects="307" in operation["responses"],
        media_type=media_type,
        body=None if is_form else value,
        form=_form(value, described["schema"]) if is_form else {},
    )


def _media_type(operation: JsonObject) -> str:
    """Of what comes where all went well; empty where that has no body."""
    status = min(status for status in operation["responses"] if status.startswith("2"))
    return next(iter(operation["responses"][status].get("content", {})), "")


def _form(example: JsonObject, schema: JsonObject) -> dict[str, str | None]:
    files = {name for name, each in schema["properties"].items() if each.get("format") == "binary"}
    return {
        name: None if name in files else value if isinstance(value, str) else json.dumps(value)
        for name, value in example.items()
    }


def samples(call: Call) -> dict[str, str]:
    """The call in each language, by the language's name."""
    return {"curl": _curl(call), "Python": _python(call), "JavaScript": _javascript(call)}


def _curl(call: Call) -> str:
    is_empty_post = call.method == "POST" and not call.form and call.body is None
    options = [f"-X {call.method}"] if call.method not in {"GET", "POST"} or is_empty_post else []
    options += ["-N"] if call.answers == EVENTS else []
    options += ["-L"] if call.redirects else []
    # In double quotes, for the shell is to put the variable's value in its place.
    options += ['-H "Authorization: Bearer $TOKEN"'] if call.token else []
    for name, value in call.form.items():
        options.append(f"-F {name}=@{EXAMPLE_FILE}" if value is None else f"-F {shlex.quote(f'{name}={value}')}")
    if call.body is not None:
        options.append(f"-H {shlex.quote(f'Content-Type: {call.media_type}')}")
        options.append(f"-d {shlex.quote(json.dumps(call.body))}")
    words = ["curl", *options, shlex.quote(call.url)]
    line = " ".join(words)
    return line if len(line) <= _LINE_LIMIT else " \\\n  ".join([" ".join(words[:2]), *words[2:]])


def _python(call: Call) -> str:
    arguments = ['headers={"Authorization": f"Bearer {os.environ[\'TOKEN\']}"}'] if call.token else []
    if call.form:
        fields = {name: value for name, value in call.form.items() if value is not None}
        arguments += [f'files={{"{_file_part(call)}": file}}', f"data={_literal(fields)}", f"timeout={_LONG_SECONDS}"]
    elif call.body is not None:
        arguments.append(f"json={_literal(call.body)}")
    arguments += ["follow_redirects=True"] if call.redirects else []
    imports = "import os\n\nimport httpx" if call.token else "import httpx"
    return (
        f"{imports}\n\n{_python_events(call, arguments) if call.answers == EVENTS else _python_answer(call, arguments)}"
    )


def _python_answer(call: Call, arguments: list[str]) -> str:
    url = json.dumps(call.url)
    given = "".join(f"    {argument},\n" for argument in [url, *arguments])
    asked = f"answer = httpx.{call.method.lower()}({f'{chr(10)}{given}' if arguments else url})"
    if call.form:
        asked = "\n    ".join([f'with open("{EXAMPLE_FILE}", "rb") as file:', *asked.split("\n")])
    return f"{asked}\nprint(answer.status_code, answer.{'json()' if call.answers == JSON else 'text'})"


def _python_events(call: Call, arguments: list[str]) -> str:
    given = ", ".join([json.dumps(call.method), "url", *arguments, "timeout=None"])
    return (
        f"url = {json.dumps(call.url)}\nwith httpx.stream({given}) as answer:\n"
        "    for line in answer.iter_lines():\n        print(line)"
    )


def _literal(value: object) -> str:
    """A value of JSON as Python writes it, in double quotes as its formatters do."""
    if isinstance(value, dict):
        members = cast("dict[str, object]", value).items()
        return f"{{{', '.join(f'{json.dumps(name)}: {_literal(member)}' for name, member in members)}}}"
    return json.dumps(value) if isinstance(value, str) else repr(value)


def _file_part(call: Call) -> str:
    return next(name for name, value in call.form.items() if value is None)


def _javascript(call: Call) -> str:
    headers = [f'"Content-Type": {json.dumps(call.media_type)}'] if call.body is not None else []
    headers += ["Authorization: `Bearer ${process.env.TOKEN}`"] if call.token else []
    options = [f'method: "{call.method}"'] if call.method != "GET" else []
    options += [f"headers: {{ {', '.join(headers)} }}"] if headers else []
    options += ["body: form"] if call.form else []
    options += [f"body: JSON.stringify({json.dumps(call.body)})"] if call.body is not None else []
    given = "".join(f"  {option},\n" for option in options)
    asked = f"const answer = await fetch({json.dumps(call.url)}{f', {{{chr(10)}{given}}}' if options else ''});"
    return "\n".join([*_javascript_form(call), asked, *_javascript_reading(call)])


def _javascript_form(call: Call) -> Iterator[str]:
    if not call.form:
        return
    yield 'import { readFile } from "node:fs/promises"; // a page has input.files[0] instead'
    yield ""
    yield f'const file = new Blob([await readFile("{EXAMPLE_FILE}")]);'
    yield "const form = new FormData();"
    for name, value in call.form.items():
        yield f'form.append("{name}", {f"file, {json.dumps(EXAMPLE_FILE)}" if value is None else json.dumps(value)});'


def _javascript_reading(call: Call) -> Iterator[str]:
    if call.answers == EVENTS:
        yield "for await (const text of answer.body.pipeThrough(new TextDecoderStream())) {"
        yield "  console.log(text);"
        yield "}"
    else:
        yield f"console.log(answer.status, await answer.{'json' if call.answers == JSON else 'text'}());"
