"""Variables that look like ours and that nothing reads: a misspelt setting must not be silently without effect."""

import difflib
import re
from collections.abc import Iterable, Mapping

from vodstack_contracts.environment import Variable

PREFIX = "VODSTACK_"
_LIKENESS = 0.6
_SLIP = 0.85
# What a pod gets for each Service of its namespace, unless `enableServiceLinks` is false.
_SERVICE_LINK = re.compile(
    r"(?P<service>[A-Z0-9_]+?)_(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT(_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)"
)


def unknown_variables(environment: Mapping[str, str], known: Iterable[str] = tuple(Variable)) -> dict[str, str | None]:
    """The variables with our prefix that are not `known`, each with the nearest known one, if any is near.

    API and worker know each other's, for one file of variables may serve both.
    """
    names = {str(each).removeprefix(PREFIX): str(each) for each in known}
    return {
        name: _nearest(name.upper().removeprefix(PREFIX), names)
        for name in sorted(environment)
        if name.upper().startswith(PREFIX)
        and name.upper() not in names.values()
        and not _is_of_kubernetes(name, environment)
    }


def describe(name: str, nearest: str | None) -> str:
    """A sentence for the reader of an error."""
    return f"{name} is read by nothing: {f'did you mean {nearest}?' if nearest else 'unset it.'}"


def _nearest(word: str, names: Mapping[str, str]) -> str | None:
    """A letter too many or too few comes before a unit left out, and that before what is merely like it."""
    slips = difflib.get_close_matches(word, names, n=1, cutoff=_SLIP)
    begun = [each for each in names if each.startswith(f"{word}_")]
    near = slips or begun or difflib.get_close_matches(word, names, n=1, cutoff=_LIKENESS)
    return names[near[0]] if near else None


def _is_of_kubernetes(name: str, environment: Mapping[str, str]) -> bool:
    link = _SERVICE_LINK.fullmatch(name)
    return link is not None and f"{link['service']}_SERVICE_HOST" in environment
