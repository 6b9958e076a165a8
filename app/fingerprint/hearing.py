"""One live stream that is listened to: its audio as it comes, and what is heard in it.

Rules of this file:

1. Audio is heard when a hop is complete, not when a frame comes: two turns a second however small the frames are.
2. One turn at a time, and in a turn at most `HOPS_A_TURN` hops, so that who sends much keeps nobody waiting.
3. A stream that is more than `BEHIND_SECONDS` behind is of no use to who listens to what plays now: all that waits is
   given up, and it is listened to anew, for a gap would put all times wrong.
4. As long as nobody can be listened to at all, the last `HELD_SECONDS` of a stream are kept.
5. A frame that is not audio is left out as a whole; the others of its turn are heard.

`offer`, `take`, `conclude` and `close` belong to the event loop, `hear` to a thread. `take`, `hear` and `conclude` come
one after another; the others at any time.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np

from app.audio.pcm import Samples
from app.errors import InvalidAudio
from app.fingerprint.event import Event
from app.fingerprint.sound_form import SoundForm

BEHIND_SECONDS: Final = 6.0
"""More than a client may send at once, which is 4.6 s of the usual form."""
HELD_SECONDS: Final = 4.0
"""Less than that, so that a stream can be behind when its turns begin."""
HOPS_A_TURN: Final = 2


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
class Progress:
    """How far a stream is; in samples of its own rate."""

    sample_rate: int
    """Hz."""
    buffered: int
    """In the window."""
    capacity: int
    """Of the window."""
    processed: int
    """Heard since the stream began; without what was given up or was no audio."""

    @property
    def seconds(self) -> float:
        """Of audio that was heard."""
        return self.processed / self.sample_rate


@dataclass(frozen=True, slots=True)
class Heard:
    """What a turn brought."""

    events: tuple[Event, ...] = ()
    progress: Progress | None = None
    """After the turn; None as long as there is no recognizer."""
    unreadable: int = 0
    """Frames that were no audio."""
    is_first: bool = False
    """Whether this turn made the stream's first recognizer."""
    error: Exception | None = None
    """Why this turn heard nothing. The next one begins anew."""


class Hearing:
    """A stream. `Hearings.open` makes it."""

    __slots__ = (
        "_due",
        "_form",
        "_frames",
        "_hop",
        "_is_closed",
        "_is_due",
        "_is_held",
        "_make",
        "_most",
        "_needed",
        "_processed",
        "_progress",
        "_pushed",
        "_recognizer",
        "_starts_anew",
        "_tell",
        "_waiting",
    )

    def __init__(
        self,
        form: SoundForm,
        make: MakeRecognizer,
        tell: Callable[[Heard], None],
        *,
        hop: float,
        due: Callable[["Hearing"], None],
        is_held: Callable[[], bool] = lambda: False,
    ) -> None:
        """Begin.

        Args:
            form: of the audio.
            make: makes its recognizer, in a thread.
            tell: is told on the event loop what each turn brought.
            hop: seconds of audio between two turns.
            due: is told when a turn is due, once until that is concluded.
            is_held: tells whether nobody can be listened to yet.
        """
        self._form = form
        self._make = make
        self._tell = tell
        self._due = due
        self._is_held = is_held
        self._hop = max(1, round(hop * form.sample_rate))
        self._most = round(BEHIND_SECONDS * form.sample_rate)
        self._frames: list[bytes] = []
        self._waiting = 0
        self._needed = 1  # the first frame makes the recognizer
        self._pushed = 0
        self._processed = 0
        self._progress: Progress | None = None
        self._recognizer: Recognizer | None = None
        self._is_due = False
        self._starts_anew = False
        self._is_closed = False

    @property
    def progress(self) -> Progress | None:
        """After the last turn; None before the first."""
        return self._progress

    def offer(self, frame: bytes) -> float:
        """Add audio; returns the seconds that were given up for being too far behind, usually 0.

        What is left out while nobody can be listened to is not counted.

        Raises:
            InvalidAudio: it does not end with a whole sample.
        """
        samples = self._form.count(frame)
        given_up = 0.0
        if self._is_held():
            self._make_room(samples)
        elif self._waiting and self._waiting + samples > self._most:
            given_up = self._give_up()
        self._frames.append(frame)
        self._waiting += samples
        self._look()
        return given_up

    def close(self) -> None:
        """Hear no more; what a thread hears at this moment is told to nobody."""
        self._is_closed = True
        self._frames = []
        self._waiting = 0

    def take(self) -> list[bytes]:
        """Return the frames of the turn, none if the stream is closed."""
        if self._starts_anew:
            self._recognizer, self._pushed, self._starts_anew = None, 0, False
        count, samples, most = 0, 0, HOPS_A_TURN * self._hop
        while count < len(self._frames) and samples < most:
            samples += self._form.count(self._frames[count])
            count += 1
        frames, self._frames = self._frames[:count], self._frames[count:]
        self._waiting -= samples
        return frames

    def hear(self, frames: Sequence[bytes]) -> Heard:
        """Hear these frames, in a thread."""
        try:
            is_first = self._recognizer is None and self._progress is None
            if self._recognizer is None:
                self._recognizer = self._make(self._form.sample_rate)
            samples, unreadable = self._read(frames)
            events = tuple(self._recognizer.push(samples)) if len(samples) else ()
        except Exception as error:
            # A border: a fault over one stream is that stream's, and its recognizer may be broken.
            self._recognizer, self._pushed = None, 0
            return Heard(error=error, progress=self._progress)
        self._pushed += len(samples)
        self._processed += len(samples)
        return Heard(events, self._measure(self._recognizer), unreadable, is_first)

    def conclude(self, heard: Heard) -> None:
        """End the turn: tell what it brought, and look whether another one is due."""
        self._is_due = False
        if self._is_closed:
            self._recognizer = None
            return
        self._progress = heard.progress
        self._needed = self._hop - self._pushed % self._hop
        self._tell(heard)
        self._look()

    def _look(self) -> None:
        if not self._is_due and self._waiting >= self._needed:
            self._is_due = True
            self._due(self)

    def _make_room(self, samples: int) -> None:
        """Leave out the oldest frames, as far as there are too many with so many more samples."""
        most = round(HELD_SECONDS * self._form.sample_rate)
        while self._frames and self._waiting + samples > most:
            self._waiting -= self._form.count(self._frames.pop(0))

    def _give_up(self) -> float:
        given_up = self._waiting / self._form.sample_rate
        self._frames, self._waiting, self._starts_anew = [], 0, True
        return given_up

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

    def _measure(self, recognizer: Recognizer) -> Progress:
        return Progress(self._form.sample_rate, recognizer.buffered, recognizer.capacity, self._processed)
