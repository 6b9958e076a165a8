"""Where requests are read: small ones at once, those of megabytes beside the event loop, two at a time."""

import threading
from collections.abc import Callable
from functools import partial
from typing import Final, TypeVar

import anyio

from app.api.lipsync.form import Form
from app.api.lipsync.limits import LipsyncLimits
from app.api.lipsync.messages import INLINE_CHARACTERS
from app.api.lipsync.process import Process
from app.api.lipsync.reading import Asked, Reader
from app.errors import Overloaded
from app.lipsync.commission import COMMISSION_POOL
from app.lipsync.handover import Stopped
from app.runtime.workers import Workers

Held = TypeVar("Held")

_NEVER: Final = threading.Event()


class Intake:
    """Reads requests. They are handed over in a list, which is empty afterwards: nobody else keeps 80 MB.

    Cancelling stops the reading. Its methods raise what those of `Reader` do, and

    Raises:
        Overloaded: too many requests of megabytes wait to be read.

    Args:
        workers: has the pool `commissions`.
        limits: of the files, and of those who wait.
    """

    def __init__(self, workers: Workers, limits: LipsyncLimits) -> None:
        self._workers = workers
        self._max_unread = limits.max_unread
        self._reader = Reader(limits)

    async def message(self, held: list[Process | str | bytes]) -> Asked:
        """Read a message, or a `process` that was in a small one."""
        if isinstance(held[0], Process):
            return self._reader.process(held.pop(), _NEVER)  # type: ignore[arg-type]
        return await self._aside(lambda stop: self._reader.message(held.pop(), stop))  # type: ignore[arg-type]

    async def body(self, held: list[bytes]) -> Asked:
        """Read the body of a request."""
        return await self._read(len(held[0]), lambda stop: self._reader.body(held.pop(), stop))

    async def form(self, held: list[Form]) -> Asked:
        """Read a form."""
        return await self._read(held[0].size, lambda stop: self._read_form(held.pop(), stop))

    async def _read(self, size: int, read: Callable[[threading.Event], Asked]) -> Asked:
        return read(_NEVER) if size <= INLINE_CHARACTERS else await self._aside(read)

    async def _aside(self, read: Callable[[threading.Event], Asked]) -> Asked:
        if self._workers.waiting(COMMISSION_POOL) >= self._max_unread:
            raise Overloaded(f"{self._max_unread} large requests wait to be read", retry_after=5.0)
        try:
            return await self._workers.run_stoppable(COMMISSION_POOL, partial(read))
        except Stopped:
            await anyio.lowlevel.checkpoint_if_cancelled()
            raise

    def _read_form(self, form: Form, stop: threading.Event) -> Asked:
        return self._reader.form(form.fields, form.files, stop)
