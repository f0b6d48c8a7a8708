"""The README's commands are the ones that exist."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")]


def test_every_make_target_that_a_page_names_is_there():
    targets = set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for page in PAGES:
        named = set(re.findall(r"(?:^|`)make ([a-z][a-z-]+)\b", page.read_text(), re.MULTILINE))
        assert named <= targets, page.name


def test_every_link_of_a_page_leads_to_a_file():
    for page in PAGES:
        prose = re.sub(r"`[^`]*`", "", page.read_text())
        for link in re.findall(r"\]\(([^)#]+)[^)]*\)", prose):
            assert link.startswith("https://") or (page.parent / link).exists(), f"{page.name}: {link}"


def test_the_readme_names_every_stack():
    readme = (ROOT / "README.md").read_text()
    for path in ROOT.glob("Pulumi.*.yaml"):
        stack = path.name.split(".")[1]
        assert stack in readme
