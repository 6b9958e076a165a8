"""What a sound itself tells of a mouth, without anything learnt: how loud it is, how much of that is an open vowel's.

A jaw that drops raises the first formant; a hiss is made with teeth together; the second formant is high where lips are
spread and low where they are round. All of it is read off the mel spectrum.
"""

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from app.lipsync.mel import BANDS, COLUMNS_PER_SECOND, Mel, band_hz

RANGE_DB: Final = 32.0
"""From silence to the loudest: the part of loudness that opens a mouth."""
SILENT_DB: Final = -85.0
"""Power of a column, in the mel's decibels, below which nobody speaks, however quiet everything else is. The loudest
columns of speech at -20 dB of full scale have -40."""

_FALL_DB = 3.0 / COLUMNS_PER_SECOND
"""By which the loudest falls in a column, so that a voice that becomes quiet is followed."""
_FIRST_DB = -58.0
"""The loudest before anything was heard."""
_LEAST_DB = -66.0
"""Of the loudest, however long it was quiet."""
_FADE_DB = 6.0
"""Above silence, over which a mouth may open."""
_WIDE_MIDDLE, _WIDE_SCALE = 0.5, 2.0

Array = NDArray[np.float32]


class Signal(NamedTuple):
    """What is heard, column by column."""

    rows: Array
    """Shape (n, 3), as in a `MouthTrack`."""
    voice: Array
    """Shape (n,): 0 in silence, 1 where somebody speaks."""


class MouthSignal:
    """The mouth of one sound, as it arrives. Memory: a number."""

    def __init__(self) -> None:
        self._loudest = _FIRST_DB

    def push(self, mel: Mel) -> Signal:
        """Take the next columns and return the same number of rows."""
        power = 10 ** (mel.astype(np.float64) * 1.25 - 5.0)  # (mel + 4) / 8 * 100 - 100 dB
        decibels = 10 * np.log10(power @ _WEIGHTS + 1e-12)
        loudest = self._follow(decibels)
        loudness = np.clip((decibels - loudest) / RANGE_DB + 1, 0, 1)
        total = power.sum(axis=1) + 1e-12
        first, hiss = power @ _FIRST_FORMANT / total, power @ _HISS / total
        low, high = power @ _LOW_SECOND, power @ _HIGH_SECOND
        opened = loudness * (0.25 + 0.75 * np.sqrt(first)) * (1 - 0.8 * hiss)
        wide = np.clip(_WIDE_SCALE * (high / (low + high + 1e-12) - _WIDE_MIDDLE), -1, 1) * loudness
        voice = np.clip((decibels - np.maximum(loudest - RANGE_DB, SILENT_DB)) / _FADE_DB, 0, 1)
        rows = np.stack((opened * voice, wide * voice, 0.15 * hiss * loudness * voice), 1)
        return Signal(rows.astype(np.float32), voice.astype(np.float32))

    def _follow(self, decibels: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the loudest so far at each column, which falls slowly."""
        if not len(decibels):
            return decibels
        falling = _FALL_DB * np.arange(1, len(decibels) + 1)
        highest = np.maximum.accumulate(np.maximum(decibels + falling, self._loudest))
        loudest = np.asarray(np.maximum(highest - falling, _LEAST_DB))
        self._loudest = float(loudest[-1])
        return loudest


def _bell(low_hz: float, high_hz: float) -> NDArray[np.float64]:
    """Return 1 for bands within, falling to 0 over a fifth of their frequency."""
    hz = band_hz()
    return np.asarray(np.clip((hz / low_hz - 0.8) / 0.2, 0, 1) * np.clip((1.2 - hz / high_hz) / 0.2, 0, 1))


_WEIGHTS = np.where(band_hz() > 150, 1.0, 0.2) / BANDS
_FIRST_FORMANT, _HISS = _bell(480, 1100), _bell(4000, 7600)
_LOW_SECOND, _HIGH_SECOND = _bell(650, 1150), _bell(1700, 2900)
