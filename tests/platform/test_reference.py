from pathlib import Path

import pytest
from pydantic import BaseModel

from vodstack_platform.component_reference import arguments_of, components, undocumented
from vodstack_platform.config import StackSettings
from vodstack_platform.reference import config_page, pages

ROOT = Path(__file__).parents[2]
HINT = "run: python -m vodstack_platform.reference"
# In the process that has Pulumi's SDKs loaded anyway.


@pytest.fixture(scope="module")
def written():
    return pages()


@pytest.mark.parametrize("name", ["components.md", "config.md", "outputs.md"])
def test_a_page_says_what_the_code_says(name, written):
    assert (ROOT / "docs" / name).read_text() == written[name], HINT


def test_every_option_has_a_meaning():
    missing = [path for path, meaning in _options(StackSettings) if not meaning]
    assert missing == []


def test_every_option_is_on_the_page():
    page = config_page()
    assert [path for path, _ in _options(StackSettings) if path.rpartition(".")[2] not in page] == []


def test_a_component_says_what_it_is_and_what_each_argument_means():
    for component in components():
        arguments = arguments_of(component)
        assert component.__doc__, component
        assert arguments is None or undocumented(arguments) == [], f"{arguments}: say below each argument what it means"


def _options(section: type[BaseModel], prefix: str = ""):
    for name, field in section.model_fields.items():
        path = f"{prefix}{field.alias or name}"
        yield path, field.description
        for kind in (field.annotation, *getattr(field.annotation, "__args__", ())):
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                yield from _options(kind, f"{path}.")
