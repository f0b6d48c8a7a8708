"""Reads a stack's config into the tree, or says at once, before any resource, what is wrong with it."""

import json
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any, get_args

import pulumi
from pulumi.runtime import config as runtime_config
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from vodstack_contracts.state import is_reserved
from vodstack_platform.config.tree import StackSettings

NAMESPACE = "vodstack"
_SECRET = "a secret value"  # noqa: S105 - words for a message, not a password


class ConfigError(pulumi.RunError):
    """The stack's config is wrong. Pulumi shows the message without a traceback."""


def read_settings() -> StackSettings:
    """The config of the running stack. Raises ConfigError that names every wrong key."""
    if is_reserved(stack := pulumi.get_stack()):
        raise ConfigError(
            f"no stack may be called {stack!r}: its bucket and key would have the names of Pulumi's own state. "
            "`pulumi stack rename` gives it another name"
        )
    given = {key: _parse(key, text) for key, text in _given().items()}
    return parse_settings(given, secret_keys=frozenset(key for key in given if _is_secret(key)))


def parse_settings(given: Mapping[str, object], *, secret_keys: frozenset[str] = frozenset()) -> StackSettings:
    """The tree of these values, by top-level key. Raises ConfigError."""
    try:
        return StackSettings.model_validate_json(json.dumps(given), by_alias=True, by_name=False)
    except ValidationError as error:
        sentences = [_sentence(detail, secret_keys) for detail in error.errors(include_url=False)]
        raise ConfigError("the stack's config is wrong\n" + "\n".join(f"  {line}" for line in sentences)) from None


def _given() -> dict[str, str]:
    prefix = f"{NAMESPACE}:"
    everything: dict[str, Any] = {**runtime_config.get_config_env(), **runtime_config.CONFIG.get()}
    return {key.removeprefix(prefix): str(value) for key, value in everything.items() if key.startswith(prefix)}


def _is_secret(key: str) -> bool:
    return runtime_config.is_config_secret(f"{NAMESPACE}:{key}") or (
        f"{NAMESPACE}:{key}" in runtime_config.get_config_secret_keys_env()
    )


def _parse(key: str, text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        if text.lstrip().startswith(("{", "[")):
            raise ConfigError(f"{NAMESPACE}:{key} is neither an object nor a list: its JSON does not parse") from None
        return text


def _sentence(detail: ErrorDetails, secret_keys: frozenset[str]) -> str:
    location = [str(part) for part in detail["loc"] if part != "[key]"]
    key = f"{NAMESPACE}:{'.'.join(location)}"
    given = _SECRET if location and location[0] in secret_keys else json.dumps(detail["input"], default=str)
    match detail["type"]:
        case "extra_forbidden":
            allowed = sorted(_allowed(location[:-1]))
            return f"{key}: unknown key, given {given}.{_suggestion(location[-1], allowed)} Allowed: {_listed(allowed)}"
        case "value_error":
            where = f"{key}: " if location else ""
            return f"{where}{detail['msg'].removeprefix('Value error, ')}"
        case "missing":
            return f"{key}: required and not given"
        case _:
            return f"{key}: given {given}. {detail['msg']}.{_choice(detail)}"


def _choice(detail: ErrorDetails) -> str:
    context: dict[str, Any] = detail.get("ctx") or {}
    value, expected = detail["input"], context.get("expected")
    if not isinstance(value, str) or not isinstance(expected, str):
        return ""
    return _suggestion(value, [word.strip("' ") for word in expected.replace(" or ", ", ").split(",")])


def _suggestion(word: str, allowed: list[str]) -> str:
    close = get_close_matches(word, allowed, n=1)
    return f" Did you mean {close[0]}?" if close else ""


def _listed(names: list[str]) -> str:
    return ", ".join(names) or "nothing"


def _allowed(location: list[str]) -> set[str]:
    section: type[BaseModel] | None = StackSettings
    for part in location:
        section = next((kind for name, kind in _subsections(section) if name == part), None)
    return set(_names(section)) if section else set()


def _names(section: type[BaseModel]) -> Iterator[str]:
    for name, field in section.model_fields.items():
        yield field.alias or name


def _subsections(section: type[BaseModel] | None) -> Iterator[tuple[str, type[BaseModel]]]:
    for name, field in section.model_fields.items() if section else ():
        for kind in (field.annotation, *get_args(field.annotation)):
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                yield field.alias or name, kind
