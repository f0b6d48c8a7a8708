"""Sends tests that share costly fixtures to one process of pytest-xdist, and every other test to any that is free.

`--dist loadgroup` does nothing with pytest 9.2: it appends the group to a node's id, which pytest now works out anew.
"""

from typing import Final

from xdist.scheduler import LoadScopeScheduling

# The stacks run each alternative of the program once a process, the pages and the examples start a stack of their own.
TOGETHER: Final = {
    "tests/stacks/": "stacks",
    "tests/platform/test_reference.py": "stacks",
    "tests/docs/": "pages",
    "tests/end_to_end/test_examples.py": "examples",
    "tests/cli/test_rights.py": "rights",
    "tests/images/test_built_images.py": "images",
}


class TogetherScheduling(LoadScopeScheduling):
    """Takes what stands in the table for one unit of work, the largest first; each other test is one of its own."""

    def _split_scope(self, nodeid: str) -> str:
        return next((group for place, group in TOGETHER.items() if nodeid.startswith(place)), nodeid)
