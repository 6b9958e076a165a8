"""Sound at half its rate, as it arrives: from 22,050 Hz, which streams have if they do not say otherwise.

A symmetric filter of 79 coefficients, half of which are 0 (R. Crochiere and L. Rabiner, "Multirate Digital Signal
Processing", 4.3): up to 5 kHz all goes through, and what would be heard as something else there is 60 dB lower. It
waits for 1.8 ms of what follows. soxr holds back up to 80 ms of a live stream, 44 on average, since it works on blocks;
of its lower qualities only LQ does with less, 24.
"""

from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from app.audio.pcm import Samples
from app.fingerprint.kernel import kernel

Coefficients: TypeAlias = npt.NDArray[np.float32]

REACH: Final = 39
"""Samples to either side on which one depends."""
_SHARPNESS: Final = 5.65
"""Of Kaiser's window, for 60 dB."""


def _coefficients() -> Coefficients:
    """Return those on one side: of the samples at odd distances, the others are 0."""
    off = np.arange(1, REACH + 1, 2)
    window = np.i0(_SHARPNESS * np.sqrt(1 - (off / (REACH + 1)) ** 2)) / np.i0(_SHARPNESS)
    sides = np.sin(np.pi * off / 2) / (np.pi * off) * window
    return np.asarray(sides / (4 * sides.sum()), np.float32)


_COEFFICIENTS: Final = _coefficients()


class Halver:
    """Halves the rate of one stream that arrives in pieces of any length."""

    def __init__(self) -> None:
        self._rest: Samples = np.zeros(REACH, np.float32)

    def push(self, samples: Samples) -> Samples:
        """Return what is ready after these: mono float32, shape `(n,)`."""
        self._rest, halved = _halved(self._rest, samples, _COEFFICIENTS)
        return halved


@kernel
def _halved(rest: Samples, samples: Samples, coefficients: Coefficients) -> tuple[Samples, Samples]:
    sound = np.empty(len(rest) + len(samples), np.float32)
    sound[: len(rest)] = rest
    sound[len(rest) :] = samples
    count = max(0, (len(sound) - 2 * REACH + 1) // 2)
    # those at even places lie side by side, and so do the others: so a processor takes many at a time
    even, odd = sound[REACH::2].copy(), sound[(REACH + 1) % 2 :: 2].copy()
    halved = np.empty(count, np.float32)
    for i in range(count):
        halved[i] = even[i] * np.float32(0.5)
    for k in range(len(coefficients)):
        _add(odd[(REACH - 1) // 2 - k :][:count], odd[(REACH - 1) // 2 + 1 + k :][:count], coefficients[k], halved)
    return sound[2 * count :].copy(), halved


@kernel
def _add(before: Samples, after: Samples, coefficient: np.float32, halved: Samples) -> None:
    for i in range(len(halved)):
        halved[i] += (before[i] + after[i]) * coefficient
