"""Every block of the pages that can run on a laptop runs, as it is printed; the others say why they do not."""

import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from unittest import SkipTest

import click
import pytest
from sybil import Example
from tests.end_to_end.conftest import Running

from vodstack_cli.main import cli

from .conftest import Shell
from .pages import PAGES, PATHS, ROOT, RUN, SHOWN, Page, name_of

BLOCKS = [pytest.param(page, block, id=f"{page.name}:{block.line}") for page in PAGES for block in page.blocks]
COMMAND = re.compile(r"(?:^ *\.venv/bin/|`|`\.venv/bin/)vodstack ([a-z][^`\n]*)", re.MULTILINE)
FENCE = re.compile(r"^ *```(\S*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)


@pytest.fixture
def open_page(
    address: str,
    variables: Mapping[str, str],
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
):
    """Gives a page a shell of its own; one that is open stays as it is."""
    monkeypatch.chdir(ROOT)

    def open_it(page: Page, *, prove: bool) -> None:
        if "shell" not in page.document.namespace:
            shell = Shell(address, variables, tmp_path_factory.mktemp("shell"))
            page.document.namespace.update(shell=shell, prove=prove)

    return open_it


@pytest.mark.prove
@pytest.mark.parametrize(("page", "block"), BLOCKS)
def test_a_block_does_what_its_page_says(page: Page, block: Example, open_page, stack: Running):
    open_page(page, prove=False)
    try:
        page.run_up_to(block)
    except SkipTest as reason:
        pytest.skip(f"{page.name}:{block.line} {reason}")


@pytest.mark.prove
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    "path", [pytest.param(page.path, id=page.name) for page in PAGES if "if(not prove" in page.text]
)
def test_a_page_does_what_it_says_with_its_slow_lines(path: Path, open_page, stack: Running):
    page = Page(path)
    open_page(page, prove=True)
    left_out: list[str] = []
    for block in page.blocks:
        try:
            page.run_up_to(block)
        except SkipTest as reason:
            left_out.append(str(reason))
    assert not any("make prove" in reason for reason in left_out)


@pytest.mark.parametrize("path", PATHS, ids=name_of)
def test_a_block_says_what_it_is(path: Path):
    """A language that no one knows would be passed over, and its lines never run."""
    assert {language for language, _ in FENCE.findall(path.read_text())} <= RUN | SHOWN


@pytest.mark.parametrize("path", PATHS, ids=name_of)
def test_lines_for_a_shell_are_those_of_every_shell(path: Path):
    """zsh, which macOS has, takes no comment at its prompt, and expands a `?` outside of quotes."""
    for language, lines in FENCE.findall(path.read_text()):
        if language == "sh":
            words = shlex.split(lines, posix=False)
            assert not [word for word in words if word.startswith("#")], lines
            assert not [word for word in words if re.match(r"[^'\"]*\?", word)], lines


@pytest.mark.parametrize("path", PATHS, ids=name_of)
def test_every_command_of_ours_that_a_page_names_is_there(path: Path):
    """Those inside of a sentence too, and those of lines that need more than a laptop."""
    for words in map(str.split, COMMAND.findall(path.read_text())):
        command: click.Command = cli
        while isinstance(command, click.Group) and words and not words[0].startswith("-"):
            assert words[0] in command.commands, words
            command = command.commands[words.pop(0)]
        known = {option for parameter in command.params for option in parameter.opts}
        assert {word.partition("=")[0] for word in words if word.startswith("--")} <= known, words
