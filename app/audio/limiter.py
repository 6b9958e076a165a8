"""Gain for int16 speech, and peaks that do not pass a ceiling.

The sound is cut into blocks of 20 ms. Each may be amplified by what its highest peak allows, and at every edge between
two blocks the gain is the smaller of the two, so that straight lines between the edges never pass what is allowed: the
gain falls within the 20 ms before a peak (look-ahead) and rises again by a tenth in 20 ms. It hardly changes within a
period of the voice, so that the form of the wave stays, which a clipper would break.
"""

from functools import lru_cache

import numpy as np

from app.audio.loudness import to_amplitude
from app.audio.pcm import SCALE, Pcm, Samples

BLOCKS_PER_SECOND = 50
RELEASE = 0.1
"""Of the full gain, by which the gain may rise in a block: from half of it to all of it in 100 ms."""
MARGIN = 0.55
"""dB that samples stay below the ceiling, for the peaks between them. Of 240 limited clips of espeak-ng in four
languages none passed the ceiling: voiced speech peaks 0.1 dB above its samples, whispers up to 0.5 dB."""
_LEVEL = 1 - 1e-5
"""Fraction of the full gain that is it, but for rounding."""


class Limiter:
    """Amplify one mono sound, whole or as it arrives, so that no true peak of speech is above `ceiling` dBFS.

    What comes out does not depend on how the sound was cut, as long as the gain stays the same. Some 40 ms are held
    back until it is known what follows them.

    Args:
        ceiling: dBFS, at most 0.
        sample_rate: Hz.
        makeup: dB of gain that are given for each dB by which the highest peak so far must come down.
    """

    def __init__(self, *, ceiling: float, sample_rate: int, makeup: float = 0.0) -> None:
        self._ceiling = to_amplitude(ceiling - MARGIN) * SCALE
        self._size = max(1, sample_rate // BLOCKS_PER_SECOND)
        self._makeup = makeup
        self._top = 1.0
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
        magnitudes = np.abs(blocks).view(np.uint16)  # as uint16 even the magnitude of -32768 is right
        peaks = magnitudes.max(axis=1).astype(np.float32)
        self._top = max(self._top, float(peaks.max()))
        gain *= max(1.0, self._top * gain / self._ceiling) ** self._makeup
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
