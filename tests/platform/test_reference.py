from pathlib import Path

import pytest
from pydantic import BaseModel

from vodstack_platform.config import StackSettings
from vodstack_platform.reference import config_page, outputs_page

ROOT = Path(__file__).parents[2]
HINT = "run: python -m vodstack_platform.reference"


@pytest.mark.parametrize(("name", "page"), [("config.md", config_page), ("outputs.md", outputs_page)])
def test_a_page_says_what_the_code_says(name, page):
    assert (ROOT / "docs" / name).read_text() == page(), HINT


def test_every_option_has_a_meaning():
    missing = [path for path, meaning in _options(StackSettings) if not meaning]
    assert missing == []


def test_every_option_is_on_the_page():
    page = config_page()
    assert [path for path, _ in _options(StackSettings) if path.rpartition(".")[2] not in page] == []


def _options(section: type[BaseModel], prefix: str = ""):
    for name, field in section.model_fields.items():
        path = f"{prefix}{field.alias or name}"
        yield path, field.description
        for kind in (field.annotation, *getattr(field.annotation, "__args__", ())):
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                yield from _options(kind, f"{path}.")
