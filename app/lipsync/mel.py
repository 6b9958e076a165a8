"""The mel spectrum that networks of the Wav2Lip family hear, of a sound of any length, as it arrives.

What upstream's audio.py computes with librosa 0.7: pre-emphasis, a centred short-time Fourier transform whose ends are
reflected, 80 triangles on Slaney's mel scale, decibels, scaled to -4..4. librosa from 0.10 on pads with zeros instead,
which changes the first and last three columns by up to 0.5. In double precision, as there.
"""

from functools import cache
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from app.audio.pcm import Samples
from app.errors import InvalidAudio

Mel: TypeAlias = NDArray[np.float32]
"""Shape `(columns, BANDS)`, in -4..4. Column i is of the `N_FFT` samples around sample `i * HOP`."""

SAMPLE_RATE: Final = 16_000
"""Hz at which networks hear."""
N_FFT: Final = 800
HOP: Final = 200
"""Samples from column to column."""
COLUMNS_PER_SECOND: Final = SAMPLE_RATE // HOP
BANDS: Final = 80
SILENCE: Final = -4.0
"""Of every band where there is nothing to hear."""

_EMPHASIS = 0.97
_LOWEST_HZ, _HIGHEST_HZ = 55.0, 7600.0
_FLOOR = 1e-5
"""Amplitude below which all is silence: -100 dB."""
_HALF = N_FFT // 2
_BATCH = 256
"""Columns transformed at a time, which bounds the memory."""


class MelStream:
    """The mel spectrum of one sound, cut anywhere. Takes some 12 KB of memory, whatever the length."""

    def __init__(self) -> None:
        self._waiting: NDArray[np.float64] = np.empty(0)
        """Emphasized samples that columns to come still need."""
        self._last: float = 0.0
        self._has_begun = False

    def push(self, samples: Samples) -> Mel:
        """Take the next samples at `SAMPLE_RATE`, shape `(n,)`, and return the columns that are complete now.

        Raises:
            InvalidAudio: a sample is not a finite number.
        """
        if not np.isfinite(samples).all():
            raise InvalidAudio("the sound has samples that are not finite numbers (NaN or infinity)", field="audio")
        self._append(samples)
        if not self._has_begun:
            if len(self._waiting) <= _HALF:
                return np.empty((0, BANDS), np.float32)
            self._has_begun = True
            self._waiting = np.concatenate((self._waiting[_HALF:0:-1], self._waiting))
        return self._take()

    def finish(self) -> Mel:
        """Return the last columns: `1 + n // HOP` in all, for n samples.

        Raises:
            InvalidAudio: there were no samples at all.
        """
        if len(self._waiting) == 0:
            raise InvalidAudio("the sound has no samples", field="audio")
        if self._has_begun:
            end = self._waiting[-_HALF - 1 : -1][::-1]
            self._waiting = np.concatenate((self._waiting, end))
        else:
            self._waiting = np.pad(self._waiting, _HALF, mode="reflect")
        return self._take()

    def _append(self, samples: Samples) -> None:
        if len(samples) == 0:
            return
        emphasized = samples.astype(np.float64)
        emphasized[1:] -= _EMPHASIS * samples[:-1].astype(np.float64)
        emphasized[0] -= _EMPHASIS * self._last
        self._last = float(samples[-1])
        self._waiting = np.concatenate((self._waiting, emphasized))

    def _take(self) -> Mel:
        count = max(0, (len(self._waiting) - N_FFT) // HOP + 1)
        mel = _spectrum(self._waiting, count)
        self._waiting = self._waiting[count * HOP :].copy()
        return mel


def mel_spectrum(samples: Samples) -> Mel:
    """Return all columns of a sound, as `MelStream` does."""
    stream = MelStream()
    return np.concatenate((stream.push(samples), stream.finish()))


def _spectrum(samples: NDArray[np.float64], count: int) -> Mel:
    mel = np.empty((count, BANDS), np.float32)
    if count:
        window, triangles = _hann(), _triangles()
        frames = np.lib.stride_tricks.sliding_window_view(samples, N_FFT)[::HOP]
        for start in range(0, count, _BATCH):
            turning = np.fft.rfft(frames[start : start + _BATCH] * window, axis=1)
            amplitudes = np.sqrt(turning.real**2 + turning.imag**2)  # a third of the time of np.abs
            mel[start : start + _BATCH] = _normalized(amplitudes @ triangles)
    return mel


def _normalized(amplitudes: NDArray[np.float64]) -> NDArray[np.float64]:
    decibels = 20 * np.log10(np.maximum(amplitudes, _FLOOR)) - 20
    return np.clip(8 * (decibels + 100) / 100 - 4, -4, 4)


def band_hz() -> NDArray[np.float64]:
    """Return the frequency in the middle of each band."""
    return _corners()[1:-1]


def _corners() -> NDArray[np.float64]:
    return _hz(np.linspace(_mel(_LOWEST_HZ), _mel(_HIGHEST_HZ), BANDS + 2))


@cache
def _hann() -> NDArray[np.float64]:
    """Return the periodic window."""
    return 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(N_FFT) / N_FFT)


@cache
def _triangles() -> NDArray[np.float64]:
    """Return the weight of each frequency in each band, shape `(401, 80)`; each triangle has the area 1, in Hz.

    Rounded to 32 bits, as librosa's are.
    """
    frequencies = np.arange(N_FFT // 2 + 1) * (SAMPLE_RATE / N_FFT)
    corners = _corners()
    left, middle, right = corners[:-2], corners[1:-1], corners[2:]
    rising = (frequencies[:, None] - left) / (middle - left)
    falling = (right - frequencies[:, None]) / (right - middle)
    triangles = np.maximum(0, np.minimum(rising, falling)) * (2 / (right - left))
    return triangles.astype(np.float32).astype(np.float64)


# Slaney's scale (Auditory Toolbox, 1998): linear below 1000 Hz, 15 mel there, then 27 steps for each factor of 6.4.
_LINEAR_HZ = 200 / 3
_KNEE_HZ = 1000.0
_KNEE_MEL = _KNEE_HZ / _LINEAR_HZ
_STEP = np.log(6.4) / 27


def _mel(hz: float) -> float:
    return float(hz / _LINEAR_HZ if hz < _KNEE_HZ else _KNEE_MEL + np.log(hz / _KNEE_HZ) / _STEP)


def _hz(mel: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(mel < _KNEE_MEL, mel * _LINEAR_HZ, _KNEE_HZ * np.exp(_STEP * (mel - _KNEE_MEL)))
