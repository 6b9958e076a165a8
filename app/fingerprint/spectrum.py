"""The spectrum of a sound: how loud each frequency is, 43 times a second.

A window of 186 ms is long for music, and better for it: peaks keep their frequency to a Hz through noise, and their
time needs to be known to a frame only.
"""

from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from app.audio.pcm import Samples

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
_QUIETEST = 1e-10
"""Power that silence is given, since it has no logarithm."""
_HANN: Final = np.hanning(WINDOW + 1)[:-1].astype(np.float32)
_BATCH = 256
"""Frames transformed at a time, which bounds the memory."""


class Spectrum:
    """The spectrum of a stream, cut anywhere: frames come out as soon as their last sample is there."""

    def __init__(self) -> None:
        self._rest: Samples = np.empty(0, np.float32)

    def push(self, samples: Samples) -> Levels:
        """Return the frames that are complete now; `samples` at `SAMPLE_RATE`, shape `(n,)`."""
        heard = np.concatenate((self._rest, samples)) if len(self._rest) else samples
        count = max(0, (len(heard) - WINDOW) // HOP + 1)
        self._rest = heard[count * HOP :].copy()
        return spectrum(heard)


def spectrum(samples: Samples) -> Levels:
    """Return the frames that lie within `samples`, at `SAMPLE_RATE`, shape `(n,)`."""
    count = max(0, (len(samples) - WINDOW) // HOP + 1)
    levels = np.empty((count, BINS), np.float32)
    if count:
        frames = np.lib.stride_tricks.sliding_window_view(samples, WINDOW)[::HOP]
        for start in range(0, count, _BATCH):
            levels[start : start + _BATCH] = _levels(frames[start : start + _BATCH])
    return levels


def _levels(frames: Samples) -> Levels:
    turning = np.fft.rfft(frames * _HANN, axis=1)[:, FIRST_BIN:END_BIN]
    powers = turning.real**2 + turning.imag**2
    powers += np.float32(_QUIETEST)
    levels: Levels = np.log10(powers)
    levels *= np.float32(20)  # half decibels of a power
    levels -= np.float32(2 * ZERO)
    return levels
