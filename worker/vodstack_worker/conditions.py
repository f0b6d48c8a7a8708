"""Conditional writes to DynamoDB, and what comes back where a condition is false."""

from collections.abc import Awaitable
from typing import Any

from botocore.exceptions import ClientError


def refused(error: ClientError) -> dict[str, Any]:
    """Return what the table holds instead, where it was asked for. Raises an error that is no false condition."""
    if error.response.get("Error", {}).get("Code") != "ConditionalCheckFailedException":
        raise error
    return error.response.get("Item", {})


async def holds(write: Awaitable[object]) -> bool:
    """Return whether the condition of a write was true."""
    try:
        await write
    except ClientError as error:
        refused(error)
        return False
    return True
