"""A cue sheet: which tracks are heard in a recording, from when to when, put together from what its windows say."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

SAME_SECONDS: Final = 0.5
"""Within which two windows tell of the same place of a track."""
BLUR_SECONDS: Final = 2.0
"""By which two cues may overlap that follow each other; what is heard together for longer was mixed so."""


@dataclass(frozen=True, slots=True)
class Cue:
    """A stretch of a recording in which a track is heard."""

    track_id: int
    start: float
    """Seconds in the recording."""
    end: float
    track_start: float
    """Seconds in the track, at `start`."""
    speed: float
    """Of the track: 1.02 is 2 % faster than in the catalogue."""
    score: float
    """Of its best window, as a `Hit` has it."""
    confidence: float
    similarity: float

    @property
    def track_end(self) -> float:
        """Seconds in the track, at `end`."""
        return self.track_at(self.end)

    def track_at(self, seconds: float) -> float:
        """Return the place in the track at a moment of the recording."""
        return self.track_start + (seconds - self.start) * self.speed

    def later(self, seconds: float) -> "Cue":
        """Return the cue in a recording that begins earlier by so much."""
        return replace(self, start=self.start + seconds, end=self.end + seconds)


class CueSheet:
    """Takes what windows say, in their order.

    Args:
        window: seconds of each.
    """

    def __init__(self, window: float) -> None:
        self._window = window
        self._open: list[Cue] = []
        """Those that may go on in the next window."""
        self._closed: list[Cue] = []

    def add(self, start: float, cues: Iterable[Cue]) -> None:
        """Take what a window says that begins at `start`; the times of its cues are its own."""
        for cue in (cue.later(start) for cue in cues):
            before = next((each for each in self._open if self._goes_on(each, cue)), None)
            if before is not None:
                self._open.remove(before)
            self._open.append(cue if before is None else _joined(before, cue))
        ended = [cue for cue in self._open if cue.end + self._window < start]
        self._closed += ended
        self._open = [cue for cue in self._open if cue not in ended]

    def cues(self) -> list[Cue]:
        """Return all cues in their order, of those that begin together the surest first."""
        found = sorted([*self._closed, *self._open], key=lambda cue: (cue.start, -cue.score))
        for number in range(len(found)):
            for other in range(number + 1, len(found)):
                if found[other].start >= found[number].end:
                    break
                found[number], found[other] = _parted(found[number], found[other])
        return [cue for cue in found if cue.end > cue.start]

    def _goes_on(self, cue: Cue, later: Cue) -> bool:
        """Tell whether a cue is what a later window tells of, maybe after one that did not."""
        near = abs(cue.track_at(later.start) - later.track_start) <= SAME_SECONDS
        return cue.track_id == later.track_id and later.start <= cue.end + self._window and near


def _joined(cue: Cue, later: Cue) -> Cue:
    """Return a cue as long as both, as sure as the surer one."""
    best = max(cue, later, key=lambda each: each.score)
    start, end = min(cue.start, later.start), max(cue.end, later.end)
    return replace(best, start=start, end=end, track_start=best.track_at(start))


def _parted(cue: Cue, later: Cue) -> tuple[Cue, Cue]:
    """Let one of two cues end where the other begins, if they merely touch."""
    overlap = cue.end - later.start
    if not 0 < overlap <= BLUR_SECONDS or cue.end >= later.end or cue.start >= later.start:
        return cue, later
    middle = later.start + overlap / 2
    return replace(cue, end=middle), replace(later, start=middle, track_start=later.track_at(middle))
