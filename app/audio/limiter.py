"""Gain for int16 speech, and peaks that do not pass a ceiling.

The sound is cut into blocks of 20 ms. Each may be amplified by what its highest peak allows, and at every edge between
two blocks the gain is the smaller of the two, so that straight lines between the edges never pass what is allowed: the
gain falls within the 20 ms before a peak (look-ahead) and rises again by a tenth in 20 ms. It hardly changes within a
period of the voice, so that the form of the wave stays, which a clipper would break.
"""

from collections.abc import Callable
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from app.audio.loudness import REACH, STEPS_PER_SECOND, Energies, span_peaks, to_amplitude
from app.audio.pcm import SCALE, Pcm, Samples

RELEASE = 0.1
"""Of the full gain, by which the gain may rise in a block: from half of it to all of it in 100 ms."""
MARGIN = 0.6
"""dB that samples stay below the ceiling, for what is not found of the peaks between them."""
SUSPECT = 0.5
"""Fraction of the ceiling, and of the highest sample of a block, above which peaks between samples are looked for. They
are up to 5 dB higher than the samples in voices that hiss or stop dead, and in those that overload espeak-ng's 16 bits.
"""
CLOSE = 0.25
"""dB by which loudness may be missed."""
MOST_STEPS = 8
"""Towards a loudness; 3 are usual. A sound that is limited all over does not become louder."""
LEAST_SLOPE = 0.2
"""dB that a dB of gain is taken to bring at least."""
_LEVEL = 1 - 1e-5
"""Fraction of the full gain that is it, but for rounding."""
_AT_A_TIME = 30_000
"""Samples that are amplified: what they take stays in the caches, and OpenBLAS wakes no other threads for so few."""
_LONGEST_SPAN = 32


