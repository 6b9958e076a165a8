"""What a server finds when it starts, and what it looks after while it runs.

Takes that wait are made after all. Takes that were being made when the server was killed end as ERROR: nobody knows
what was heard of them. Takes of any server that are a day old and not done end as TIMEOUT: their server never came
back, or could not keep up.
"""

import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Final

from app.takes.hooks import Hooks
from app.takes.store import Store
from app.takes.take import Status, Take
from app.takes.voice import Voice

logger = logging.getLogger(__name__)

OVERDUE_MS: Final = 24 * 3600 * 1000
UPKEEP_SECONDS: Final = 600.0
PAGE: Final = 500
"""Takes that are read at once."""

CUT_OFF = "the server ended while the take was being made"
OVERDUE = "not done within a day"


class Upkeep:
    """Brings to an end what nobody makes any more."""

    def __init__(
        self,
        store: Store,
        hooks: Hooks,
        *,
        maker: str,
        enqueue: Callable[[str, str], None],
        forget: Callable[[str], Awaitable[None]],
        stop: Callable[[Take, Status, str], Awaitable[bool]],
        on_owed: Callable[[], None],
        on_done: Callable[[Status], None] = lambda status: None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Prepare.

        Args:
            store: keeps takes and voices.
            hooks: says which calls an end owes.
            maker: name of this server.
            enqueue: takes owner and id of a take that waits.
            forget: removes the audio of a take.
            stop: ends a take that is being made here; returns whether it was.
            on_owed: told when calls to webhooks are owed.
            on_done: told how each take ended.
            clock: seconds since the epoch.
        """
        self._store = store
        self._hooks = hooks
        self._maker = maker
        self._enqueue = enqueue
        self._forget = forget
        self._stop = stop
        self._on_owed = on_owed
        self._on_done = on_done
        self._clock = clock

    async def recover(self) -> None:
        """See to what this server left when it ended last.

        Raises:
            Unavailable: the store does not answer.
        """
        last, waiting, cut_off = "", 0, 0
        while takes := await self._store.unfinished_takes(self._maker, limit=PAGE, after=last):
            for take in takes:
                last = take.id
                if take.status is Status.WAITING:
                    self._enqueue(take.owner, take.id)
                    waiting += 1
                else:
                    await self.end(take, Status.ERROR, CUT_OFF)
                    cut_off += 1
        if waiting or cut_off:
            logger.info("%d takes wait to be made, %d were being made when the server was killed", waiting, cut_off)
        for voice in await self._store.unfinished_voices(self._maker):
            await self._recover_voice(voice)

    async def look(self) -> None:
        """End what is overdue, a page of it at a time.

        Raises:
            Unavailable: the store does not answer.
        """
        before_ms = int(self._clock() * 1000) - OVERDUE_MS
        for take in await self._store.overdue_takes(before_ms=before_ms, limit=PAGE):
            if not await self._stop(take, Status.TIMEOUT, OVERDUE):
                await self.end(take, Status.TIMEOUT, OVERDUE)

    async def end(self, take: Take, status: Status, error: str) -> None:
        """End a take that is not being made, and the voice whose example it is."""
        ended = replace(take, status=status, error=error)
        owed = self._hooks.owed(ended)
        if await self._store.save_take(ended, deliveries=owed):
            self._on_done(status)
            self._on_owed()
        await self._forget(take.id)
        await self.end_example(take, status)

    async def end_example(self, take: Take, status: Status) -> None:
        """End the voice whose example a take was, if there is one that waits for it."""
        voice = await self._store.find_voice(take.owner, take.request.voice_id)
        if voice is not None and voice.example_take_id == take.id and not voice.status.is_done:
            await self._end_voice(voice, status)

    async def _recover_voice(self, voice: Voice) -> None:
        example = await self._store.find_take(voice.owner or "", voice.example_take_id or "")
        if example is None:
            await self._end_voice(voice, Status.ERROR)
        elif example.status.is_done:
            await self._end_voice(voice, example.status)

    async def _end_voice(self, voice: Voice, status: Status) -> None:
        ended = replace(voice, status=status)
        owed = self._hooks.owed(ended)
        if await self._store.save_voice(ended, deliveries=owed) and owed:
            self._on_owed()
