"""The votes of a stream: where new ones agree with those before.

A vote is for a place: the frame of the reel less the frame of the stream. As long as a track goes on, its place stays
the same; what chance brings is scattered over all places.

No vote is kept, however many there are. Each counts in two cells, of whose numbers one has nothing to do with the
other, and for less with each hop that goes by. What agrees on a place is in both cells; what else a cell has comes from
other places, which are others in the other cell. So the smaller of the two is nearly what all votes of the place are
together (G. Cormode and S. Muthukrishnan 2005, "An improved data stream summary: the count-min sketch"). Cells of
neighbouring places are neighbours.

Instead of making all cells lighter with each hop, new votes are made heavier; now and then all are halved.
"""

from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from app.fingerprint.kernel import kernel
from app.fingerprint.peaks import Frames
from app.fingerprint.view import Votes, Weights
from app.fingerprint.votes import LEAST_WEIGHT, SPREAD, Candidates

Cells: TypeAlias = npt.NDArray[np.uint8]
"""Shape `(ROWS, 2**CELL_BITS)`."""

ROWS: Final = 2
CELL_BITS: Final = 17
"""A quarter of a megabyte of each stream. Half of that finds four hard queries of a hundred less among 10,000 tracks;
to keep all votes instead, which takes ten times as much, finds none more."""
GROWTH: Final = 1.15
"""By which a vote is heavier than one of the hop before."""
LEAST_SCALE: Final = 10.0
"""Of votes; from twice as much on, all is halved."""
PART_BITS: Final = 8
"""A vote counts in 256ths of its weight times the scale."""
FULLEST: Final = 255
"""Of a cell; that much agrees only where there is no doubt."""
MOST_HEAVY: Final = 1024
"""New votes that are looked at one by one, and any number on whose places as much agrees as on that of the last."""


class BallotBox:
    """The votes of one stream; one thread at a time."""

    def __init__(self) -> None:
        self._cells: Cells = np.zeros((ROWS, 1 << CELL_BITS), np.uint8)
        self._scale = LEAST_SCALE

    def clear(self) -> None:
        """Forget all votes."""
        self._cells[:] = 0
        self._scale = LEAST_SCALE

    def cast(self, votes: Votes, *, most: int) -> Candidates:
        """Add the votes of a hop, and return the places that have most now, best first.

        Only places that new votes are for, give or take a frame, modulo 2**32. What is told of their votes is about the
        sum of what their weights have above `LEAST_WEIGHT`, of older votes less, and what new ones have once more.
        """
        self.skip()
        return Candidates(*_cast(votes.places, votes.weights, self._cells, self._scale, most))

    def skip(self) -> None:
        """Let a hop pass without votes."""
        self._scale *= GROWTH
        if self._scale >= 2 * LEAST_SCALE:
            self._cells >>= np.uint8(1)
            self._scale /= 2


@kernel
def _cast(
    places: Frames, weights: Weights, cells: Cells, scale: float, most: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    part = scale / (1 << PART_BITS)
    agreeing = _add(places, weights, cells, part)
    chosen = _chosen(places, weights, agreeing)
    chosen.sort()
    return _best(chosen, cells, part, most)


@kernel
def _over(weight: int) -> int:
    return max(0, weight - LEAST_WEIGHT)


@kernel
def _cell(place: int, row: int) -> int:
    """Return the number of a place's cell in a row."""
    # a stretch of places keeps its order, and each stretch is shifted by another way in each row
    shift = (place >> 16) * (0x9E3779B1 if row else 0x85EBCA6B)
    return (place + (shift >> 7)) & ((1 << CELL_BITS) - 1)


@kernel
def _add(places: Frames, weights: Weights, cells: Cells, part: float) -> npt.NDArray[np.uint8]:
    """Add votes, and return how much agrees on the place of each as soon as it is there."""
    agreeing = np.empty(len(places), np.uint8)
    for i in range(len(places)):
        more, least = int(part * _over(int(np.int64(weights[i])))), FULLEST
        for row in range(ROWS):
            cell = _cell(int(np.int64(places[i])), row)
            full = min(FULLEST, int(np.int64(cells[row, cell])) + more)
            cells[row, cell] = full
            least = min(least, full)
        agreeing[i] = least
    return agreeing


@kernel
def _heaviness(cells: Cells, place: int) -> tuple[int, int]:
    """Return the most that agrees on a place, give or take a frame, and by how much that is earlier or later."""
    mask = (1 << CELL_BITS) - 1
    before = here = after = 1 << 62
    for row in range(ROWS):
        cell = _cell(place, row)
        a, b = int(np.int64(cells[row, (cell - 2) & mask])), int(np.int64(cells[row, (cell - 1) & mask]))
        c = int(np.int64(cells[row, cell]))
        d, e = int(np.int64(cells[row, (cell + 1) & mask])), int(np.int64(cells[row, (cell + 2) & mask]))
        # where as much agrees, that is the place which has most of it
        before, here = min(before, (a + b + c) << 8 | b), min(here, (b + c + d) << 8 | c)
        after = min(after, (c + d + e) << 8 | d)
    if here >= before and here >= after:
        return here >> 8, 0
    return (before >> 8, -1) if before > after else (after >> 8, 1)


@kernel
def _chosen(places: Frames, weights: Weights, agreeing: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
    """Return the votes for places on which most agrees: `place * 256 + weight`."""
    counts = np.zeros(FULLEST + 1, np.int64)
    for i in range(len(places)):
        counts[agreeing[i]] += 1
    level, found = FULLEST, counts[FULLEST]
    while level > 1 and found + counts[level - 1] <= MOST_HEAVY:
        level -= 1
        found += counts[level]
    chosen, made = np.empty(found, np.int64), 0
    for i in range(len(places)):
        if agreeing[i] >= level:
            chosen[made] = np.int64(places[i]) << 8 | np.int64(weights[i])
            made += 1
    return chosen


@kernel
def _best(
    votes: npt.NDArray[np.int64], cells: Cells, part: float, most: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Return the places of sorted votes on which most agrees; where as much does, that which new ones are for."""
    places, worth = np.zeros(most, np.int64), np.zeros(most)
    found = end = total = 0
    for start in range(len(votes)):
        place = votes[start] >> 8
        if start > 0:
            total -= _over(votes[start - 1] & 255)
        while end < len(votes) and (votes[end] >> 8) <= place + SPREAD:
            total += _over(votes[end] & 255)
            end += 1
        heaviness, off = _heaviness(cells, place)
        here = heaviness / part + total
        if total == 0 or (found == most and here <= worth[found - 1]):
            continue
        place += off
        # the same hill as a place that is there already, or a new one that pushes the last one out
        at = -1
        for other in range(found):
            if abs(places[other] - place) <= 2 * SPREAD:
                at = other
        if at >= 0 and worth[at] >= here:
            continue
        if at < 0:
            found = min(found + 1, most)
            at = found - 1
        while at > 0 and worth[at - 1] < here:
            places[at], worth[at] = places[at - 1], worth[at - 1]
            at -= 1
        places[at], worth[at] = place, here
    return places[:found], worth[:found]
