"""The page of threats: each row is whole, and each test that it names is there."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "threat-model.md"
NAMED = re.compile(r"`(tests/[\w/]+\.py)(?:::(\w+))?`")
HEADER = "| Threat | What stands against it | Shown by | What is left |"


def _rows() -> list[list[str]]:
    """The cells of every row about a threat."""
    rows: list[list[str]] = []
    for table in PAGE.read_text().split(HEADER)[1:]:
        for line in table.strip().splitlines()[1:]:
            if not line.startswith("|"):
                break
            rows.append([cell.strip() for cell in line.strip("|").split("|")])
    return rows


@cache
def _tests(path: str) -> set[str]:
    tree = ast.parse((ROOT / path).read_text())
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    return {node.name for node in ast.walk(tree) if isinstance(node, functions) and node.name.startswith("test_")}


@pytest.mark.parametrize("row", [pytest.param(row, id=row[0][:60]) for row in _rows()])
def test_a_row_says_what_stands_and_names_tests_that_are_there(row):
    assert len(row) == 4
    threat, stands, shown, _ = row
    assert threat
    assert stands
    named = NAMED.findall(shown)
    assert named
    assert NAMED.sub("", shown).strip(", ") == ""
    for path, name in named:
        assert name in _tests(path), f"{path} has no {name}"


def test_every_border_has_its_table_of_threats():
    assert len(_rows()) > 30
    assert len(re.findall(r"^## ", PAGE.read_text(), re.MULTILINE)) == 8


def test_reports_find_their_way():
    policy = (ROOT / "SECURITY.md").read_text()
    assert "Report a vulnerability" in policy
    assert "docs/threat-model.md" in policy
    for page in ("README.md", "docs/threat-model.md"):
        assert "SECURITY.md" in (ROOT / page).read_text()
