"""A sieve: of hundreds of thousands of votes, those that may be of the best places.

Each vote counts in a cell, of four neighbouring places and all that are a multiple of 2**22 away. Chance fills the
cells evenly; where many votes agree, theirs and the next one together are among the heaviest. So what is to be sorted
is a tenth of what was found.
"""

from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from app.fingerprint.kernel import kernel
from app.fingerprint.peaks import Frames
from app.fingerprint.votes import LEAST_WEIGHT, ORIGIN, WEIGHT_BITS, Ballots

Cells: TypeAlias = npt.NDArray[np.uint8]
Weights: TypeAlias = npt.NDArray[np.uint8]

CELL_PLACE_BITS: Final = 2
CELL_BITS: Final = 20
"""A megabyte, which processors have near at hand."""
PART_BITS: Final = 5
"""Cells count in 32nds of what weights do, which is four bits, up to 255."""
FEW: Final = 50_000
"""Votes that are not sifted: to sort them takes as long."""
MOST_CELLS: Final = 10_000
"""That are kept, and any number that are as heavy as the last of them."""
SAMPLE: Final = 8
"""Of so many cells one is looked at, to know how heavy the heaviest are."""


def sifted(places: Frames, weights: Weights, end: int) -> Ballots:
    """Return the sorted ballots of the votes that may be of the best places; of a few votes all.

    Args:
        places: of the votes, modulo 2**32; from `end` on they are before the reel.
        weights: theirs, above `LEAST_WEIGHT`.
        end: of the reel.
    """
    ballots = _sifted(places, weights, end, FEW)
    ballots.sort()
    return ballots


@kernel
def _sifted(places: Frames, weights: Weights, end: int, few: int) -> Ballots:
    cells = np.zeros(1 << CELL_BITS if len(places) > few else 0, np.uint8)
    least = 0
    if len(cells) > 0:
        _fill(places, weights, cells)
        least = _least(cells)
    ballots = np.empty(len(places), np.int64)
    made = 0
    for i in range(len(places)):
        if least > 0 and _heaviness(cells, _cell(places[i])) < least:
            continue
        place = np.int64(places[i])
        origin = ORIGIN - (1 << 32) if place >= end else ORIGIN
        ballots[made] = (place + origin) << WEIGHT_BITS | np.int64(weights[i])
        made += 1
    return ballots[:made]


@kernel
def _cell(place: np.uint32) -> int:
    return (int(np.int64(place)) >> CELL_PLACE_BITS) & ((1 << CELL_BITS) - 1)


@kernel
def _fill(places: Frames, weights: Weights, cells: Cells) -> None:
    for i in range(len(places)):
        cell = _cell(places[i])
        part = ((int(np.int64(weights[i])) - LEAST_WEIGHT) >> PART_BITS) + 1
        cells[cell] = np.uint8(min(255, int(np.int64(cells[cell])) + part))


@kernel
def _heaviness(cells: Cells, cell: int) -> int:
    """Return the weight of a cell and the heavier of its neighbours: places that agree may be of both."""
    mask = (1 << CELL_BITS) - 1
    return int(np.int64(cells[cell]) + np.int64(max(cells[(cell - 1) & mask], cells[(cell + 1) & mask])))


@kernel
def _least(cells: Cells) -> int:
    """Return how heavy those cells are at least that are kept."""
    counts = np.zeros(512, np.int64)
    for cell in range(0, len(cells), SAMPLE):
        counts[_heaviness(cells, cell)] += SAMPLE
    least, found = len(counts) - 1, counts[len(counts) - 1]
    while least > 0 and found + counts[least - 1] <= MOST_CELLS:
        least -= 1
        found += counts[least]
    return least
