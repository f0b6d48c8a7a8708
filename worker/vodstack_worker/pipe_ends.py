"""A pipe whose one end is read here, and whose other end goes to a process."""

import asyncio
import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager


@asynccontextmanager
async def open_pipe(limit: int) -> AsyncGenerator[tuple[asyncio.StreamReader, int]]:
    """A reader that keeps up to about `limit` bytes, and the end to write to, which is the caller's to close.

    The reader's end is closed with the block, whether or not others still hold the end to write to.
    """
    source, descriptor = os.pipe()
    reader = asyncio.StreamReader(limit=limit)
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(source, "rb", buffering=0)
    )
    try:
        yield reader, descriptor
    finally:
        transport.close()