class Limiter:
    """Amplify one mono sound, whole or as it arrives, so that no true peak of speech is above `ceiling` dBFS.

    As long as the gain stays the same, what comes out hardly depends on how the sound was cut: by some percent around
    peaks between the samples. Up to 40 ms are held back until it is known what follows them.

    Args:
        ceiling: dBFS, at most 0.
        sample_rate: Hz.
        cut: dB by which samples may rise above the ceiling, to be cut off there: a clipper behind the limiter, after
            which the wave overshoots between the samples by up to 2 dB.
    """

    def __init__(self, *, ceiling: float, sample_rate: int, cut: float = 0.0) -> None:
        self._ceiling = to_amplitude(ceiling - MARGIN + cut) * SCALE
        self._most = to_amplitude(ceiling - MARGIN) * SCALE if cut else None
        self._size = max(1, sample_rate // STEPS_PER_SECOND)
        self._span = next(span for span in range(_LONGEST_SPAN, 0, -1) if self._size % span == 0)
        self._held = np.zeros(0, np.int16)
        self._before = np.zeros(REACH, np.int16)
        self._edge: float | None = None

    def push(self, pcm: Pcm, gain: float, *, last: bool = False) -> Pcm:
        """Return what is ready after `pcm`, both int16 of shape `(n,)`; n may be 0.

        `gain` is a positive factor; another one than before is reached within a block downwards, by the release
        upwards. After `last` nothing may follow.
        """
        size, n = self._size, len(self._held) + len(pcm)
        known = -(-n // size) if last else n // size
        padding = np.zeros(known * size - n if last else 0, np.int16)
        held = np.concatenate((self._held, pcm, padding))
        ready = known if last else max(0, known - 1)
        self._held = held[ready * size :].copy()
        if not ready:
            return held[:0]
        edges = self.edges(self.peaks(held[: known * size], gain), ready, gain)
        self._edge, self._before = float(edges[-1]), held[ready * size - REACH : ready * size].copy()
        return self.amplify(held[: ready * size], edges)[:n]

    def peaks(self, pcm: Pcm, gain: float) -> Samples:
        """Return the highest magnitude of each block of whole blocks, shape `(blocks,)`.

        Those between the samples are found where `gain` brings the samples near the ceiling, or above it.
        """
        magnitudes = self._magnitudes(pcm)
        peaks: Samples = magnitudes.max(axis=1).astype(np.float32)
        suspect = self._ceiling / gain * SUSPECT
        loud = (peaks > suspect).nonzero()[0]
        if len(loud):
            # transposed, for numpy takes three times as long to compare within short rows
            spans = magnitudes[loud].reshape(-1, self._span).T.copy().max(axis=0).reshape(len(loud), -1)
            blocks, within = (spans > np.maximum(suspect, SUSPECT * peaks[loud])[:, None]).nonzero()
            around = np.concatenate((self._before, pcm, np.zeros(REACH, np.int16)))
            found = span_peaks(around, loud[blocks] * self._size + within * self._span, self._span)
            np.maximum.at(peaks, loud[blocks], found)
        return peaks

    def sample_peaks(self, pcm: Pcm) -> Samples:
        """Return the highest magnitude at a sample of each block of whole blocks, shape `(blocks,)`."""
        peaks: Samples = self._magnitudes(pcm).max(axis=1).astype(np.float32)
        return peaks

    def _magnitudes(self, pcm: Pcm) -> npt.NDArray[np.uint16]:
        """As uint16 even the magnitude of -32768 is right; shape `(blocks, samples of a block)`."""
        return np.abs(pcm).view(np.uint16).reshape(-1, self._size)

    def edges(self, peaks: Samples, ready: int, gain: float) -> Samples:
        """Return the gains at the edges of the first `ready` of some blocks, shape `(ready + 1,)`."""
        allowed = self._ceiling / np.maximum(peaks, self._ceiling / gain)
        edges = np.empty(ready + 1, np.float32)
        edges[0] = allowed[0] if self._edge is None else self._edge
        inner = min(ready, len(allowed) - 1)
        np.minimum(allowed[:inner], allowed[1 : inner + 1], out=edges[1 : inner + 1])
        edges[inner + 1 :] = allowed[-1]
        rise = np.arange(ready + 1) * (RELEASE * gain)
        gains: Samples = (np.minimum.accumulate(edges - rise) + rise).astype(np.float32)
        return gains

    def amplify(self, pcm: Pcm, edges: Samples) -> Pcm:
        """Multiply each block of whole blocks by the line between the gains at its edges."""
        full, blocks = edges.max(), pcm.reshape(-1, self._size)
        amplified, step = np.empty_like(blocks), _AT_A_TIME // self._size
        ends = None if edges.min() > full * _LEVEL else np.stack((edges[:-1], edges[1:]), axis=1)
        for start in range(0, len(blocks), step):
            some = slice(start, start + step)
            scaled = np.full((1, 1), full) if ends is None else ends[some] @ _ramps(self._size)
            scaled = np.multiply(scaled, blocks[some])
            if self._most is not None:
                scaled.clip(-self._most, self._most, out=scaled)
            amplified[some] = np.rint(scaled, out=scaled)
        return amplified.ravel()

    def padded(self, pcm: Pcm) -> Pcm:
        """Fill up the last block with silence."""
        return np.concatenate((pcm, np.zeros(-len(pcm) % self._size, np.int16)))


class Limited:
    """A whole sound before a new limiter: tells what a gain would make of it, and makes it."""

    def __init__(self, pcm: Pcm, limiter: Limiter) -> None:
        self._limiter = limiter
        self._pcm = limiter.padded(pcm)
        self._n = len(pcm)
        self._peaks = limiter.sample_peaks(self._pcm)

    def look_between(self, gain: float) -> None:
        """Find what lies between the samples and comes near the ceiling with a gain; without it only they count."""
        self._peaks = self._limiter.peaks(self._pcm, gain)

    def power(self, gain: float) -> Energies:
        """Return by what each block is multiplied in power, on the average of its samples; shape `(blocks,)`."""
        edges = self._edges(gain).astype(np.float64)
        before, after = edges[:-1], edges[1:]
        power: Energies = (before * before + before * after + after * after) / 3
        return power

    def amplified(self, gain: float) -> Pcm:
        """Return the sound, amplified by a factor and limited."""
        return self._limiter.amplify(self._pcm, self._edges(gain))[: self._n]

    def _edges(self, gain: float) -> Samples:
        return self._limiter.edges(self._peaks, len(self._peaks), gain)


def drive(
    loudness: Callable[[float], float | None], aim: float, *, gain: float, highest: float
) -> tuple[float, float | None]:
    """Return the gain in dB, from `gain` to `highest`, with which a sound that is limited reaches `aim` LUFS.

    `loudness` tells what comes of a gain, and is returned with it. By secants: the louder, the less a dB brings.
    """
    slope, reached = 1.0, loudness(gain)
    for _ in range(MOST_STEPS):
        if reached is None or aim - reached < CLOSE or gain >= highest:
            break
        step = min((aim - reached) / slope, highest - gain)
        before, reached = reached, loudness(gain + step)
        gain += step
        slope = min(max(((reached or before) - before) / step, LEAST_SLOPE), 1.0)
    return gain, reached


@lru_cache(maxsize=16)
def _ramps(size: int) -> Samples:
    """Weights of the two edges of a block at its samples, shape `(2, size)`."""
    rise = (np.arange(size) + 0.5) / size
    ramps: Samples = np.stack((1 - rise, rise)).astype(np.float32)
    return ramps
