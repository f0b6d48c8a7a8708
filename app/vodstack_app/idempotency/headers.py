import re
from typing import Annotated

from litestar.params import HeaderParameter

from vodstack_app.errors import BadRequestError

KEY_NAME = "Idempotency-Key"
KEY_PATTERN = "^[!-~]{1,255}$"

IdempotencyKey = Annotated[
    str | None,
    HeaderParameter(
        name=KEY_NAME,
        schema_extra={"pattern": KEY_PATTERN},
        description="A word of your own for this request, such as a UUID, of up to 255 printable characters: sent "
        "again with it, the request does no second thing.",
    ),
]


def require_key(key: str | None) -> str | None:
    """The key, if there is one. Raises BadRequestError."""
    if key is not None and not re.fullmatch(KEY_PATTERN, key):
        raise BadRequestError("Send up to 255 printable ASCII characters without spaces.", field=KEY_NAME)
    return key


def repetition(is_repeated: bool) -> dict[str, str]:  # noqa: FBT001 - the function's one question
    """The header by which a client tells an answer that was kept from one that is new."""
    return {"Idempotent-Replayed": "true"} if is_repeated else {}
