"""The pictures of the pages: there, small, shown, and of the text that is said to make them."""

import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PICTURES = ROOT / "docs" / "pictures"
PAGES = [ROOT / "README.md", *ROOT.glob("docs/**/*.md")]
LARGEST_BYTES = 300_000
ARCHITECTURE = PICTURES / "architecture.d2"
# Numbers of D2's own themes.
DRAWN = {"architecture-light.svg": "0", "architecture-dark.svg": "200"}


def _shown() -> dict[Path, Path]:
    """The pictures that pages show, each with one of them."""
    links = re.compile(r"!\[[^\]]*\]\(([^)]+)\)|src(?:set)?=\"([^\"]+)\"")
    return {
        (page.parent / (match[1] or match[2])).resolve(): page
        for page in PAGES
        if "node_modules" not in page.parts
        for match in links.finditer(page.read_text())
    }


def test_every_picture_that_a_page_shows_is_there_and_small():
    shown = _shown()
    assert shown
    assert {path: page for path, page in shown.items() if not path.is_file()} == {}
    assert [path.name for path in shown if path.stat().st_size > LARGEST_BYTES] == []


def test_every_picture_is_shown_by_a_page():
    pictures = {path for path in PICTURES.iterdir() if path.suffix in {".svg", ".png"}}
    assert pictures == {path for path in _shown() if path.parent == PICTURES}


@pytest.mark.parametrize("name", DRAWN)
def test_the_picture_of_the_architecture_is_what_its_text_makes(name):
    """By the digest that `make pictures` leaves in it; where D2 is installed, by drawing it again."""
    drawn, comment = (PICTURES / name).read_text().rstrip().rsplit("\n", 1)
    assert comment == f"<!-- {hashlib.sha256(ARCHITECTURE.read_bytes() + drawn.encode()).hexdigest()} -->"
    if d2 := shutil.which("d2", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])):
        command = [d2, "--layout", "elk", "--theme", DRAWN[name], "--pad", "0", str(ARCHITECTURE), "-"]
        again = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        assert again.rstrip() == drawn


def test_no_picture_loads_anything_from_elsewhere():
    """Viewers of a repository show it without, and a reader is told to nobody."""
    for path in PICTURES.glob("*.svg"):
        assert re.findall(r"(?:url\(|href=|src=)[\"']?https?:[^\"')]+", path.read_text()) == [], path.name
