"""A stack's configuration as the Pulumi CLI would hand it to the program: flat, namespaced, all text."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import yaml

from vodstack_platform.embedded.errors import ConfigError

# All that a stack's file may hold, by Pulumi's own schema of it.
_STACK_KEYS = frozenset({"config", "encryptedkey", "encryptionsalt", "environment", "secretsprovider"})


class _StrictLoader(yaml.SafeLoader):
    """Refuses a key that stands twice, as Pulumi does: YAML of its own takes the later one."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002 - inherited
        seen: set[str] = set()
        for key, _ in node.value:
            if key.value in seen:
                raise yaml.MarkedYAMLError(problem=f"`{key.value}` stands twice", problem_mark=key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)


@dataclass(frozen=True)
class StackConfig:
    """`program` is the folder that holds `__main__.py`."""

    project: str
    program: Path
    values: Mapping[str, str]


def read_stack_config(project: Path, stack: str, overrides: Mapping[str, object]) -> StackConfig:
    """Read Pulumi.yaml and the stack's file; mappings in `overrides` are merged in. Raises ConfigError."""
    definition = _read(project / "Pulumi.yaml")
    name = str(definition.get("name", ""))
    stack_file = project / f"Pulumi.{stack}.yaml"
    if not stack_file.exists():
        known = sorted(path.name.split(".")[1] for path in project.glob("Pulumi.*.yaml"))
        raise ConfigError(
            f"there is no stack {stack!r}: {stack_file} does not exist; there are {', '.join(known) or 'none'}"
        )
    content = _read(stack_file)
    if unknown := sorted(content.keys() - _STACK_KEYS):
        raise ConfigError(f"{stack_file} holds {', '.join(unknown)}; a stack's config stands below `config`")
    given = _namespaced(name, content.get("config"))
    declared = _namespaced(name, definition.get("config"))
    merged = {key: value for key, entry in declared.items() if (value := _default(entry)) is not None} | given
    for key, value in _namespaced(name, overrides).items():
        merged[key] = _merged(merged.get(key), value)
    missing = sorted(key for key, entry in declared.items() if _is_declaration(entry) and key not in merged)
    if missing:
        raise ConfigError(
            f"stack {stack!r} lacks config that Pulumi.yaml declares without a default: {', '.join(missing)}"
        )
    values = {key: _text(key, value) for key, value in merged.items()}
    return StackConfig(project=name, program=project / str(definition.get("main", ".")), values=values)


def _read(path: Path) -> dict[str, Any]:
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), _StrictLoader)  # noqa: S506 - a SafeLoader
    except (OSError, yaml.YAMLError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from error
    if not isinstance(content or {}, dict):
        raise ConfigError(f"{path} is not a mapping")
    return cast("dict[str, Any]", content or {})


def _namespaced(project: str, config: object) -> dict[str, Any]:
    if not isinstance(config or {}, Mapping):
        raise ConfigError("`config` is not a mapping")
    entries = cast("Mapping[str, Any]", config or {})
    return {key if ":" in key else f"{project}:{key}": value for key, value in entries.items()}


def _is_declaration(entry: object) -> bool:
    """Pulumi.yaml describes a key by a mapping with its type; anything else is the value itself."""
    return isinstance(entry, dict) and "type" in entry


def _default(entry: object) -> object:
    if not isinstance(entry, dict):
        return entry
    declaration = cast("dict[str, object]", entry)
    return declaration.get("value", declaration.get("default"))


def _merged(below: object, above: object) -> object:
    if not (isinstance(below, Mapping) and isinstance(above, Mapping)):
        return above
    lower, upper = cast("Mapping[str, object]", below), cast("Mapping[str, object]", above)
    return {**lower, **{key: _merged(lower.get(key), value) for key, value in upper.items()}}


def _text(key: str, value: object) -> str:
    _refuse_secrets(key, value)
    if isinstance(value, str):
        return value
    return json.dumps(value, separators=(",", ":"))


def _refuse_secrets(key: str, value: object) -> None:
    match value:
        case dict():
            members = cast("dict[str, object]", value)
            if "secure" in members:
                raise ConfigError(f"config {key} is encrypted, and this engine holds no key: give it a plain value")
            for name, member in members.items():
                _refuse_secrets(f"{key}.{name}", member)
        case list():
            for index, member in enumerate(cast("list[object]", value)):
                _refuse_secrets(f"{key}[{index}]", member)
        case _:
            return
