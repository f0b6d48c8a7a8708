"""A browser's preflights, judged by the bucket's own rules as S3 judges them: moto wants even these to be signed."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase

from werkzeug.wrappers import Response

from vodstack_platform.embedded.presigned import Application, Environ, StartResponse


@dataclass(frozen=True)
class Rule:
    """What pages of these origins may do with a bucket. Origins and headers may hold a `*`."""

    origins: list[str]
    methods: list[str]
    headers: list[str]
    exposed: list[str]

    def admits(self, origin: str, method: str, headers: list[str]) -> bool:
        asked = [
            any(fnmatchcase(header.lower(), allowed.lower()) for allowed in self.headers)
            for header in headers
            if header
        ]
        return method in self.methods and any(fnmatchcase(origin, allowed) for allowed in self.origins) and all(asked)


RulesOf = Callable[[str], list[Rule]]


class Preflights:
    """WSGI middleware. `rules_of` finds a bucket's rules by its name."""

    def __init__(self, application: Application, rules_of: RulesOf) -> None:
        self._application = application
        self._rules_of = rules_of

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] != "OPTIONS" or "HTTP_ORIGIN" not in environ:
            return self._application(environ, start_response)
        origin = str(environ["HTTP_ORIGIN"])
        method = str(environ.get("HTTP_ACCESS_CONTROL_REQUEST_METHOD", ""))
        asked = str(environ.get("HTTP_ACCESS_CONTROL_REQUEST_HEADERS", ""))
        headers = [header.strip() for header in asked.split(",")]
        rules = self._rules_of(str(environ["PATH_INFO"]).split("/")[1])
        rule = next((each for each in rules if each.admits(origin, method, headers)), None)
        answer = _allowed(rule, origin, asked) if rule else Response("<Error><Code>AccessForbidden</Code></Error>", 403)
        return answer(environ, start_response)


def _allowed(rule: Rule, origin: str, headers: str) -> Response:
    answer = Response(status=200)
    answer.headers["Access-Control-Allow-Origin"] = "*" if "*" in rule.origins else origin
    answer.headers["Access-Control-Allow-Methods"] = ", ".join(rule.methods)
    answer.headers["Access-Control-Allow-Headers"] = headers
    answer.headers["Access-Control-Expose-Headers"] = ", ".join(rule.exposed)
    return answer


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
