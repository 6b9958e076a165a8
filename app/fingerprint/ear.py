"""Ears: what hears the turns of streams, in a thread or in a process of its own.

Rules of this file:

1. A stream that is not known yet, or begins anew, is heard from the beginning. So whoever lost an ear, as a process
   that ended did, goes on with another one, and only what was heard before is missing.
2. A frame that is not audio is left out as a whole; the others of its turn are heard.
3. A fault over one stream is that stream's: it is told what went wrong and begins anew, and the others of the batch are
   heard as ever.

One thread at a time.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from app.audio.pcm import Samples
from app.errors import InvalidAudio
from app.fingerprint.event import Event
from app.fingerprint.sound_form import SoundForm


class Recognizer(Protocol):
    """Knows the music of one stream. It blocks; one thread at a time."""

    @property
    def buffered(self) -> int:
        """Samples in its window."""

    @property
    def capacity(self) -> int:
        """Samples that its window holds."""

    def push(self, samples: Samples) -> Sequence[Event]:
        """Hear on; returns what is new.

        Raises:
            Unavailable: the index cannot be searched now.
        """


MakeRecognizer = Callable[[int], Recognizer]
"""Makes one for a sample rate in Hz. It may block; raises `Unavailable`."""


@dataclass(frozen=True, slots=True)
class Turn:
    """Audio of a stream that is to be heard."""

    key: int
    """Of the stream."""
    form: SoundForm
    frames: list[bytes]
    """As they came; none if there is nothing to hear any more."""
    is_new: bool = False
    """Whether what was heard before does not belong to it."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Turns of several streams, one of each, and the keys of streams that are gone."""

    turns: Sequence[Turn]
    gone: Sequence[int] = ()


@dataclass(frozen=True, slots=True)
class Listened:
    """What came of a turn; in samples of the stream's own rate."""

    events: tuple[Event, ...] = ()
    unreadable: int = 0
    """Frames that were no audio."""
    samples: int = 0
    """Heard in this turn."""
    pushed: int = 0
    """Heard by the ear since it began."""
    buffered: int = 0
    """In the window."""
    capacity: int = 0
    """Of the window."""
    error: Exception | None = None
    """Why this turn heard nothing. The next one begins anew."""


class Ears:
    """Those of many streams, by key."""

    def __init__(self, make: MakeRecognizer) -> None:
        """Hear with what `make` makes."""
        self._make = make
        self._ears: dict[int, Ear] = {}

    def __len__(self) -> int:
        """Count the streams that are known."""
        return len(self._ears)

    def hear(self, batch: Batch) -> list[Listened]:
        """Hear turns, one after another."""
        for key in batch.gone:
            self._ears.pop(key, None)
        return [self._hear(turn) if turn.frames else Listened() for turn in batch.turns]

    def _hear(self, turn: Turn) -> Listened:
        try:
            ear = self._ears.get(turn.key)
            if ear is None or turn.is_new:
                ear = self._ears[turn.key] = Ear(turn.form, self._make(turn.form.sample_rate))
            return ear.hear(turn.frames)
        except Exception as error:
            # A border between streams: whatever one's audio has broken, its recognizer goes, and the others stay.
            self._ears.pop(turn.key, None)
            return Listened(error=error)


class Ear:
    """That of one stream."""

    def __init__(self, form: SoundForm, recognizer: Recognizer) -> None:
        """Hear audio of a form by a recognizer."""
        self._form = form
        self._recognizer = recognizer
        self._pushed = 0

    def hear(self, frames: Sequence[bytes]) -> Listened:
        """Hear on."""
        samples, unreadable = self._read(frames)
        events = tuple(self._recognizer.push(samples)) if len(samples) else ()
        self._pushed += len(samples)
        recognizer = self._recognizer
        return Listened(events, unreadable, len(samples), self._pushed, recognizer.buffered, recognizer.capacity)

    def _read(self, frames: Sequence[bytes]) -> tuple[Samples, int]:
        try:
            return self._form.samples(b"".join(frames)), 0
        except InvalidAudio:
            readable = [samples for frame in frames if (samples := self._read_one(frame)) is not None]
        joined = np.concatenate(readable) if readable else np.empty(0, np.float32)
        return joined, len(frames) - len(readable)

    def _read_one(self, frame: bytes) -> Samples | None:
        try:
            return self._form.samples(frame)
        except InvalidAudio:
            return None
