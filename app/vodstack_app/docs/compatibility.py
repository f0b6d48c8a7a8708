"""What of a new description would break a client of the old one.

Requests may ask for less and take more, answers may say more and never less: additions are fine, removals are not.
"""

from collections.abc import Iterator, Mapping
from typing import Any, cast

from vodstack_app.docs.page import METHODS

Node = Mapping[str, Any]
_CEILINGS = ("maximum", "maxLength", "maxItems", "maxProperties")
_FLOORS = ("minimum", "minLength", "minItems", "minProperties")
SUCCESS = "2"


def breaking_changes(old: Node, new: Node) -> list[str]:
    """A sentence for each change after which a client of `old` may fail with `new`."""
    return [*_Comparison(old, new).changes()]


class _Comparison:
    def __init__(self, old: Node, new: Node) -> None:
        self._old = old
        self._new = new

    def changes(self) -> Iterator[str]:
        for path, old_item in self._old["paths"].items():
            new_item: Node = self._new["paths"].get(path, {})
            for method in METHODS:
                if method in old_item:
                    name = f"{method.upper()} {path}"
                    if method in new_item:
                        yield from self._operation(name, old_item[method], new_item[method])
                    else:
                        yield f"{name} is gone"

    def _operation(self, name: str, old: Node, new: Node) -> Iterator[str]:
        yield from self._parameters(name, old, new)
        yield from self._bodies(name, old.get("requestBody") or {}, new.get("requestBody") or {})
        for status, response in old["responses"].items():
            if status not in new["responses"]:
                if status.startswith(SUCCESS):
                    yield f"{name} no longer answers {status}"
                continue
            old_contents, new_contents = _contents(response), _contents(new["responses"][status])
            for media_type, content in old_contents.items():
                where = f"{name} {status}"
                if media_type in new_contents:
                    yield from self._answer(where, _schema(content), _schema(new_contents[media_type]), frozenset())
                else:
                    yield f"{where} no longer comes as {media_type}"

    def _parameters(self, name: str, old: Node, new: Node) -> Iterator[str]:
        before, after = _parameters(old), _parameters(new)
        for key in before:
            where = f"{name}: parameter {key}"
            if key not in after:
                yield f"{where} is gone"
            else:
                yield from self._request(where, _schema(before[key]), _schema(after[key]), frozenset())
        for key, parameter in after.items():
            if parameter.get("required") and not before.get(key, {}).get("required"):
                yield f"{name}: parameter {key} is required now"

    def _bodies(self, name: str, old: Node, new: Node) -> Iterator[str]:
        new_contents = _contents(new)
        for media_type, content in _contents(old).items():
            if media_type in new_contents:
                yield from self._request(
                    f"{name} body", _schema(content), _schema(new_contents[media_type]), frozenset()
                )
            else:
                yield f"{name} no longer takes {media_type}"
        if new.get("required") and not old.get("required"):
            yield f"{name}: a body is required now"

    def _request(self, where: str, old: Node, new: Node, seen: frozenset[str]) -> Iterator[str]:
        """What was accepted has to be accepted still."""
        seen, known = _visit(old, seen)
        if known:
            return
        old, new = self._resolved(self._old, old), self._resolved(self._new, new)
        if lost := self._types(self._old, old) - self._types(self._new, new):
            yield f"{where} no longer takes {', '.join(sorted(lost))}"
        if new.get("enum") and (refused := set(old.get("enum") or ["other values"]) - set(new["enum"])):
            yield f"{where} no longer takes {', '.join(map(str, sorted(refused)))}"
        yield from _limits(where, old, new)
        before, after = _properties(old), _properties(new)
        for name, member in before.items():
            if name in after:
                yield from self._request(f"{where}.{name}", member, after[name], seen)
            elif new.get("additionalProperties") is False or not after:
                yield f"{where}.{name} is gone"
        for name in set(new.get("required") or ()) - set(old.get("required") or ()):
            yield f"{where}.{name} is required now"
        if "items" in old and "items" in new:
            yield from self._request(f"{where}[]", old["items"], new["items"], seen)

    def _answer(self, where: str, old: Node, new: Node, seen: frozenset[str]) -> Iterator[str]:
        """What was promised has to be promised still."""
        seen, known = _visit(old, seen)
        if known:
            return
        old, new = self._resolved(self._old, old), self._resolved(self._new, new)
        if added := self._types(self._new, new) - self._types(self._old, old):
            yield f"{where} may be {', '.join(sorted(added))} now"
        after = _properties(new)
        for name, member in _properties(old).items():
            if name in after:
                yield from self._answer(f"{where}.{name}", member, after[name], seen)
            else:
                yield f"{where}.{name} is gone"
        for name in sorted(set(old.get("required") or ()) - set(new.get("required") or ())):
            if name in after:
                yield f"{where}.{name} may be missing now"
        if "items" in old and "items" in new:
            yield from self._answer(f"{where}[]", old["items"], new["items"], seen)

    def _resolved(self, document: Node, node: Node) -> Node:
        """The node, or what it refers to; of a choice with null, the other member."""
        if "$ref" in node:
            return self._resolved(document, document["components"]["schemas"][node["$ref"].rsplit("/", 1)[-1]])
        members = [member for member in node.get("oneOf") or () if member.get("type") != "null"]
        return self._resolved(document, members[0]) if len(members) == 1 else node

    def _types(self, document: Node, node: Node) -> set[str]:
        if "$ref" in node:
            return self._types(document, self._resolved(document, node))
        if node.get("oneOf"):
            return {word for member in node["oneOf"] for word in self._types(document, member)}
        words: str | list[str] = node.get("type") or []
        return {words} if isinstance(words, str) else set(words)


def _visit(node: Node, seen: frozenset[str]) -> tuple[frozenset[str], bool]:
    """The references on the way to a node, with its own, and whether it was among them."""
    reference = node.get("$ref")
    return (seen | {reference}, reference in seen) if reference else (seen, False)


def _limits(where: str, old: Node, new: Node) -> Iterator[str]:
    for word in (*_CEILINGS, *_FLOORS):
        before, after = old.get(word), new.get(word)
        if after is None:
            continue
        narrower = before is None or (after < before if word in _CEILINGS else after > before)
        if narrower:
            yield f"{where}: {word} is {after} now"
    if new.get("pattern") and new["pattern"] != old.get("pattern"):
        yield f"{where}: the pattern is {new['pattern']} now"


def _parameters(operation: Node) -> dict[str, Node]:
    described = cast("list[Node]", operation.get("parameters") or [])
    return {f"{parameter['in']} {parameter['name']}": parameter for parameter in described}


def _contents(node: Node) -> dict[str, Node]:
    return node.get("content") or {}


def _schema(node: Node) -> Node:
    return node.get("schema") or {}


def _properties(node: Node) -> dict[str, Node]:
    return node.get("properties") or {}
