"""docs/problems.md has a row for every code that a record may hold, and for no other."""

import re
from enum import StrEnum
from pathlib import Path

import pytest

from vodstack_contracts.videos import FailureCode, WarningCode

PAGE = Path(__file__).parents[2] / "docs" / "problems.md"


def rows(heading: str) -> list[tuple[str, str, str]]:
    section = PAGE.read_text().partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    return re.findall(r"^\| `([a-z_]+)` \| (.+) \| (.+) \|$", section, re.MULTILINE)


@pytest.mark.parametrize(("heading", "codes"), [("Failure codes", FailureCode), ("Warnings", WarningCode)])
def test_every_code_has_a_row_with_its_meaning_and_what_to_do_and_no_other_has(heading: str, codes: type[StrEnum]):
    assert sorted(code for code, _, _ in rows(heading)) == sorted(codes)
