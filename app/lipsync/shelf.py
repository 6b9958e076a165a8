"""What was costly to find out about pictures, kept for the next sound: bounded in bytes, the least lately used goes."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Shelf(Generic[T]):
    """Things by their keys. May be used by many threads.

    Args:
        max_bytes: of all that is kept; what is larger by itself is not.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._kept: OrderedDict[Hashable, tuple[T, int]] = OrderedDict()
        self.size = 0
        """Bytes of all that is kept."""

    def __len__(self) -> int:
        return len(self._kept)

    def look_up(self, key: Hashable) -> T | None:
        """Return what is kept, which others may use too."""
        with self._lock:
            if key not in self._kept:
                return None
            self._kept.move_to_end(key)
            return self._kept[key][0]

    def take(self, key: Hashable) -> T | None:
        """Return what is kept, for oneself alone: it is not on the shelf any more."""
        with self._lock:
            return self._remove(key)

    def drop(self, is_unwanted: Callable[[Any], bool]) -> None:
        """Forget all things whose keys are such."""
        with self._lock:
            for key in [key for key in self._kept if is_unwanted(key)]:
                self._remove(key)

    def put(self, key: Hashable, thing: T, size: int) -> None:
        """Keep a thing of so many bytes, in the place of another one with its key."""
        with self._lock:
            self._remove(key)
            if size > self._max_bytes:
                return
            self._kept[key] = thing, size
            self.size += size
            while self.size > self._max_bytes:
                self._remove(next(iter(self._kept)))

    def _remove(self, key: Hashable) -> T | None:
        if key not in self._kept:
            return None
        thing, size = self._kept.pop(key)
        self.size -= size
        return thing
