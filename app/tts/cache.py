"""Speech that was made before: the least recently used goes first, bounded in bytes and in age."""

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable

from app.tts.speech import Speech

MARK_BYTES = 200  # the objects that a mark is made of
ENTRY_OVERHEAD_BYTES = 1024  # key, text and bookkeeping of one entry, so that many tiny ones are bounded too


class SpeechCache:
    """A memory cache of finished speech. The keys hold everything that changes the sound."""

    def __init__(
        self,
        *,
        max_bytes: int,
        max_age: float = 0.0,
        on_lookup: Callable[[bool], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Make an empty cache.

        Args:
            max_bytes: of all entries together; 0 turns the cache off.
            max_age: seconds after which an entry is forgotten, 0 for never.
            on_lookup: told of every lookup whether it hit.
            clock: seconds, monotonic.
        """
        self.max_bytes = max_bytes
        self._max_age = max_age
        self._on_lookup = on_lookup
        self._clock = clock
        self._entries: OrderedDict[Hashable, tuple[Speech, float]] = OrderedDict()
        self._bytes = 0
        self.hits = 0
        self.misses = 0

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, key: Hashable) -> bool:
        return key in self._entries

    @property
    def size_bytes(self) -> int:
        """What all entries take, overhead included."""
        return self._bytes

    def get(self, key: Hashable) -> Speech | None:
        """Return the speech under a key, None if there is none that is young enough."""
        entry = self._entries.get(key)
        if entry is not None and self._max_age and self._clock() - entry[1] > self._max_age:
            self._forget(key)
            entry = None
        self._note(entry is not None)
        if entry is None:
            return None
        self._entries.move_to_end(key)
        return entry[0]

    def put(self, key: Hashable, speech: Speech) -> None:
        """Keep finished speech; one that would not fit at all is not kept."""
        size = _size(speech)
        if size > self.max_bytes:
            return
        if key in self._entries:
            self._forget(key)
        self._entries[key] = (speech, self._clock())
        self._bytes += size
        while self._bytes > self.max_bytes:
            self._forget(next(iter(self._entries)))

    def _note(self, hit: bool) -> None:
        if hit:
            self.hits += 1
        else:
            self.misses += 1
        if self._on_lookup is not None:
            self._on_lookup(hit)

    def _forget(self, key: Hashable) -> None:
        speech, _ = self._entries.pop(key)
        self._bytes -= _size(speech)


def _size(speech: Speech) -> int:
    return len(speech.audio) + MARK_BYTES * len(speech.marks) + ENTRY_OVERHEAD_BYTES
