"""`python -m vodstack_app.docs FILE`: write the API's description, unless that breaks clients of the one in FILE."""

import json
import sys
from pathlib import Path

from vodstack_app.docs.compatibility import breaking_changes
from vodstack_app.docs.description import describe, write

BREAKING = "--breaking"


def main(arguments: list[str]) -> int:
    files = [Path(word) for word in arguments if word != BREAKING]
    if len(files) != 1:
        sys.stderr.write(f"usage: python -m vodstack_app.docs [{BREAKING}] FILE\n")
        return 2
    (file,) = files
    described = describe()
    changes = breaking_changes(json.loads(file.read_text()), described) if file.exists() else []
    if changes and BREAKING not in arguments:
        lines = "".join(f"  {change}\n" for change in changes)
        sys.stderr.write(
            f"This breaks clients:\n{lines}Give {BREAKING} if that is meant, and say so in CHANGELOG.md.\n"
        )
        return 1
    write(described, file)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
