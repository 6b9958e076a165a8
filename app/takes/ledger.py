"""Keeps what becomes of one take while it is made, beside the making.

The store is written in the order of the changes. A change that comes while another is written, or soon after it,
replaces what still waits, since only the newest state of a take is of use; the calls to webhooks that it owes are kept
all the same. So a short take is written twice, whatever it is made of: when it is asked for and when it is done.
"""

from collections.abc import Awaitable, Callable, Sequence

import anyio

from app.errors import Unavailable
from app.takes.deliveries import Delivery
from app.takes.hooks import Hooks
from app.takes.store import Store
from app.takes.take import Status, Take
from app.takes.voice import Voice

PROGRESS_SECONDS = 0.2
"""How long progress waits for more of it, before it is written."""

RETRY_SECONDS = 1.0
"""Between two attempts to write, while the store does not answer."""


class Ledger:
    """Writes one take, and with it the voice whose example it is, if it is one."""

    def __init__(
        self,
        store: Store,
        hooks: Hooks,
        *,
        maker: str,
        on_owed: Callable[[], None],
        sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
    ) -> None:
        """Prepare.

        Args:
            store: keeps takes and voices.
            hooks: says which calls a change owes.
            maker: name of this server.
            on_owed: told when calls are owed.
            sleep: waits so many seconds.
        """
        self._store = store
        self._hooks = hooks
        self._maker = maker
        self._on_owed = on_owed
        self._sleep = sleep
        self._take: Take | None = None
        self._voice: Voice | None = None
        self._owed: list[Delivery] = []
        self._owed_of_voice: list[Delivery] = []
        self._news = anyio.Event()
        self._turn = anyio.Lock()

    async def open(self, takes: Sequence[Take], voice: Voice | None, *, earlier: Sequence[Take] = ()) -> None:
        """Keep new takes, after their voice if that is new too. Whoever is cancelled here has kept all of them.

        Args:
            takes: new ones.
            voice: a new one; None where it is known.
            earlier: states of them that were passed through before, and that webhooks are told too.

        Raises:
            Unavailable: none is kept.
        """
        owed = [delivery for take in (*earlier, *takes) for delivery in self._hooks.owed(take)]
        with anyio.CancelScope(shield=True):
            if voice is not None:
                await self._store.add_voice(voice, maker=self._maker, deliveries=self._hooks.owed(voice))
            await self._store.add_takes(takes, maker=self._maker, deliveries=owed)
        if owed:
            self._on_owed()

    def note(self, take: Take, voice: Voice | None) -> None:
        """Have it written, soon, how far they are now."""
        self._take, self._voice = take, voice
        self._owed += self._hooks.owed(take)
        if voice is not None:
            self._owed_of_voice += self._hooks.owed(voice)
        self._news.set()

    async def run(self, on_void: Callable[[], None]) -> None:
        """Write what is noted, until cancelled; `on_void` is told of a take that was deleted, or ended by others."""
        while True:
            await self._news.wait()
            self._news = anyio.Event()
            if self._take is not None and self._take.status is not Status.STARTED:
                await self._sleep(PROGRESS_SECONDS)
            try:
                if not await self.flush():
                    on_void()
            except Unavailable:
                await self._sleep(RETRY_SECONDS)
                self._news.set()

    async def flush(self) -> bool:
        """Write what is noted now; returns whether the take is still there to be written.

        Cancellation: what is being written is written to its end, since nobody could tell otherwise what is owed.

        Raises:
            Unavailable: the store cannot now; it stays noted.
        """
        async with self._turn:
            is_kept = True
            while self._take is not None and is_kept:
                await anyio.lowlevel.checkpoint_if_cancelled()
                with anyio.CancelScope(shield=True):
                    is_kept = await self._write(self._take, self._voice)
            return is_kept

    async def _write(self, take: Take, voice: Voice | None) -> bool:
        owed, owed_of_voice = tuple(self._owed), tuple(self._owed_of_voice)
        is_kept = await self._store.save_take(take, deliveries=owed)
        del self._owed[: len(owed)]
        if voice is not None:
            await self._store.save_voice(voice, deliveries=owed_of_voice)
            del self._owed_of_voice[: len(owed_of_voice)]
        if self._take is take:
            self._take = None
        if owed or owed_of_voice:
            self._on_owed()
        return is_kept
