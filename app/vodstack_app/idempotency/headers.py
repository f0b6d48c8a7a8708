from typing import Annotated

from litestar.params import HeaderParameter

KEY_PATTERN = "^[!-~]{1,255}$"

IdempotencyKey = Annotated[
    str | None,
    HeaderParameter(
        name="Idempotency-Key",
        pattern=KEY_PATTERN,
        description="A word of your own for this request, such as a UUID: sent again with it, it does no second thing.",
    ),
]


def repetition(is_repeated: bool) -> dict[str, str]:  # noqa: FBT001 - the function's one question
    """The header by which a client tells an answer that was kept from one that is new."""
    return {"Idempotent-Replayed": "true"} if is_repeated else {}
