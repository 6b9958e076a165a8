"""The votes of a stream, over the last hops: where new ones agree with those before.

A vote is for a place: the frame of the reel less the frame of the stream. As long as a track goes on, its place stays
the same; what chance brings is scattered over all places.

All votes of the window are kept, five bytes each, but not sorted. Each also counts in a cell, of four neighbouring
places and all that are a multiple of 2**18 away. Only the votes of cells that new votes have made heavy are looked at
one by one: so a hop costs as much as it brings votes, not as there are.
"""

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from app.fingerprint.kernel import kernel
from app.fingerprint.peaks import Frames
from app.fingerprint.view import Votes, Weights
from app.fingerprint.votes import LEAST_WEIGHT, WEIGHT_BITS, Ballots, Candidates, count

Cells: TypeAlias = npt.NDArray[np.uint16]

CELL_PLACE_BITS = 2
CELL_BITS = 16
PART_BITS = 2
"""Cells count in quarters of what weights do: half bits. Wrapping around, which takes 1,000 votes, is no harm."""
MOST_HEAVY = 512
"""New votes whose cells are looked at, and any number that are as heavy as the last of them."""
LEVELS = 1024
MOST_CHOSEN = 1 << 15
"""Votes that are looked at one by one."""


class BallotBox:
    """The votes of one stream; one thread at a time."""

    def __init__(self, *, hops: int, most: int) -> None:
        """Keep the votes of so many hops, at most `most` of each."""
        self._most = most
        self._places = np.empty((hops, most), np.uint32)
        self._weights = np.empty((hops, most), np.uint8)
        self._counts = np.zeros(hops, np.int64)
        self._cells = np.zeros(1 << CELL_BITS, np.uint16)
        self._turn = 0

    def clear(self) -> None:
        """Forget all votes."""
        self._counts[:] = 0
        self._cells[:] = 0

    def cast(self, votes: Votes, *, most: int) -> Candidates:
        """Add the votes of a hop, forget those of the oldest, and return the places that have most now, best first.

        Only places that new votes are for; modulo 2**32, as they come.
        """
        turn = self._forget()
        self._counts[turn] = new = min(len(votes.places), self._most)
        self._places[turn, :new] = votes.places[:new]
        self._weights[turn, :new] = votes.weights[:new]
        _add(self._places[turn, :new], self._weights[turn], self._cells)
        is_heavy = _heavy(self._places[turn, :new], self._cells)
        ballots = _chosen(self._places, self._weights, self._counts, is_heavy)
        ballots.sort()
        return count(ballots, most=most)

    def skip(self) -> None:
        """Let a hop pass without votes."""
        self._forget()

    def _forget(self) -> int:
        """Forget the votes of the oldest hop, and return where those of the next one go."""
        turn = self._turn
        self._turn = (turn + 1) % len(self._counts)
        _forget(self._places[turn, : self._counts[turn]], self._weights[turn], self._cells)
        self._counts[turn] = 0
        return turn


@kernel
def _cell(place: np.uint32) -> int:
    return (int(np.int64(place)) >> CELL_PLACE_BITS) & ((1 << CELL_BITS) - 1)


@kernel
def _part(weight: np.uint8) -> int:
    return max(0, int(np.int64(weight)) - LEAST_WEIGHT) >> PART_BITS


@kernel
def _add(places: Frames, weights: Weights, cells: Cells) -> None:
    for i in range(len(places)):
        cells[_cell(places[i])] += np.uint16(_part(weights[i]))


@kernel
def _forget(places: Frames, weights: Weights, cells: Cells) -> None:
    for i in range(len(places)):
        cells[_cell(places[i])] -= np.uint16(_part(weights[i]))


@kernel
def _heaviness(cells: Cells, cell: int) -> int:
    """Return the weight of a cell and the heavier of its neighbours: places that agree may be of both."""
    mask = (1 << CELL_BITS) - 1
    before, after = int(np.int64(cells[(cell - 1) & mask])), int(np.int64(cells[(cell + 1) & mask]))
    return int(np.int64(cells[cell])) + max(before, after)


@kernel
def _heavy(places: Frames, cells: Cells) -> npt.NDArray[np.bool_]:
    """Tell which cells are looked at: the heaviest of those with new votes, and their neighbours."""
    levels, counts = np.empty(len(places), np.int64), np.zeros(LEVELS, np.int64)
    for i in range(len(places)):
        levels[i] = min(LEVELS - 1, _heaviness(cells, _cell(places[i])))
        counts[levels[i]] += 1
    least, found = LEVELS - 1, counts[LEVELS - 1]
    while least > 1 and found + counts[least - 1] <= MOST_HEAVY:
        least -= 1
        found += counts[least]
    is_heavy = np.zeros(1 << CELL_BITS, np.bool_)
    for i in range(len(places)):
        if levels[i] >= least:
            cell = _cell(places[i])
            for near in range(cell - 1, cell + 2):
                is_heavy[near & ((1 << CELL_BITS) - 1)] = True
    return is_heavy


@kernel
def _chosen(
    places: npt.NDArray[np.uint32],
    weights: npt.NDArray[np.uint8],
    counts: npt.NDArray[np.int64],
    is_heavy: npt.NDArray[np.bool_],
) -> Ballots:
    """Return the ballots of the cells that are looked at."""
    ballots = np.empty(MOST_CHOSEN, np.int64)
    made = 0
    for hop in range(len(counts)):
        for i in range(counts[hop]):
            if is_heavy[_cell(places[hop, i])] and made < MOST_CHOSEN:
                ballots[made] = np.int64(places[hop, i]) << WEIGHT_BITS | np.int64(weights[hop, i])
                made += 1
    return ballots[:made]
