"""What a mouth does over time."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

OPEN, WIDE, UPPER = range(3)


@dataclass(frozen=True, slots=True, eq=False)
class MouthTrack:
    """How a mouth is held, frame by frame."""

    frames: NDArray[np.float32]
    """Shape (n, 3). Open: 0 closed, as for p, to 1, as far as it goes in speech. Wide: -1 rounded, as for u, through
    0 at rest to 1 spread, as for i. Upper: how far the upper lip is raised, 0 to 1, as for f."""
    fps: float
