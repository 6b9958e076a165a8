"""One live stream that is listened to: its audio as it comes, and what is heard in it.

Rules of this file:

1. Audio is heard when a hop is complete, not when a frame comes: two turns a second however small the frames are.
2. One turn at a time, and in a turn at most `HOPS_A_TURN` hops, so that who sends much keeps nobody waiting.
3. A stream that is more than `BEHIND_SECONDS` behind is of no use to who listens to what plays now: all that waits is
   given up, and it is listened to anew, for a gap would put all times wrong.
4. As long as nobody can be listened to at all, the last `HELD_SECONDS` of a stream are kept.

All belongs to the event loop. What hears the turns is an `Ear`, wherever that is.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from typing import Final

from app.fingerprint.ear import Listened, Turn
from app.fingerprint.event import Event
from app.fingerprint.sound_form import SoundForm

BEHIND_SECONDS: Final = 6.0
"""More than a client may send at once, which is 4.6 s of the usual form."""
HELD_SECONDS: Final = 4.0
"""Less than that, so that a stream can be behind when its turns begin."""
HOPS_A_TURN: Final = 2


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


_keys = count(1)


class Hearing:
    """A stream. `Hearings.open` makes it."""

    __slots__ = (
        "_due",
        "_form",
        "_frames",
        "_gone",
        "_hop",
        "_is_closed",
        "_is_due",
        "_is_held",
        "_most",
        "_needed",
        "_processed",
        "_progress",
        "_starts_anew",
        "_tell",
        "_waiting",
        "key",
    )

    def __init__(
        self,
        form: SoundForm,
        tell: Callable[[Heard], None],
        *,
        hop: float,
        due: Callable[["Hearing"], None],
        gone: Callable[["Hearing"], None] = lambda hearing: None,
        is_held: Callable[[], bool] = lambda: False,
    ) -> None:
        """Begin.

        Args:
            form: of the audio.
            tell: is told what each turn brought.
            hop: seconds of audio between two turns.
            due: is told when a turn is due, once until that is concluded.
            gone: is told once, when it is closed.
            is_held: tells whether nobody can be listened to yet.
        """
        self.key = next(_keys)
        """Of its ear."""
        self._form = form
        self._tell = tell
        self._due = due
        self._gone = gone
        self._is_held = is_held
        self._hop = max(1, round(hop * form.sample_rate))
        self._most = round(BEHIND_SECONDS * form.sample_rate)
        self._frames: list[bytes] = []
        self._waiting = 0
        self._needed = 1  # the first frame makes the recognizer
        self._processed = 0
        self._progress: Progress | None = None
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
        """Hear no more; what is heard at this moment is told to nobody."""
        if not self._is_closed:
            self._is_closed = True
            self._gone(self)
        self._frames = []
        self._waiting = 0

    def take(self) -> Turn:
        """Return the turn, without frames if the stream is closed."""
        is_new, self._starts_anew = self._starts_anew, False
        count, samples, most = 0, 0, HOPS_A_TURN * self._hop
        while count < len(self._frames) and samples < most:
            samples += self._form.count(self._frames[count])
            count += 1
        frames, self._frames = self._frames[:count], self._frames[count:]
        self._waiting -= samples
        return Turn(self.key, self._form, frames, is_new)

    def conclude(self, listened: Listened) -> None:
        """End the turn: tell what it brought, and look whether another one is due."""
        self._is_due = False
        if self._is_closed:
            return
        is_first = self._progress is None and listened.error is None
        if listened.error is None:
            self._processed += listened.samples
            self._progress = Progress(self._form.sample_rate, listened.buffered, listened.capacity, self._processed)
        self._needed = self._hop - listened.pushed % self._hop
        self._tell(Heard(listened.events, self._progress, listened.unreadable, is_first, listened.error))
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
