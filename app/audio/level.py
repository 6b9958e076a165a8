"""A whole sound brought to a loudness without a peak that clips."""

import numpy as np

from app.audio.limiter import MARGIN, Limited, Limiter, drive
from app.audio.loudness import SpeechMeter, to_amplitude
from app.audio.pcm import Pcm

MAX_GAIN = 24.0
"""dB; what is fainter than that is no speech."""
MIN_CHANGE = 0.1
"""dB of gain that nobody hears, for which nothing is done."""
UNSEEN = 6.0
"""dB by which a peak between two samples may be higher than both."""
MAX_DRIVE = 12.0
"""dB of gain to make up for what is limited."""
CUTS = (0.0, 2.0, 4.0, 6.0)
"""dB by which peaks may be cut off, tried one after the other, in voices that stay too quiet: pulses, with little
between them."""
TOO_QUIET = 0.8
"""dB below what was aimed at."""


class Level:
    """A loudness in LUFS, and the highest true peak in dBFS."""

    def __init__(self, lufs: float, peak_dbfs: float) -> None:
        self.lufs = lufs
        self.peak_dbfs = peak_dbfs

    def gain(self, lufs: float, volume: float = 0.0) -> float:
        """Return the dB that bring a sound of `lufs` to the level, and to `volume` dB above it."""
        return min(self.lufs + volume - lufs, MAX_GAIN)

    def limiter(self, sample_rate: int, *, cut: float = 0.0) -> Limiter:
        """Return what keeps a sound below the peak, and cuts off what is at most `cut` dB above it."""
        return Limiter(ceiling=self.peak_dbfs, sample_rate=sample_rate, cut=cut)

    def bring(
        self, samples: Pcm, meter: SpeechMeter, *, lufs: float, peak: float, sample_rate: int, volume: float = 0.0
    ) -> tuple[Pcm, float]:
        """Bring int16 of shape `(n,)` to the level and `volume` dB above it.

        `meter` has heard it and read `lufs`; `peak` is its highest sample in dBFS. Returns as many samples, the same
        object if it was there already, and the dB of gain that made up for what was limited.
        """
        gain = self.gain(lufs, volume)
        if peak + gain < self.peak_dbfs - MARGIN - UNSEEN:
            return (samples if abs(gain) < MIN_CHANGE else _multiply(samples, to_amplitude(gain))), 0.0
        sound, driven, cut = self.drive(samples, meter, gain, lufs + gain, sample_rate)
        brought = sound.amplified(to_amplitude(driven))
        if cut:
            brought = self.limiter(sample_rate).push(brought, 1.0, last=True)
        return brought, driven - gain

    def drive(
        self, samples: Pcm, meter: SpeechMeter, gain: float, aim: float, sample_rate: int
    ) -> tuple[Limited, float, float]:
        """Find the dB of gain, `gain` or more, that bring a sound to `aim` LUFS in spite of what is limited.

        Where the limiter alone leaves it too quiet, peaks are cut off too. Returns the sound before its limiter, the
        gain, and by how many dB it is cut.
        """
        # who asks for more volume than there is room for gets what there is
        aim, highest = min(aim, self.lufs), min(gain + MAX_DRIVE, MAX_GAIN)
        for cut in CUTS:
            sound = Limited(samples, self.limiter(sample_rate, cut=cut))

            def loudness(decibels: float, sound: Limited = sound) -> float | None:
                return meter.loudness(sound.power(to_amplitude(decibels)))

            roughly, _ = drive(loudness, aim, gain=gain, highest=highest)
            sound.look_between(to_amplitude(roughly))
            driven, reached = drive(loudness, aim, gain=roughly, highest=highest)
            if reached is None or reached >= aim - TOO_QUIET:
                break
        return sound, driven, cut


def _multiply(samples: Pcm, factor: float) -> Pcm:
    """Multiply what stays far below full scale."""
    scaled = samples * np.float32(factor)
    multiplied: Pcm = np.rint(scaled, out=scaled).astype(np.int16)
    return multiplied
