"""Reads the pages' blocks: those that run, those that say why they do not, and those that are data."""

import json
from collections import deque
from contextlib import suppress
from pathlib import Path
from unittest import SkipTest

import yaml
from sybil import Document, Example, Sybil
from sybil.parsers.markdown import CodeBlockParser, PythonCodeBlockParser, SkipParser

from vodstack_platform.config.reading import NAMESPACE, parse_settings

ROOT = Path(__file__).parents[2]
PATHS = sorted(
    path
    for pattern in ("README.md", "CONTRIBUTING.md", "docs/*.md", "docs/examples/**/*.md", "docs/stacks/*.md")
    for path in ROOT.glob(pattern)
    if "node_modules" not in path.parts
    if not {".venv", "node_modules"} & set(path.parts)  # of an example whose packages were installed
)


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def _run_lines(example: Example) -> str | None:
    example.namespace["answered"] = None
    reason = example.namespace["shell"].run(example.parsed)
    with suppress(ValueError):
        example.namespace["answered"] = json.loads(example.namespace["shell"].output)
    return reason


def _compare_answer(example: Example) -> str | None:
    """Where lines stand before it, the block is their answer: what it names is there, whatever its value."""
    shown, answered = json.loads(example.parsed), example.namespace.pop("answered", None)
    missing = sorted(_names(shown) - _names(answered)) if answered is not None else []
    return f"the answer does not name {missing}: {answered}" if missing else None


def _names(value: object) -> set[str]:
    if isinstance(value, dict):
        return set(map(str, value)).union(*map(_names, value.values()))
    return set().union(*map(_names, value)) if isinstance(value, list) else set()


def _read_config(example: Example) -> None:
    given = yaml.safe_load(example.parsed)
    named = {key.removeprefix(f"{NAMESPACE}:"): value for key, value in given.items()}
    parse_settings({"services": {"images": {"tag": "v1"}, "auth": "none"}, **named})


_RUN = {
    "sh": _run_lines,
    "json": _compare_answer,
    "yaml": _read_config,
}
# Shown alone: output, drawings, and what other tests run.
SHOWN = frozenset({"text", "html", "javascript"})
RUN = frozenset({*_RUN, "python"})
_SYBIL = Sybil(
    [SkipParser(), PythonCodeBlockParser(), *(CodeBlockParser(*entry) for entry in _RUN.items())], path=str(ROOT)
)


class Page:
    """A page's blocks, in order: what a later one needs, such as a variable, an earlier one has made."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = name_of(path)
        self.text = path.read_text()
        self.document: Document = _SYBIL.parse(path)
        self._waiting = deque(self.document.examples())
        self.blocks = [example for example in self._waiting if not self._is_directive(example)]

    def run_up_to(self, block: Example) -> None:
        """Run what has not run so far, up to this block and with it. Raises SkipTest where it is left out."""
        while self._waiting:
            example = self._waiting.popleft()
            if example is block:
                example.evaluate()
                return
            with suppress(SkipTest):
                example.evaluate()

    @staticmethod
    def _is_directive(example: Example) -> bool:
        parsed = example.parsed
        return isinstance(parsed, tuple) and parsed[0] in {"next", "start", "end"}


PAGES = [page for page in map(Page, PATHS) if page.blocks]
