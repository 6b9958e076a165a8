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
MARGIN = 0.35
"""dB below the ceiling that is aimed at, because only around a block's highest sample is a higher peak looked for."""
SUSPECT = 0.9
"""Fraction of the ceiling from which on a sample may have a peak beyond the ceiling beside it: -0.9 dB."""
REACH = 8
"""Samples to either side that a peak between two samples is found by."""
_LEVEL = 1 - 1e-5
"""Fraction of the full gain that is it, but for rounding."""


class Limiter:
    """Amplify one mono sound, whole or as it arrives, so that no true peak is above `ceiling` dBFS (at most 0).

    What comes out does not depend on how the sound was cut, as long as the gain stays the same. Some 40 ms are held
    back until it is known what follows them.
    """

    def __init__(self, *, ceiling: float, sample_rate: int) -> None:
        self._ceiling = to_amplitude(ceiling - MARGIN) * SCALE
        self._size = max(1, sample_rate // BLOCKS_PER_SECOND)
        self._held = np.zeros(REACH, np.int16)
        self._edge = math.inf

    def push(self, pcm: Pcm, gain: float, *, last: bool = False) -> Pcm:
        """Return what is ready after `pcm`, both int16 of shape `(n,)`; n may be 0.

        `gain` is a factor; another one than before is reached within a block downwards, by the release upwards. After
        `last` nothing may follow.
        """
        size, n = self._size, len(self._held) - REACH + len(pcm)
        known = -(-n // size) if last else max(0, n - REACH) // size
        padding = np.zeros(known * size - n + REACH if last else 0, np.int16)
        held = np.concatenate((self._held, pcm, padding))
        ready = known if last else max(0, known - 1)
        self._held = held[ready * size :].copy()
        if not ready:
            return held[:0]
        edges = self._edges(self._allowed(held, known, gain), ready, gain)
        return self._amplify(held[REACH : REACH + ready * size].reshape(ready, size), edges).ravel()[:n]

    def _allowed(self, held: Pcm, blocks: int, gain: float) -> Samples:
        """Gain that each block may have, at most `gain`."""
        size, ceiling = self._size, self._ceiling / gain
        magnitude = np.abs(held).view(np.uint16)  # as uint16 even the magnitude of -32768 is right
        rows = magnitude[REACH : REACH + blocks * size].reshape(blocks, size)
        peaks = rows.max(axis=1).astype(np.float32)
        loud = (peaks > SUSPECT * ceiling).nonzero()[0]
        if len(loud):
            highest = rows[loud].argmax(axis=1) + loud * size
            peaks[loud] = peaks_around(held, highest + REACH, reach=REACH)
        np.maximum(peaks, ceiling, out=peaks)
        allowed: Samples = np.divide(self._ceiling, peaks, out=peaks)
        return allowed

    def _edges(self, allowed: Samples, ready: int, gain: float) -> Samples:
        """Gains at the edges of the ready blocks, shape `(ready + 1,)`."""
        edges = np.empty(ready + 1, np.float32)
        edges[0] = min(self._edge, float(allowed[0]))
        inner = min(ready, len(allowed) - 1)
        np.minimum(allowed[:inner], allowed[1 : inner + 1], out=edges[1 : inner + 1])
        edges[inner + 1 :] = allowed[-1]
        rise = np.arange(ready + 1) * (RELEASE * gain)
        risen = np.minimum.accumulate(edges - rise) + rise
        self._edge = float(risen[-1])
        gains: Samples = risen.astype(np.float32)
        return gains

    def _amplify(self, blocks: Pcm, edges: Samples) -> Pcm:
        """Multiply each block by the line between the gains at its edges."""
        scaled = blocks.astype(np.float32)
        full = edges.max()
        below = edges < full * _LEVEL
        bent = (below[1:] | below[:-1]).nonzero()[0]
        if len(bent):
            start = edges[bent, None]
            lines = (edges[bent + 1, None] - start) * _ramp(self._size)
            lines += start
            lines *= scaled[bent]
        scaled *= full
        if len(bent):
            scaled[bent] = lines
        return np.rint(scaled, out=scaled).astype(np.int16)


@lru_cache(maxsize=16)
def _ramp(size: int) -> Samples:
    """Weights of the second edge of a block at its samples, shape `(size,)`."""
    ramp: Samples = ((np.arange(size) + 0.5) / size).astype(np.float32)
    return ramp
