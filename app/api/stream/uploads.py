"""Files that are sent to this door, on disk while they are needed: never in memory, and never after.

The body of a request is the file itself (`curl -T`), with what is said of it in the query; or a form
(`multipart/form-data`), with all of it in its parts. How large it may be is held by the bound on bodies.
"""

import secrets
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO, Final, TypeVar

import anyio
from fastapi import Request
from starlette.requests import ClientDisconnect

from app.api.stream.form import FILE, Form, boundary_of
from app.errors import DeadlineExceeded, InvalidInput, Unavailable
from app.runtime.workers import FILES_POOL, Workers

Result = TypeVar("Result")

WRITE_BYTES: Final = 1024 * 1024
"""Written at once: a way to a thread and back for every piece that arrives would cost more than the writing."""
PATIENCE_SECONDS: Final = 60.0
"""Without a byte, after which nobody waits for the rest."""
ABANDONED_SECONDS: Final = 24 * 3600.0
"""Files of this age were left by a server that was killed."""
SUFFIX: Final = ".part"


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that has arrived, and what was said of it."""

    path: Path
    name: str | None
    """What it is called by who sent it."""
    fields: Mapping[str, str]
    """Texts by name; blank ones are left out."""


class Uploads:
    """Where they are.

    Args:
        folder: of this server; is made when it is needed.
        workers: has the pool `files`.
        patience: seconds without a byte.
        clock: seconds since the epoch, as file times are.
    """

    def __init__(
        self,
        folder: Path,
        workers: Workers,
        *,
        patience: float = PATIENCE_SECONDS,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._folder = folder
        self._workers = workers
        self._patience = patience
        self._clock = clock

    @asynccontextmanager
    async def receive(self, request: Request) -> AsyncIterator[Upload]:
        """Receive the body of a request; the file is removed when the block ends.

        Raises:
            InvalidInput: there is none, or the form around it is damaged.
            DeadlineExceeded: the rest did not come.
            Unavailable: there is no room on the disk.
        """
        path = self._folder / f"{secrets.token_hex(16)}{SUFFIX}"
        try:
            yield await self._receive(request, path)
        finally:
            with anyio.CancelScope(shield=True):
                await self._workers.run(FILES_POOL, lambda: _remove(path))

    async def _receive(self, request: Request, path: Path) -> Upload:
        boundary = boundary_of(request.headers.get("content-type", ""))
        form = Form(boundary) if boundary else None
        file, size = await self._try(lambda: self._open(path)), 0
        try:
            async with aclosing(_pieces(self._body(request), form)) as pieces:
                async for piece in pieces:
                    size += await self._try(partial(file.write, piece))
        finally:
            with anyio.CancelScope(shield=True):
                await self._try(file.close)
        if form is not None:
            form.finish()
        if not size:
            raise InvalidInput("the file is empty", field=FILE)
        said = request.query_params if form is None else form.fields
        fields = {name: text.strip() for name, text in said.items() if text.strip()}
        return Upload(path, form.file_name if form else fields.get("filename"), fields)

    async def _body(self, request: Request) -> AsyncGenerator[bytes, None]:
        """Yield the body as it arrives."""
        async with aclosing(request.stream()) as body:
            while True:
                with anyio.move_on_after(self._patience) as patience:
                    try:
                        piece = await anext(body, None)
                    except ClientDisconnect:
                        raise InvalidInput("the file breaks off", field=FILE) from None
                if patience.cancelled_caught:
                    raise DeadlineExceeded(f"nothing more of the file came for {self._patience:g} s")
                if piece is None:
                    return
                yield piece

    def _open(self, path: Path) -> BinaryIO:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for left in self._folder.glob(f"*{SUFFIX}"):
            if self._clock() - left.stat().st_mtime > ABANDONED_SECONDS:
                left.unlink(missing_ok=True)
        return path.open("xb")

    async def _try(self, function: Callable[[], Result]) -> Result:
        try:
            return await self._workers.run(FILES_POOL, function)
        except OSError as error:
            raise Unavailable(f"the file cannot be kept: {error.strerror}") from error


def _remove(path: Path) -> None:
    with suppress(OSError):  # what cannot be removed now is swept later
        path.unlink(missing_ok=True)


async def _pieces(body: AsyncGenerator[bytes, None], form: Form | None) -> AsyncGenerator[bytes, None]:
    """Yield what of a body belongs to the file, in pieces that are worth writing."""
    waiting = bytearray()
    async with aclosing(body):
        async for piece in body:
            waiting += piece if form is None else form.feed(piece)
            if len(waiting) >= WRITE_BYTES:
                yield bytes(waiting)
                waiting.clear()
    if waiting:
        yield bytes(waiting)
