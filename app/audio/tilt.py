"""Brighter or darker sound: a spectrum that rises or falls by so many dB per octave, whole or as it arrives.

The filter is of minimum phase: nothing is heard before it should be, and nothing is held back. Its response is a
straight line over the octaves between two corners, and level beyond them, where a line without end would amplify
rumble or hiss.
"""

from functools import lru_cache
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from app.audio.pcm import Samples

Spectrum: TypeAlias = npt.NDArray[np.complex64]

CORNERS_HZ = (80.0, 9_000.0)
TAP_SECONDS = 0.03
"""How long the filter remembers: more than two periods of the lower corner."""
BLOCK = 4096
"""Samples that are filtered at a time, at most."""
ROOM = 0.5
"""dB that speech becomes softer for each dB of slope, so that its peaks, which are bent, do not become higher."""

_SPEECH_HZ = (63, 125, 250, 500, 1000, 2000, 4000, 8000)
_SPEECH_DB = (33, 55, 60, 61, 56, 52, 50, 46)
"""How loud average speech is heard in thirds of an octave, rounded: D. Byrne and others 1994, "An international
comparison of long-term average speech spectra", with the K-weighting of ITU-R BS.1770."""


class Tilt:
    """Filter one mono stream that arrives in pieces; average speech stays about as loud, its peaks as high.

    Takes 1 ms for a second of speech.

    What comes out, put together, does not depend on how the stream was cut, but for rounding.

    Args:
        slope: dB per octave.
        sample_rate: Hz.
    """

    def __init__(self, slope: float, *, sample_rate: int) -> None:
        self._response = _response(slope, sample_rate)
        self._before = np.zeros(_taps(sample_rate) - 1, np.float32)

    def push(self, samples: Samples) -> Samples:
        """Return the next samples filtered: float32, shape `(n,)`, and beyond [-1, 1] where the tilt makes a peak."""
        tilted = np.empty_like(samples)
        for start in range(0, len(samples), BLOCK):
            piece = np.concatenate((self._before, samples[start : start + BLOCK]))
            size = 2 * (len(self._response) - 1)
            filtered = np.fft.irfft(np.fft.rfft(piece, size) * self._response, size)
            tilted[start : start + BLOCK] = filtered[len(self._before) : len(piece)]
            self._before = piece[len(piece) - len(self._before) :]
        return tilted


def _taps(sample_rate: int) -> int:
    return round(TAP_SECONDS * sample_rate)


@lru_cache(maxsize=32)
def _response(slope: float, sample_rate: int) -> Spectrum:
    """Complex response at the frequencies of an FFT that has room for a block and the filter."""
    taps = _taps(sample_rate)
    fine = 1 << (8 * taps).bit_length()
    hz = np.fft.rfftfreq(fine, 1 / sample_rate)
    decibels = slope * np.log2(hz.clip(*CORNERS_HZ) / 1000)
    decibels -= _gain_of_speech(slope) + ROOM * abs(slope)
    cepstrum = np.fft.irfft(decibels * (np.log(10) / 20), fine)
    # the logarithm of a response of minimum phase has no lags below 0
    cepstrum[1 : fine // 2] *= 2
    cepstrum[fine // 2 + 1 :] = 0
    impulse = np.fft.irfft(np.exp(np.fft.rfft(cepstrum)), fine)[:taps]
    impulse[taps // 2 :] *= 0.5 + 0.5 * np.cos(np.pi * np.arange(taps - taps // 2) / (taps - taps // 2))
    response: Spectrum = np.fft.rfft(impulse, 1 << (BLOCK + taps - 1).bit_length()).astype(np.complex64)
    return response


def _gain_of_speech(slope: float) -> float:
    """Return the dB by which the line amplifies average speech."""
    before = np.array(_SPEECH_DB, np.float64)
    after = before + slope * np.log2(np.array(_SPEECH_HZ).clip(*CORNERS_HZ) / 1000)
    power = [float(np.sum(10 ** (decibels / 10))) for decibels in (after, before)]
    return float(10 * np.log10(power[0] / power[1]))
