"""Presigned URLs in front of moto, which knows none once IAM is enforced and checks no expiry before (ADR 0009).

A URL whose signature, time and key are right goes on as the same request with its signature in the header, where moto
judges it by its signer's policies; any other one is refused as S3 would refuse it.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import parse_qsl, quote, urlencode

from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from werkzeug.wrappers import Response

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
Application = Callable[[Environ, StartResponse], Iterable[bytes]]
CredentialsOf = Callable[[str, Mapping[str, str]], Any]

_SIGNING: Final = frozenset(
    f"X-Amz-{name}"
    for name in ("Algorithm", "Credential", "Date", "Expires", "SignedHeaders", "Signature", "Security-Token")
)
_ADMINISTRATION: Final = "/moto-api/"
_TIMESTAMP: Final = "%Y%m%dT%H%M%SZ"


class PresignedUrls:
    """WSGI middleware. `enforced` says whether IAM is; `credentials_of` finds a key's credentials, or None."""

    def __init__(self, application: Application, enforced: Callable[[], bool], credentials_of: CredentialsOf) -> None:
        self._application = application
        self._enforced = enforced
        self._credentials_of = credentials_of

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        signed_in_header = "HTTP_AUTHORIZATION" in environ
        if signed_in_header or environ["PATH_INFO"].startswith(_ADMINISTRATION) or not self._enforced():
            return self._application(environ, start_response)
        query = dict(parse_qsl(environ["QUERY_STRING"], keep_blank_values=True))
        refusal = "AccessDenied" if "X-Amz-Signature" not in query else self._admit(environ, query)
        if refusal:
            return _refused(refusal)(environ, start_response)
        return self._application(environ, start_response)

    def _admit(self, environ: Environ, query: dict[str, str]) -> str:
        """Sign the request anew in its header; the S3 error code where the URL is not good, else nothing."""
        missing = _SIGNING - {"X-Amz-Security-Token"} - query.keys()
        if missing:
            return "AuthorizationQueryParametersError"
        key_id, _, region, service, _ = query["X-Amz-Credential"].split("/")
        token = query.get("X-Amz-Security-Token")
        credentials = self._credentials_of(key_id, {"X-Amz-Security-Token": token} if token else {})
        if credentials is None:
            return "InvalidAccessKeyId"
        given = S3SigV4QueryAuth(credentials, service, region, expires=int(query["X-Amz-Expires"]))
        if _signature(given, environ, query) != query["X-Amz-Signature"]:
            return "SignatureDoesNotMatch"
        signed_at = datetime.strptime(query["X-Amz-Date"], _TIMESTAMP).replace(tzinfo=UTC)
        if datetime.now(UTC) > signed_at + timedelta(seconds=int(query["X-Amz-Expires"])):
            return "AccessDenied"
        _sign_in_header(S3SigV4Auth(credentials, service, region), environ, query)
        return ""


def credentials_in_moto(key_id: str, headers: Mapping[str, str]) -> Any:
    """The credentials of an access key of moto's own IAM or STS; None where it knows no such key."""
    from moto.core.models import DEFAULT_ACCOUNT_ID  # noqa: PLC0415 - only the emulator's own process has use for moto
    from moto.iam.access_control import CreateAccessKeyFailure, create_access_key  # noqa: PLC0415 - likewise

    try:
        key = create_access_key(DEFAULT_ACCOUNT_ID, "aws", key_id, dict(headers))
    except CreateAccessKeyFailure:
        return None
    return key.create_credentials()


def iam_is_enforced() -> bool:
    from moto import settings  # noqa: PLC0415 - as above
    from moto.core.authorization import ActionAuthenticatorMixin  # noqa: PLC0415 - as above

    return ActionAuthenticatorMixin.request_count >= settings.INITIAL_NO_AUTH_ACTION_COUNT


def _signature(auth: S3SigV4QueryAuth, environ: Environ, query: Mapping[str, str]) -> str:
    unsigned = {name: value for name, value in query.items() if name != "X-Amz-Signature"}
    headers = {name: _header(environ, name) for name in query["X-Amz-SignedHeaders"].split(";")}
    request = _request(environ, unsigned, headers, query["X-Amz-Date"])
    canonical = auth.canonical_request(request)
    return auth.signature(auth.string_to_sign(request, canonical), request)


def _sign_in_header(auth: S3SigV4Auth, environ: Environ, query: Mapping[str, str]) -> None:
    rest = {name: value for name, value in query.items() if name not in _SIGNING}
    headers = {
        "Host": _header(environ, "host"),
        "X-Amz-Date": query["X-Amz-Date"],
        "X-Amz-Content-SHA256": "UNSIGNED-PAYLOAD",
    }
    if token := query.get("X-Amz-Security-Token"):
        headers["X-Amz-Security-Token"] = token
    request = _request(environ, rest, headers, query["X-Amz-Date"])
    signature = auth.signature(auth.string_to_sign(request, auth.canonical_request(request)), request)
    scope = auth.credential_scope(request)
    signed = ";".join(sorted(name.lower() for name in headers))
    headers["Authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={auth.credentials.access_key}/{scope},"
        f"SignedHeaders={signed},Signature={signature}"
    )
    environ["QUERY_STRING"] = urlencode(rest, quote_via=quote)
    for name, value in headers.items():
        environ[f"HTTP_{name.upper().replace('-', '_')}"] = value
    for name in ("REQUEST_URI", "RAW_URI"):
        if name in environ:
            environ[name] = _path(environ) + (f"?{environ['QUERY_STRING']}" if rest else "")


def _request(environ: Environ, query: Mapping[str, str], headers: Mapping[str, str], timestamp: str) -> AWSRequest:
    url = _path(environ) + (f"?{urlencode(query, quote_via=quote)}" if query else "")
    request = AWSRequest(method=environ["REQUEST_METHOD"], url=url, headers=headers)
    request.context["timestamp"] = timestamp
    return request


def _path(environ: Environ) -> str:
    return str(environ.get("RAW_URI") or quote(environ["PATH_INFO"])).partition("?")[0]


def _header(environ: Environ, name: str) -> str:
    key = name.upper().replace("-", "_")
    return str(environ.get(f"HTTP_{key}", environ.get(key, "")))


def _refused(code: str) -> Response:
    body = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code><Message>{code}</Message></Error>'
    return Response(body, status=403, mimetype="application/xml")
