"""The audio of a take on its way into a file."""

import asyncio
import os
import secrets
from collections.abc import AsyncIterator
from pathlib import Path
from typing import BinaryIO

from app.sdk.errors import BrokenReply
from app.sdk.speak_wav import parse_header, sized

HEAD_BYTES = 4096  # in which the header of a WAV file ends


async def save(chunks: AsyncIterator[bytes], path: Path) -> int:
    """Write a file, of which one chunk at a time is in memory; returns its bytes.

    The file appears under its name when it is complete; whatever fails leaves nothing behind. A WAV file whose header
    could not know its length, because it was sent while it was made, gets the right header.
    """
    unfinished = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with unfinished.open("xb") as file:
            size = await _write(chunks, file)
            await asyncio.to_thread(_complete_header, file, size)
        await asyncio.to_thread(os.replace, unfinished, path)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise
    return size


async def _write(chunks: AsyncIterator[bytes], file: BinaryIO) -> int:
    size = 0
    async for chunk in chunks:
        await asyncio.to_thread(file.write, chunk)
        size += len(chunk)
    return size


def _complete_header(file: BinaryIO, size: int) -> None:
    file.flush()
    with open(file.name, "rb") as beginning:
        head = beginning.read(HEAD_BYTES)
    try:
        header = parse_header(head)
    except BrokenReply:
        return  # another format
    if header.data_bytes is None:
        file.seek(0)
        file.write(sized(head[: header.data_start], header, size - header.data_start))
