"""A smaller or larger head for the same speech: formants moved, melody and pace as they were.

The envelope of the spectrum is estimated every few milliseconds, and the sound is filtered by what the envelope that is
stretched along the frequencies is above the one that is there. The estimate is CheapTrick's (M. Morise 2015,
"CheapTrick, a spectral envelope estimator for high-quality speech synthesis"): a window of three periods and smoothing
over two thirds of the fundamental, so that of the harmonics nothing is left in it. The filters are minimum phase, as
the resonances of a mouth are, and one goes over into the next. Neither the marks of words nor a single period move.
"""

import math
from functools import lru_cache
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from app.audio.melody import STEP_SECONDS, Melody
from app.audio.pcm import Samples

Floats: TypeAlias = npt.NDArray[np.float32]
"""Half as wide as usual: this is twice as fast, and what is estimated here is no more exact."""
Spectra: TypeAlias = npt.NDArray[np.complex64]

HOP_SECONDS = 0.012
"""About; hops are a power of two in samples."""
HOPS_PER_FFT = 4
VOICELESS_HZ = 150.0
"""What counts as fundamental where there is none."""
LOWEST_HZ = 75.0
"""Of the fundamental, for the window of three periods: the FFT has room for so many."""
FLOOR = 1e-8
"""Of the highest power of the recording: what is below has no envelope worth to be stretched."""
MOST = 3.5
"""Nepers, 30 dB, by which anything is amplified or damped."""
COMPENSATION = -0.15
"""q1 of the paper: undoes what the smoothing takes from the peaks."""
FRAMES_AT_ONCE = 512
"""Bounds the memory: 6 s of speech, 20 MB."""


def move_formants(samples: Samples, melody: Melody, *, sample_rate: int, semitones: float) -> Samples:
    """Return a recording whose formants lie `semitones` higher.

    `samples` are mono float32, shape `(n,)`, `melody` is theirs; the result has the same shape, and may peak higher.
    """
    if semitones == 0 or not samples.any():
        return samples
    hop = _hop(sample_rate)
    size = HOPS_PER_FFT * hop
    count = len(samples) // hop + 2
    wave = np.pad(samples, (size // 2, size // 2 + 2 * hop))
    middles = np.arange(count) * hop
    nearest = np.minimum(np.rint(middles / (STEP_SECONDS * sample_rate)).astype(np.intp), len(melody.hz) - 1)
    hz = np.where(melody.hz[nearest] > 0, np.maximum(melody.hz[nearest], LOWEST_HZ), VOICELESS_HZ).astype(np.float32)
    out = np.zeros((count + HOPS_PER_FFT) * hop, np.float32)
    for first in range(0, count, FRAMES_AT_ONCE):
        some = slice(first, min(first + FRAMES_AT_ONCE, count))
        frames = np.lib.stride_tricks.sliding_window_view(wave, size)[middles[some]]
        filters = _filters(_envelopes(frames, hz[some], sample_rate), 2 ** (semitones / 12))
        _filter(frames, filters, out[first * hop :])
    return out[hop : hop + len(samples)]


def _hop(sample_rate: int) -> int:
    return 1 << round(math.log2(sample_rate * HOP_SECONDS))


def _envelopes(frames: Floats, hz: Floats, sample_rate: int) -> Floats:
    """Return the logarithms of the amplitudes of the envelopes, `(frames, size / 2 + 1)`; `hz` are the fundamentals."""
    size = frames.shape[1]
    seconds = ((np.arange(size) - size // 2) / sample_rate).astype(np.float32)
    windows = 0.5 + 0.5 * np.cos(2 * np.pi * np.clip(seconds * hz[:, None] / 3, -0.5, 0.5))
    power = np.square(np.abs(np.fft.rfft(frames * windows)))
    _fill_below(power, hz * size / sample_rate)
    lags = (np.arange(size // 2 + 1) / sample_rate).astype(np.float32)
    turns: Floats = lags * hz[:, None]  # in periods
    smooth = _at_lags(power, np.sinc(turns * np.float32(2 / 3)))
    floor = np.float32(FLOOR * max(float(smooth.max()), 1e-12))
    # halved, since these are logarithms of power, and amplitudes are wanted
    lifter: Floats = np.sinc(turns) * (0.5 - COMPENSATION + COMPENSATION * np.cos(2 * np.pi * turns))
    logarithms: Floats = np.log(np.maximum(smooth, floor))
    return _at_lags(logarithms, lifter)


def _fill_below(power: Floats, fundamentals: Floats) -> None:
    """Mirror what is below the middle of each fundamental, in bins, since no harmonic is there."""
    bins = np.arange(min(int(fundamentals.max()) + 1, power.shape[1]))
    mirrored = np.rint(fundamentals[:, None] - bins).astype(np.intp)
    power[:, : len(bins)] += np.take_along_axis(power, np.maximum(mirrored, 0), axis=1) * (mirrored >= bins)


def _at_lags(spectra: Floats, weights: Floats) -> Floats:
    """Weight the inverse transforms of real spectra, both `(frames, size / 2 + 1)`, and transform them back."""
    size = 2 * (spectra.shape[1] - 1)
    lags = np.fft.irfft(spectra, size)[:, : size // 2 + 1] * weights
    whole = np.concatenate((lags, lags[:, -2:0:-1]), axis=1)
    spectra = np.fft.rfft(whole).real.astype(np.float32, copy=False)
    return spectra


def _filters(envelopes: Floats, factor: float) -> Spectra:
    """Return the filters of minimum phase that stretch envelopes by a factor along the frequencies."""
    bins = envelopes.shape[1]
    size = 2 * (bins - 1)
    places = np.minimum(np.arange(bins) / factor, bins - 1)
    below = np.minimum(places.astype(np.intp), bins - 2)
    shares = (places - below).astype(np.float32)
    stretched = envelopes[:, below] * (1 - shares) + envelopes[:, below + 1] * shares
    cepstra = np.fft.irfft(np.clip(stretched - envelopes, -MOST, MOST), size)
    cepstra[:, 1 : size // 2] *= 2
    cepstra[:, size // 2 + 1 :] = 0
    return np.exp(np.fft.rfft(cepstra))


def _filter(frames: Floats, filters: Spectra, out: Floats) -> None:
    """Filter the middle of each frame, which overlaps with its neighbours', and add it up in `out`."""
    count, size = frames.shape
    hop = size // HOPS_PER_FFT
    middles = frames[:, size // 2 - hop : size // 2 + hop] * _fade(hop)
    filtered = np.fft.irfft(np.fft.rfft(middles, size) * filters, size).reshape(count, HOPS_PER_FFT, hop)
    rows = out[: (count + HOPS_PER_FFT) * hop].reshape(-1, hop)
    for index in range(HOPS_PER_FFT):
        rows[index : index + count] += filtered[:, index]


@lru_cache(maxsize=8)
def _fade(hop: int) -> Floats:
    """A window of two hops; those of neighbours are 1 together."""
    return (0.5 - 0.5 * np.cos(np.pi * np.arange(2 * hop) / hop)).astype(np.float32)
