"""Waiting until takes and voices are done."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic

from app.sdk.backoff import Backoff
from app.sdk.errors import NotConnected
from app.sdk.speak_errors import GenerationFailed, NotFound, Overloaded, ServerFailed
from app.sdk.speak_events import Item
from app.sdk.speak_take import Status

POLLS = Backoff(first=0.1, longest=2.0, jitter=0.2)
MAX_FAILURES = 10  # in a row: with `POLLS` about a quarter of a minute, in which a server can start again

Find = Callable[[Sequence[str]], Awaitable[list[Item]]]
"""Returns those of some ids that exist, in any order."""


class Waiting(Generic[Item]):
    """Asks again and again until all are done, more and more rarely.

    Args:
        find: asks the server.
        id_of: the id of a take or a voice.
        sleep: waits for seconds.
        clock: seconds, monotonic.
        rng: a number in [0, 1).
    """

    def __init__(
        self,
        find: Find[Item],
        id_of: Callable[[Item], str],
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        clock: Callable[[], float] = time.monotonic,
        rng: Callable[[], float] = random.random,
    ) -> None:
        self._find = find
        self._id_of = id_of
        self._sleep = sleep
        self._clock = clock
        self._rng = rng

    async def until_done(
        self, ids: Sequence[str], *, timeout: float | None, on_status: Callable[[Item], object] | None
    ) -> list[Item]:
        """Return all of them, in the order of `ids`, when the last one is done.

        Raises:
            GenerationFailed: one of them ended in `error` or `timeout`, which is told when all are done.
            NotFound: the server knows one of them not, or no more.
            TimeoutError: not all were done within `timeout` seconds.
            NotConnected: the server could not be reached for a while; and the other errors of a request.
        """
        deadline = None if timeout is None else self._clock() + timeout
        known: dict[str, Item] = {}
        unchanged = 0
        while missing := [id for id in ids if id not in known or not known[id].status.is_done]:
            if known:
                await self._pause(unchanged, deadline, missing)
            unchanged += 1
            found = {self._id_of(item): item for item in await self._ask(missing)}
            if unknown := [id for id in missing if id not in found]:
                raise NotFound("404", f"the server does not know {', '.join(unknown)}", {"status": 404})
            for id, item in found.items():
                if id not in known or known[id].status != item.status:
                    unchanged = 0  # it moves: ask sooner
                    if on_status is not None:
                        on_status(item)
            known |= found
        items = [known[id] for id in ids]
        for item in items:
            if item.status != Status.READY:
                raise GenerationFailed(item.error or f"it ended in '{item.status}'", item=item)
        return items

    async def _ask(self, ids: Sequence[str]) -> list[Item]:
        """Ask once, or more often while the server cannot answer."""
        failures = 0
        while True:
            try:
                return await self._find(ids)
            except (NotConnected, Overloaded, ServerFailed) as error:
                failures += 1
                if failures >= MAX_FAILURES:
                    raise
                wanted = error.retry_after if isinstance(error, Overloaded) else None
                await self._sleep(max(POLLS.delay(failures, self._rng()), wanted or 0.0))

    async def _pause(self, unchanged: int, deadline: float | None, ids: Sequence[str]) -> None:
        seconds = POLLS.delay(unchanged, self._rng())
        if deadline is not None:
            left = deadline - self._clock()
            if left <= 0:
                raise TimeoutError(f"{', '.join(ids)}: not done in time")
            seconds = min(seconds, left)
        await self._sleep(seconds)
