"""An issuer of access tokens, so that services are measured with their tokens checked."""

import json
import threading
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

AUDIENCE = "https://bench.example"
SUBJECT = "bench"
KID = "bench"
LIFE_SECONDS = 4 * 3600


@dataclass(frozen=True)
class Issuer:
    """Where its keys are, and a token by it; `sign` makes those of other subjects."""

    url: str
    token: str
    sign: Callable[[str], str]

    @property
    def environment(self) -> dict[str, str]:
        """What makes a service ask it."""
        return {"VODSTACK_AUTH": "oidc", "VODSTACK_OIDC_ISSUER": self.url, "VODSTACK_OIDC_AUDIENCE": AUDIENCE}


@contextmanager
def issuing() -> Generator[Issuer]:
    key = rsa.generate_private_key(65537, 2048)
    jwk = {**RSAAlgorithm.to_jwk(key.public_key(), as_dict=True), "kid": KID}
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(jwk))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    url, now = f"http://127.0.0.1:{server.server_port}", int(time.time())
    claims = {"iss": url, "aud": AUDIENCE, "iat": now, "exp": now + LIFE_SECONDS, "scope": "videos:read videos:write"}

    def sign(subject: str) -> str:
        return jwt.encode({**claims, "sub": subject}, key, "RS256", headers={"kid": KID})

    try:
        yield Issuer(url, sign(SUBJECT), sign)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _handler(jwk: Mapping[str, object]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            url = f"http://{self.headers['Host']}"
            keys = self.path == "/keys"
            body = json.dumps({"keys": [jwk]} if keys else {"issuer": url, "jwks_uri": f"{url}/keys"}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the base class's
            """A line a request would bury the table."""

    return Handler
