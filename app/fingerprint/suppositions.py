"""Suppositions: a stream may be played faster or slower, higher or lower; one way after another is tried.

Rules of this file:

1. Each hop one of `SPEEDS` is supposed for all that the window holds, or one suspect is looked at at other tempos, by
   turns. So a hop costs the same whatever is heard, and after 16 s of half-second hops all speeds have been tried.
2. Music that keeps its pitch is found at any tempo, where it is for a second: then it is a suspect that must be looked
   at. So is what is played a little faster or slower, as `SPEEDS` leave out.
3. No more placements are tried than peaks can tell apart. What is promising is aligned afterwards.
"""

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np

from app.fingerprint.landmarks import probes
from app.fingerprint.listener import Heard, Listener
from app.fingerprint.peaks import Peaks
from app.fingerprint.placement import Placement, Rows
from app.fingerprint.search import SPEED_CANDIDATES, SPEED_HIGHEST, SPEED_PAIRS, SPEEDS
from app.fingerprint.view import View
from app.fingerprint.votes import count

MOST_VOTES: Final = 15_000
"""Of a supposed speed."""
STEPS: Final = (0, 2, -2)
"""Frames around a place at which it is tried."""
TUNING: Final = (0.9985, 1.0015)
"""Of a supposed pitch."""
TEMPOS: Final = (0.95, 0.97, 0.99, 1.0, 1.01, 1.03, 1.05)
SLIGHT: Final = (0.998, 1.002)
"""Speeds between the usual one and the first that is supposed."""


class Suppositions:
    """The speeds that are supposed of one stream, in turn."""

    def __init__(self) -> None:
        self._turn = 0

    def next(self, listener: Listener, view: View) -> Iterator[Rows]:
        """Suppose the next speed; yields, for each place that it proposes, the placements to be tried."""
        speed = SPEEDS[self._turn % len(SPEEDS)]
        self._turn += 1
        heard = listener.heard
        asked = probes(_low(listener.peaks, heard.first), pairs=SPEED_PAIRS, speed=speed)
        ballots = view.gather(asked.keys, asked.frames, most=MOST_VOTES)
        ways = [(tempo, speed * step) for tempo in (speed, 1.0) for step in TUNING]
        for place in count(ballots, most=SPEED_CANDIDATES).places.tolist():
            yield _around(Placement(float(place), speed, speed), ways, heard)


def other_tempos(placement: Placement, heard: Heard) -> Rows:
    """Return the placements at other tempos, and at slightly other speeds."""
    pitch = placement.pitch
    ways = [(tempo, pitch) for tempo in (*TEMPOS, pitch)] + [(pitch * speed, pitch * speed) for speed in SLIGHT]
    return _around(placement, ways, heard)


def _low(peaks: Peaks, first: int) -> Peaks:
    """Return those from a frame on that an error of the speed moves little."""
    are_low = (peaks.frequencies < SPEED_HIGHEST) & (peaks.frames >= first)
    return Peaks(peaks.frames[are_low], peaks.frequencies[are_low], peaks.strengths[are_low])


def _around(placement: Placement, ways: Sequence[tuple[float, float]], heard: Heard) -> Rows:
    """Return placements of other tempos and pitches, which are the same in the middle of what is heard."""
    middle = (heard.first + heard.end) / 2
    rows = np.empty((len(ways), len(STEPS), 3))
    rows[:, :, 1:] = np.array(ways)[:, None]
    rows[:, :, 0] = placement.place + middle * (placement.tempo - rows[:, :, 1]) + np.array(STEPS)
    return rows.reshape(-1, 3)
