"""Gain for int16 speech, and peaks that do not pass a ceiling.

The sound is cut into blocks of 20 ms. Each may be amplified by what its highest peak allows, and at every edge between
two blocks the gain is the smaller of the two, so that straight lines between the edges never pass what is allowed: the
gain falls within the 20 ms before a peak (look-ahead) and rises again by a tenth in 20 ms. It hardly changes within a
period of the voice, so that the form of the wave stays, which a clipper would break.
"""

import math
from functools import lru_cache

import numpy as np

from app.audio.loudness import peaks_around, to_amplitude
from app.audio.pcm import SCALE, Pcm, Samples

BLOCKS_PER_SECOND = 50
RELEASE = 0.1
"""Of the full gain, by which the gain may rise in a block: from half of it to all of it in 100 ms."""
MARGIN = 0.5
"""dB that samples stay below the ceiling, for what is not found of the peaks between them."""
SUSPECT, SHARP = 0.9, 0.8
"""Only in a block whose highest sample is above this fraction of the ceiling, and one neighbour of it below that
fraction of it, is a peak between the samples looked for: elsewhere it is less than 0.1 dB higher, or too low."""
_LEVEL = 1 - 1e-5
"""Fraction of the full gain that is it, but for rounding."""
_SINGLE_THREAD = 100_000
"""Samples whose gains are computed at a time: OpenBLAS would wake its threads for more, which cost the other cores."""


class Limiter:
    """Amplify one mono sound, whole or as it arrives, so that no true peak of speech is above `ceiling` dBFS.

    As long as the gain stays the same, and without makeup, what comes out hardly depends on how the sound was cut: by
    some percent around peaks between the samples. Up to 40 ms are held back until it is known what follows them.

    Args:
        ceiling: dBFS, at most 0.
        sample_rate: Hz.
        makeup: dB of gain that are given for each dB that limiting takes away from the whole so far.
    """

    def __init__(self, *, ceiling: float, sample_rate: int, makeup: float = 0.0) -> None:
        self._ceiling = to_amplitude(ceiling - MARGIN) * SCALE
        self._size = max(1, sample_rate // BLOCKS_PER_SECOND)
        self._makeup = makeup
        self._energy = self._energy_left = 0.0
        self._held = np.zeros(0, np.int16)
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
        edges = self._edges(held[: known * size].reshape(known, size), ready, gain)
        return self._amplify(held[: ready * size].reshape(ready, size), edges).ravel()[:n]

    def _edges(self, blocks: Pcm, ready: int, gain: float) -> Samples:
        """Gains at the edges of the ready blocks, shape `(ready + 1,)`."""
        peaks = self._peaks(blocks, self._ceiling / gain)
        if self._makeup:
            gain *= self._lost(peaks[:ready], self._ceiling / gain) ** self._makeup
        allowed = self._ceiling / np.maximum(peaks, self._ceiling / gain)
        edges = np.empty(ready + 1, np.float32)
        edges[0] = allowed[0] if self._edge is None else self._edge
        inner = min(ready, len(allowed) - 1)
        np.minimum(allowed[:inner], allowed[1 : inner + 1], out=edges[1 : inner + 1])
        edges[inner + 1 :] = allowed[-1]
        rise = np.arange(ready + 1) * (RELEASE * gain)
        risen = np.minimum.accumulate(edges - rise) + rise
        self._edge = float(risen[-1])
        gains: Samples = risen.astype(np.float32)
        return gains

    def _peaks(self, blocks: Pcm, ceiling: float) -> Samples:
        """Highest magnitude of each block; also between the samples where a sharp one is near the ceiling."""
        magnitudes = np.abs(blocks).view(np.uint16)  # as uint16 even the magnitude of -32768 is right
        peaks: Samples = magnitudes.max(axis=1).astype(np.float32)
        loud = (peaks > SUSPECT * ceiling).nonzero()[0]
        if len(loud):
            at = magnitudes[loud].argmax(axis=1) + loud * blocks.shape[1]
            flat = magnitudes.ravel()
            beside = np.minimum(flat.take(at - 1, mode="wrap"), flat.take(at + 1, mode="wrap"))
            sharp = (beside < SHARP * peaks[loud]).nonzero()[0]
            if len(sharp):
                peaks[loud[sharp]] = peaks_around(blocks.ravel(), at[sharp])
        return peaks

    def _lost(self, peaks: Samples, ceiling: float) -> float:
        """Amplitude of all so far by that of what is left of it, the energy of a block going by its peak."""
        left = np.minimum(peaks, ceiling)
        self._energy += float(np.dot(peaks, peaks))
        self._energy_left += float(np.dot(left, left))
        return math.sqrt(self._energy / self._energy_left) if self._energy_left else 1.0

    def _amplify(self, blocks: Pcm, edges: Samples) -> Pcm:
        """Multiply each block by the line between the gains at its edges."""
        full = edges.max()
        if edges.min() > full * _LEVEL:
            scaled = blocks * full
        else:
            scaled = np.empty(blocks.shape, np.float32)
            ends, ramps = np.stack((edges[:-1], edges[1:]), axis=1), _ramps(self._size)
            step = _SINGLE_THREAD // self._size
            for start in range(0, len(blocks), step):
                np.matmul(ends[start : start + step], ramps, out=scaled[start : start + step])
            scaled *= blocks
        pcm: Pcm = np.rint(scaled, out=scaled).astype(np.int16)
        return pcm


@lru_cache(maxsize=16)
def _ramps(size: int) -> Samples:
    """Weights of the two edges of a block at its samples, shape `(2, size)`."""
    rise = (np.arange(size) + 0.5) / size
    ramps: Samples = np.stack((1 - rise, rise)).astype(np.float32)
    return ramps
