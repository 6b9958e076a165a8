"""Sound and cues cut to the lengths in which they are worked on. Pure."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np

from app.audio.decode import Clip
from app.audio.pcm import Samples
from app.lipsync.engine import Cues

FIRST_BATCH = 8
"""Frames that are drawn first, so that a stream begins soon."""


class Batch(NamedTuple):
    """What is drawn at once."""

    cues: Cues
    first: int
    """Number of its first frame."""


class Batches:
    """Cuts cues into batches, a small one first."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._wanted = min(FIRST_BATCH, size)
        self._held: list[Cues] = []
        self._number = 0

    def push(self, cues: Cues) -> Iterator[Batch]:
        """Yield the batches that are full."""
        self._held.append(cues)
        while sum(map(len, self._held)) >= self._wanted:
            joined = np.concatenate(self._held)
            yield self._batch(joined[: self._wanted])
            self._held = [joined[self._wanted :]]
            self._wanted = self._size

    def finish(self) -> Iterator[Batch]:
        """Yield what is left."""
        joined = np.concatenate(self._held)
        if len(joined):
            yield self._batch(joined)

    def _batch(self, cues: Cues) -> Batch:
        first, self._number = self._number, self._number + len(cues)
        return Batch(cues, first)


def cut(clips: Iterable[Clip], length: int) -> Iterator[Samples]:
    """Yield the sound in pieces of so many samples, whatever the codec gives; the last one may be shorter."""
    parts: list[Samples] = []
    size = 0
    for clip in clips:
        parts.append(clip.samples)
        size += len(clip.samples)
        if size < length:
            continue
        joined = np.concatenate(parts)
        whole = size - size % length
        yield from np.split(joined[:whole], whole // length)
        parts, size = [joined[whole:].copy()], size - whole
    if size:
        yield np.concatenate(parts)
