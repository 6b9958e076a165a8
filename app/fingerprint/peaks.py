"""The peaks of a sound: where, in time and frequency, it is louder than all around.

They are what survives noise, other voices, codecs and rooms; everything that is known of a track is its peaks.
"""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Frames: TypeAlias = npt.NDArray[np.uint32]
Frequencies: TypeAlias = npt.NDArray[np.uint16]
Strengths: TypeAlias = npt.NDArray[np.uint8]

BIN_PARTS = 64
"""Frequencies are counted in 64ths of a bin of the spectrum, 0.084 Hz: finer than a peak can be found."""


@dataclass(frozen=True, slots=True)
class Peaks:
    """Peaks in the order of their frames, within a frame in that of their frequencies; all three of shape `(n,)`."""

    frames: Frames
    """Of the spectrum, 43.07 a second."""
    frequencies: Frequencies
    """In 64ths of a bin of the spectrum, from 0 Hz."""
    strengths: Strengths
    """In half decibels."""

    def __len__(self) -> int:
        """Count them."""
        return len(self.frames)
