"""docs/components.md: every component with its arguments and outputs, read from the source that defines them."""

import ast
import inspect
import pkgutil
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType
from typing import Any, cast

import pulumi

import vodstack_platform

_TITLE = """# Components

Everything is a `pulumi.ComponentResource`: `Component(name, ComponentArgs(...), opts)`, and its type is
`vodstack:platform:<Component>`. Arguments are given by keyword. An argument whose type ends in `Settings` is a section
of [the stack config](config.md), which says what each of its options means and allows; in Python their names have
underscores in place of capitals.
"""
_PUBLIC = """## For programs of your own

Exported by `vodstack_platform`, and kept ([docs/library.md](library.md)).
"""
_OURS = """## Of our own layers

What the stacks are made of. These may change without notice.
"""


@dataclass(frozen=True)
class _Member:
    """A line of a class body: `name: type = default`, and the text below it."""

    name: str
    type: str
    default: str | None
    meaning: str


def components_page(note: str) -> str:
    found = sorted(components(), key=lambda each: each.__name__)
    ours = [each for each in found if each.__name__ not in vodstack_platform.__all__]
    lines = [f"{note}\n{_TITLE}", _PUBLIC]
    lines += [line for each in found if each not in ours for line in _section(each)]
    lines += [_OURS, *(line for each in ours for line in _section(each))]
    return "\n".join(lines).rstrip() + "\n"


def components() -> Iterator[type[pulumi.ComponentResource]]:
    """Every component that a module of this package defines."""
    for module_info in pkgutil.iter_modules(vodstack_platform.__path__):
        if not module_info.ispkg:
            module = _imported(f"{vodstack_platform.__name__}.{module_info.name}")
            for member in vars(module).values():
                if inspect.isclass(member) and issubclass(member, pulumi.ComponentResource):
                    yield from [member] if member.__module__ == module.__name__ else []


def _imported(name: str) -> ModuleType:
    with warnings.catch_warnings():
        # The SDKs warn of resources that nobody uses, merely because they are imported.
        warnings.simplefilter("ignore", DeprecationWarning)
        return import_module(name)


def arguments_of(component: type[pulumi.ComponentResource]) -> type[Any] | None:
    """The dataclass of its arguments; None where it takes none."""
    return getattr(inspect.getmodule(component), f"{component.__name__}Args", None)


def undocumented(arguments: type[Any]) -> list[str]:
    """Names of the arguments that no text explains."""
    return [member.name for member in _members(arguments) if not member.meaning]


def _section(component: type[pulumi.ComponentResource]) -> Iterator[str]:
    yield f"### `{component.__name__}`\n"
    yield f"{inspect.getdoc(component)}\n"
    if arguments := arguments_of(component):
        yield f"`{arguments.__name__}`: {inspect.getdoc(arguments)}\n"
        yield "| Argument | Type | Default | Meaning |"
        yield "| --- | --- | --- | --- |"
        for member in _members(arguments):
            default = "required" if member.default is None else f"`{_cell(member.default)}`"
            yield f"| `{member.name}` | `{_cell(member.type)}` | {default} | {_cell(member.meaning)} |"
        yield ""
    if outputs := [member for member in _members(component) if not member.name.startswith("_")]:
        yield f"Outputs: {', '.join(f'`{member.name}` (`{member.type}`)' for member in outputs)}.\n"


def _members(owner: type[Any]) -> Iterator[_Member]:
    (definition,) = ast.parse(inspect.getsource(owner)).body
    body = cast("ast.ClassDef", definition).body
    for statement, following in zip(body, [*body[1:], None], strict=True):
        if isinstance(statement, ast.AnnAssign):
            default = None if statement.value is None else _default(statement.value)
            yield _Member(ast.unparse(statement.target), ast.unparse(statement.annotation), default, _text(following))


def _default(value: ast.expr) -> str:
    """As its reader would write it: a factory is called."""
    if isinstance(value, ast.Call) and ast.unparse(value.func) == "field":
        return f"{ast.unparse(value.keywords[0].value)}()"
    return ast.unparse(value)


def _text(statement: ast.stmt | None) -> str:
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
        return str(statement.value.value)
    return ""


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
