"""Doing things of one kind one after another, and things of different kinds side by side."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import anyio

from app.errors import RateLimited

MAX_WAITING: Final = 32
"""For one key, its turn included."""


class Turns:
    """Turns by key; a key is forgotten when nobody waits for it."""

    def __init__(self) -> None:
        self._locks: dict[str, anyio.Lock] = {}
        self._waiting: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    @asynccontextmanager
    async def turn(self, key: str) -> AsyncIterator[None]:
        """Wait until nobody else has the turn of this key; first come, first served. Cancelling it is safe.

        Raises:
            RateLimited: too many wait.
        """
        waiting = self._waiting.get(key, 0)
        if waiting >= MAX_WAITING:
            raise RateLimited("too many attempts at once", retry_after=1.0)
        self._waiting[key] = waiting + 1
        try:
            async with self._locks.setdefault(key, anyio.Lock()):
                yield
        finally:
            self._waiting[key] -= 1
            if not self._waiting[key]:
                del self._waiting[key], self._locks[key]
