"""Makes the fingerprint of a track, whole or as it is decoded."""

import numpy as np

from app.audio.pcm import Samples
from app.audio.resample import resample
from app.fingerprint.fingerprint import VERSION, Fingerprint
from app.fingerprint.peaks import REFERENCE_REACH, PeakFinder, Peaks, joined
from app.fingerprint.spectrum import SAMPLE_RATE, Spectrum, spectrum

_PIECE = 60 * SAMPLE_RATE
"""Samples analysed at a time, which bounds the memory: a minute makes some 20 MB."""


class Fingerprinter:
    """Listens to one track, of any length, in pieces of any length; the fingerprint is that of the whole."""

    def __init__(self) -> None:
        self._spectrum = Spectrum()
        self._finder = PeakFinder(REFERENCE_REACH)
        self._found: list[Peaks] = []
        self._samples = 0

    def push(self, samples: Samples) -> None:
        """Listen to the next samples: mono float32 at `SAMPLE_RATE`, shape `(n,)`. A minute takes some 50 ms."""
        self._samples += len(samples)
        for start in range(0, len(samples), _PIECE):
            levels = self._spectrum.push(samples[start : start + _PIECE])
            self._found.append(self._finder.push(levels).peaks)

    def finish(self) -> Fingerprint:
        """Return the fingerprint of all of it; nothing may be pushed any more."""
        levels = spectrum(np.empty(0, np.float32))
        peaks = joined([*self._found, self._finder.push(levels, last=True).peaks])
        return Fingerprint(VERSION, self._samples / SAMPLE_RATE, peaks)


def fingerprint(samples: Samples, *, sample_rate: int) -> Fingerprint:
    """Return the fingerprint of a whole track: mono float32, shape `(n,)`, at any rate in Hz."""
    listening = Fingerprinter()
    listening.push(resample(samples, from_rate=sample_rate, to_rate=SAMPLE_RATE))
    return listening.finish()
