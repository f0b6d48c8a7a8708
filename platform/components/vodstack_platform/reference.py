"""Writes the pages of docs/ that are made from the code: `python -m vodstack_platform.reference [docs]`."""

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args, get_type_hints

from msgspec import Meta, Struct

from vodstack_contracts import outputs as contract
from vodstack_platform.component_reference import components_page
from vodstack_platform.config.tree import StackSettings

_NOTE = "<!-- Written by `python -m vodstack_platform.reference`. Edit the code instead. -->"
_CONFIG = f"""{_NOTE}
# Stack config

Every option of `Pulumi.<stack>.yaml`, with its default. A key that is wrong or unknown stops the program before it
makes anything, and the message names the key, what was given, and what is allowed. `aws:region` is the region of every
resource; `aws:profile`, if set, the AWS profile of the program and of its calls to Kubernetes.

An option is set in the file, or by its path: `pulumi config set --path vodstack:foundation.network.zones 3`. Secrets
(`vodstack:cluster.existing.kubeconfig`) are set with `--secret` as well.

## Taking a layer out, or to another stack

What holds data is protected three times: by Pulumi (`foundation.protect`), by DynamoDB (`foundation.tables`), and by
S3, which deletes no bucket that holds objects (`foundation.bucket.forceDestroy`). Taking `foundation` out of `layers`,
or `pulumi destroy`, therefore fails in its preview, before anything is done, and says what is protected; never skip
that preview (`--skip-preview`), for all but the data would go. To remove it for good, set `protect` and
`deletionProtection` to false, run `pulumi up`, then remove it; docs/operations.md has the commands.

To split a stack, move the layer and keep what it holds: `pulumi state move --source dev --dest data <urn>`, with the
URN of the layer (`pulumi stack --show-urns`), takes the layer and all below it. Run `pulumi up` in the new stack first:
alarms, roles, the key's alias, the budget and the SSM parameter carry the stack's name and are made anew, and nothing
that holds data may be replaced. Then name the new stack in `vodstack:references.foundation`, take `foundation` out of
`layers`, and look at the old stack's preview: nothing changes but what names those roles.
"""
_OUTPUTS = f"""{_NOTE}
# Outputs

What a stack exports, layer by layer. It is a contract: renaming an output, dropping it, or changing what it means
raises the layer's version, and a test notices. There are three ways to it:

- Pulumi in Python: `outputs.read(FoundationOutputs, pulumi.StackReference("organization/vodstack/dev"))` from
  `vodstack_contracts` gives every output under a typed name, and an output that the stack lacks is an error that names
  the layer and the stack. [examples/renditions](examples/renditions/__main__.py) is a whole program that does: set
  `renditions:videos` to your stack, run `pulumi install` and `pulumi preview` in its folder.
- Pulumi in any language: a stack reference, and the names below.
- Without Pulumi: one JSON document a layer in SSM, as in
  `aws ssm get-parameter --name /vodstack/dev/foundation/v1 --query Parameter.Value --output text`.
  In Python, `outputs.decode(FoundationOutputs[str], document)` checks it. There are no secrets in it; whoever reads
  it needs `ssm:GetParameter` on `arn:aws:ssm:*:*:parameter/vodstack/*`, and no key.
"""


def config_page() -> str:
    schema = StackSettings.model_json_schema(by_alias=True)
    return "\n".join([_CONFIG, *_section("vodstack", schema, schema["$defs"])]).rstrip() + "\n"


def outputs_page() -> str:
    return "\n".join([_OUTPUTS, *(line for layer in contract.LAYERS for line in _layer(layer))]).rstrip() + "\n"


def _section(path: str, schema: Mapping[str, Any], defs: Mapping[str, Any]) -> Iterator[str]:
    leaves: list[tuple[str, Mapping[str, Any]]] = []
    sections: list[tuple[str, Mapping[str, Any]]] = []
    for name, member in schema["properties"].items():
        target = _target(member, defs)
        (sections if "properties" in target else leaves).append((name, member))
    yield f"## `{path}`\n"
    yield f"{schema['description']}\n"
    if leaves:
        yield "| Key | Default | Allowed | Meaning |"
        yield "| --- | --- | --- | --- |"
        for name, member in leaves:
            required = name in schema.get("required", ())
            default = "required" if required else f"`{json.dumps(member.get('default'))}`"
            yield f"| `{name}` | {default} | {_allowed(member, defs)} | {_cell(member.get('description', ''))} |"
        yield ""
    separator = ":" if path == "vodstack" else "."
    for name, member in sections:
        yield from _section(f"{path}{separator}{name}", _target(member, defs), defs)


def _target(member: Mapping[str, Any], defs: Mapping[str, Any]) -> Mapping[str, Any]:
    for candidate in (member, *member.get("anyOf", ()), *member.get("allOf", ())):
        if "$ref" in candidate:
            return defs[candidate["$ref"].rpartition("/")[2]]
    return member


def _allowed(member: Mapping[str, Any], defs: Mapping[str, Any]) -> str:
    schema = _target(member, defs)
    if "anyOf" in schema:
        return " or ".join(_allowed(each, defs) for each in schema["anyOf"])
    if "const" in schema:
        return f"`{schema['const']}`"
    if "enum" in schema:
        return ", ".join(f"`{each}`" for each in schema["enum"])
    if schema.get("type") == "array":
        items = schema["items"]
        return f"list of {_allowed(items, defs)}"
    if schema.get("type") == "object":
        return f"object of {_allowed(schema['additionalProperties'], defs)}"
    return _KINDS[schema["type"]] + _bounds(schema)


_KINDS = {"string": "text", "integer": "whole number", "boolean": "`true`, `false`", "null": "nothing"}


def _bounds(schema: Mapping[str, Any]) -> str:
    least, most, below = schema.get("minimum"), schema.get("maximum"), schema.get("exclusiveMaximum")
    parts = [f"from {least}"] if least is not None else []
    parts += [f"to {most}"] if most is not None else [f"below {below}"] if below is not None else []
    parts += [f"like `{_cell(schema['pattern'])}`"] if "pattern" in schema else []
    return f" {' '.join(parts)}" if parts else ""


def _layer(layer: type[Struct]) -> Iterator[str]:
    yield f"## `{contract.contract_of(layer)}`\n"
    yield f"{layer.__doc__}\n"
    yield "| Output | Meaning |"
    yield "| --- | --- |"
    hints = get_type_hints(layer, include_extras=True)
    for name, hint in zip(contract.names(layer), hints.values(), strict=True):
        (meta,) = [each for each in get_args(hint) if isinstance(each, Meta)]
        yield f"| `{name}` | {_cell(meta.description or '')} |"
    yield ""


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def pages() -> dict[str, str]:
    """Every page by the name of its file."""
    return {"components.md": components_page(_NOTE), "config.md": config_page(), "outputs.md": outputs_page()}


def main(folder: str = "docs") -> None:
    for name, page in pages().items():
        (Path(folder) / name).write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
