"""What pages of other origins may do with a bucket, by its own CORS rules as S3 applies them.

moto wants even preflights to be signed, takes any rule of the origin for any method, and answers errors without a word
to browsers, which then cannot tell a refusal from a broken line.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Final

from werkzeug.wrappers import Response

from vodstack_platform.embedded.presigned import Application, Environ, StartResponse

_CORS_HEADERS: Final = "access-control-"


@dataclass(frozen=True)
class Rule:
    """What pages of these origins may do with a bucket. Origins and headers may hold a `*`."""

    origins: list[str]
    methods: list[str]
    headers: list[str]
    exposed: list[str]

    def admits(self, origin: str, method: str, headers: Iterable[str] = ()) -> bool:
        asked = [any(_matches(header.lower(), allowed.lower()) for allowed in self.headers) for header in headers]
        return method in self.methods and any(_matches(origin, allowed) for allowed in self.origins) and all(asked)

    def answer_headers(self, origin: str) -> list[tuple[str, str]]:
        return [
            ("Access-Control-Allow-Origin", "*" if "*" in self.origins else origin),
            ("Access-Control-Allow-Methods", ", ".join(self.methods)),
            ("Access-Control-Expose-Headers", ", ".join(self.exposed)),
        ]


RulesOf = Callable[[str], list[Rule]]


class CrossOrigin:
    """WSGI middleware. `rules_of` finds a bucket's rules by its name."""

    def __init__(self, application: Application, rules_of: RulesOf) -> None:
        self._application = application
        self._rules_of = rules_of

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        if "HTTP_ORIGIN" not in environ:
            return self._application(environ, start_response)
        origin = str(environ["HTTP_ORIGIN"])
        rules = self._rules_of(str(environ["PATH_INFO"]).split("/")[1])
        if environ["REQUEST_METHOD"] == "OPTIONS":
            return _preflight(rules, origin, environ)(environ, start_response)
        rule = next((each for each in rules if each.admits(origin, environ["REQUEST_METHOD"])), None)

        def start(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
            kept = [(name, value) for name, value in headers if not name.lower().startswith(_CORS_HEADERS)]
            return start_response(status, kept + (rule.answer_headers(origin) if rule else []), *rest)

        return self._application(environ, start)


def _preflight(rules: list[Rule], origin: str, environ: Environ) -> Response:
    method = str(environ.get("HTTP_ACCESS_CONTROL_REQUEST_METHOD", ""))
    asked = str(environ.get("HTTP_ACCESS_CONTROL_REQUEST_HEADERS", ""))
    headers = [header.strip() for header in asked.split(",") if header.strip()]
    rule = next((each for each in rules if each.admits(origin, method, headers)), None)
    if rule is None:
        return Response("<Error><Code>AccessForbidden</Code></Error>", 403)
    return Response(status=200, headers=[*rule.answer_headers(origin), ("Access-Control-Allow-Headers", asked)])


def _matches(text: str, pattern: str) -> bool:
    """S3 knows `*` alone: the brackets of an IPv6 address are no set of characters."""
    return fnmatchcase(text, pattern.replace("[", "[[]"))


def rules_in_moto(bucket: str) -> list[Rule]:
    """Nothing where there is no such bucket."""
    from moto.core.models import DEFAULT_ACCOUNT_ID  # noqa: PLC0415 - only the emulator's own process has use for moto
    from moto.s3.models import s3_backends  # noqa: PLC0415 - likewise

    found = s3_backends[DEFAULT_ACCOUNT_ID]["aws"].buckets.get(bucket)
    return [
        Rule(
            origins=rule.allowed_origins,
            methods=rule.allowed_methods,
            headers=rule.allowed_headers or [],
            exposed=rule.exposed_headers or [],
        )
        for rule in (found.cors if found else [])
    ]
