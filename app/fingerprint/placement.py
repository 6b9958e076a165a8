"""A placement: where in a track a query may be from, and how it is played."""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Rows: TypeAlias = npt.NDArray[np.float64]
"""Placements as numbers: place, tempo and pitch of each, `(n, 3)`."""


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a query may be from, and how it is played."""

    place: float
    """Frame of the track, or of all tracks laid end to end, at which frame 0 of the query begins."""
    tempo: float = 1.0
    """Frames of the track for each of the query."""
    pitch: float = 1.0
    """By which the query's frequencies are higher."""
