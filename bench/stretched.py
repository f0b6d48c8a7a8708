"""`python -m vodstack_app` that measures how long each route keeps the event loop from everybody else.

A stretch is one turn of one callback, in CPU time of the loop's thread: what else the machine does is not in it. At the
end the longest of each route is written, in milliseconds, to the file that BENCH_STRETCHES names.
"""

import asyncio
import json
import os
import sys
import time
from collections.abc import Mapping
from contextvars import ContextVar
from pathlib import Path
from typing import Any, cast

# Its handles are compiled, and cannot be looked into; asyncio's turns are the same.
sys.modules["uvloop"] = cast("Any", None)

from botocore.auth import S3SigV4Auth  # noqa: E402

from vodstack_app import __main__ as service  # noqa: E402 - after uvloop was hidden
from vodstack_app import server  # noqa: E402

CONNECTION = "connections, and what no request asked for"
_scope: ContextVar[Mapping[str, Any] | None] = ContextVar("scope", default=None)
_worst: dict[str, float] = {}


def main() -> int:
    turn = asyncio.events.Handle._run
    patched = cast("Any", server)
    create = patched.create_app
    asked: list[bool] = []

    def measured(handle: Any) -> None:
        started = time.thread_time()
        turn(handle)
        spent = time.thread_time() - started
        scope = handle._context.get(_scope) if handle._context else None
        route = f"{scope['method']} {scope.get('path_template', 'unmatched')}" if scope else CONNECTION
        _worst[route] = max(spent, _worst.get(route, 0.0))

    def create_followed(*arguments: Any) -> Any:
        app = create(*arguments)

        async def followed(scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] == "http":
                if not asked:
                    # What came before was the start, which is no request's.
                    asked.append(True)
                    _worst.clear()
                _scope.set(scope)
            await app(scope, receive, send)

        return followed

    # Over TLS, as in AWS, botocore leaves out the hash of a part that it makes over HTTP.
    cast("Any", S3SigV4Auth)._should_sha256_sign_payload = _leave_out
    patched.create_app = create_followed
    asyncio.events.Handle._run = cast("Any", measured)
    code = service.main()
    figures = {route: round(1000 * seconds, 2) for route, seconds in _worst.items()}
    Path(os.environ["BENCH_STRETCHES"]).write_text(json.dumps(figures), "utf-8")
    return code


def _leave_out(*_: object) -> bool:
    return False


if __name__ == "__main__":
    sys.exit(main())
