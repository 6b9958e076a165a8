"""The spectrum of a sound: how loud each frequency is, 43 times a second.

A window of 186 ms is long for music, and better for it: peaks keep their frequency to a Hz through noise, and their
time needs to be known to a frame only.
"""

from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from app.audio.pcm import Samples
from app.fingerprint.fourier import LANES, MOST_LANES, Tables, powers, tables
from app.fingerprint.kernel import kernel

Levels: TypeAlias = npt.NDArray[np.float32]
"""Half decibels, shape `(frames, BINS)`; a sine of full scale has `FULL_SCALE`."""

SAMPLE_RATE: Final = 11_025
"""Hz at which sound is analysed."""
WINDOW: Final = 2048
HOP: Final = 256
"""Samples from frame to frame. Frame i is of the samples from `i * HOP` on."""
FRAMES_PER_SECOND: Final = SAMPLE_RATE / HOP
FIRST_BIN, END_BIN = 37, 930
"""Of the spectrum; 200 Hz to 5 kHz, which telephones and codecs leave most of."""
BINS: Final = END_BIN - FIRST_BIN

ZERO: Final = -70.0
"""dB of a level of 0, below which all is silence: of the quantities that the transform gives, for a sine of full scale
has 54 dB (the square of half the window's sum)."""
FULL_SCALE: Final = 2 * (54.19 - ZERO)
QUIETEST: Final = 1e-10
"""Power that silence is given, since it has no logarithm."""
TABLES: Final = tables(np.hanning(WINDOW + 1)[:-1].astype(np.float32))
HALF_DECIBELS: Final = 20 * float(np.log10(2))
"""Of twice the power."""


class Spectrum:
    """The spectrum of a stream, cut anywhere: frames come out as soon as their last sample is there."""

    def __init__(self) -> None:
        self._rest: Samples = np.empty(0, np.float32)

    def push(self, samples: Samples) -> Levels:
        """Return the frames that are complete now; `samples` at `SAMPLE_RATE`, shape `(n,)`."""
        self._rest, levels = heard_on(self._rest, plain(samples), TABLES)
        return levels


def spectrum(samples: Samples) -> Levels:
    """Return the frames that lie within `samples`, at `SAMPLE_RATE`, shape `(n,)`."""
    return Spectrum().push(samples)


def plain(samples: Samples) -> Samples:
    """Return samples in the one form that kernels are compiled for, copied if need be: in a row, not read-only."""
    return np.require(samples, np.float32, ["C", "W"])


@kernel
def heard_on(rest: Samples, samples: Samples, tables: Tables) -> tuple[Samples, Levels]:
    """Return the samples that later frames need of these and the `rest` of earlier ones, and the frames they make."""
    heard = np.empty(len(rest) + len(samples), np.float32)
    heard[: len(rest)] = rest
    heard[len(rest) :] = samples
    count = max(0, (len(heard) - WINDOW) // HOP + 1)
    levels = np.empty((count, BINS), np.float32)
    for first in range(0, count, MOST_LANES):
        beside = min(MOST_LANES, count - first)
        found = np.empty((BINS, -(-beside // LANES) * LANES), np.float32)
        powers(heard[first * HOP :], HOP, beside, tables, FIRST_BIN, QUIETEST, found)
        _levels(found, levels[first : first + beside])
    return heard[count * HOP :].copy(), levels


@kernel
def _levels(powers: Levels, levels: Levels) -> None:
    """Write the levels of powers that lie side by side, frame after frame."""
    flat = powers.reshape(-1)
    logarithms = np.empty(flat.shape, np.float32)
    _logarithms(flat, flat.view(np.int32), logarithms)
    found = logarithms.reshape(powers.shape)
    for i in range(levels.shape[1]):
        for frame in range(len(levels)):
            levels[frame, i] = found[i, frame] * np.float32(HALF_DECIBELS) - np.float32(2 * ZERO)


@kernel
def _logarithms(numbers: Levels, bits: npt.NDArray[np.int32], out: Levels) -> None:
    """Write logarithms to the base of 2 within 1e-6; `bits` are those of the numbers, which are lost.

    A tenth of what the library takes, since a processor does it with many at once. The polynomial is Chebyshev's.
    """
    for i in range(len(numbers)):
        out[i] = np.float32((bits[i] >> 23) - 127)
        bits[i] = (bits[i] & 0x7FFFFF) | 0x3F800000
    for i in range(len(numbers)):
        x = numbers[i] - np.float32(1.0)
        y = np.float32(_LOGARITHM[8])
        for power in range(7, -1, -1):
            y = y * x + np.float32(_LOGARITHM[power])
        out[i] += y * x


def _logarithm() -> tuple[float, ...]:
    """Return the coefficients of what x is multiplied by to give the logarithm of 1 + x, for x from 0 to 1."""
    x = (1 - np.cos(np.linspace(0, np.pi, 4001)[1:])) / 2
    fitted = np.polynomial.Chebyshev.fit(x, np.log2(1 + x) / x, 8)
    return tuple(fitted.convert(kind=np.polynomial.Polynomial).coef.tolist())


_LOGARITHM: Final = _logarithm()
