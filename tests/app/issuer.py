"""A small issuer of tokens over HTTP, whose keys a test can change and which it can silence or let lie."""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

AUDIENCE = "https://videos.example"
PREFIX = "vodstack/"
EVERY_SCOPE = f"openid {PREFIX}videos:read {PREFIX}videos:write"


class Issuer:
    """It starts with an RSA key `first` and an elliptic one `curve`."""

    def __init__(self) -> None:
        self.private_keys: dict[str, Any] = {}
        self.jwks: list[dict[str, Any]] = []
        self.asked = 0
        self.status = 200
        self.redirect = ""
        self.discovery: dict[str, object] = {}
        self.padding = ""
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self.add_rsa("first")
        self.add("curve", ec.generate_private_key(ec.SECP256R1()), ECAlgorithm)

    def add_rsa(self, kid: str, bits: int = 2048, **members: str) -> None:
        self.add(kid, rsa.generate_private_key(65537, bits), RSAAlgorithm, **members)

    def add(self, kid: str, private_key: Any, algorithm: Any, **members: str) -> None:
        self.private_keys[kid] = private_key
        self.jwks.append({**algorithm.to_jwk(private_key.public_key(), as_dict=True), "kid": kid, **members})

    def withdraw(self, kid: str) -> None:
        self.jwks = [jwk for jwk in self.jwks if jwk["kid"] != kid]

    def claims(self, **changes: object) -> dict[str, object]:
        """What a good token says, with changes; None takes a claim out."""
        now = int(time.time())
        good = {"iss": self.url, "sub": "alice", "aud": AUDIENCE, "iat": now, "exp": now + 300, "scope": EVERY_SCOPE}
        return {name: value for name, value in {**good, **changes}.items() if value is not None}

    def token(self, kid: str = "first", **changes: object) -> str:
        algorithm = "RS256" if isinstance(self.private_keys[kid], rsa.RSAPrivateKey) else "ES256"
        return jwt.encode(self.claims(**changes), self.private_keys[kid], algorithm, headers={"kid": kid})

    def settings(self) -> dict[str, str]:
        """What makes an API ask this issuer."""
        return {
            "VODSTACK_AUTH": "oidc",
            "VODSTACK_OIDC_ISSUER": self.url,
            "VODSTACK_OIDC_AUDIENCE": AUDIENCE,
            "VODSTACK_OIDC_SCOPE_PREFIX": PREFIX,
        }

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _document(self, path: str) -> dict[str, object]:
        if path == "/keys":
            self.asked += 1
            return {"keys": self.jwks, "padding": self.padding}
        return {"issuer": self.url, "jwks_uri": f"{self.url}/keys", **self.discovery}

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = json.dumps(issuer._document(self.path)).encode()
                self.send_response(302 if issuer.redirect else issuer.status)
                self.send_header("Location", (issuer.redirect or issuer.url) + self.path)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the base class's
                """A word a request would bury the tests' own."""

        return Handler
