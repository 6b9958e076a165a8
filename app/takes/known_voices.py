"""Voices that takes were asked for with lately, so that the next take need not wait for the store to find them.

A voice that another server changes or deletes is known here as it was for some seconds more; what this server does is
known at once.
"""

import time
from collections import OrderedDict
from collections.abc import Callable

from app.errors import NotFound
from app.takes.store import Store
from app.takes.voice import Voice

KEPT_SECONDS = 15.0
MAX_KEPT = 1024


class KnownVoices:
    """Voices by account and id, bounded in number and age."""

    def __init__(self, store: Store, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Know those of a store; `clock` is in seconds."""
        self._store = store
        self._clock = clock
        self._kept: OrderedDict[tuple[str, str], tuple[float, Voice]] = OrderedDict()
        self._changes = 0

    async def find(self, owner: str, voice_id: str) -> Voice:
        """Return a voice of the account or of everybody.

        Raises:
            NotFound: there is none of this id.
            Unavailable: the store cannot tell.
        """
        key = (owner, voice_id)
        kept = self._kept.get(key)
        if kept is not None and self._clock() - kept[0] < KEPT_SECONDS:
            return kept[1]
        asked, changes = self._clock(), self._changes
        voice = await self._store.find_voice(owner, voice_id)
        if voice is None:
            raise NotFound(f"voice '{voice_id}' does not exist")
        if changes == self._changes:  # else it may be as it was before the change
            self._keep(key, asked, voice)
        return voice

    def forget(self, owner: str, voice_id: str) -> None:
        """Ask the store for a voice the next time, since it changed."""
        self._changes += 1
        self._kept.pop((owner, voice_id), None)

    def _keep(self, key: tuple[str, str], asked: float, voice: Voice) -> None:
        self._kept[key] = asked, voice
        self._kept.move_to_end(key)
        if len(self._kept) > MAX_KEPT:
            self._kept.popitem(last=False)
