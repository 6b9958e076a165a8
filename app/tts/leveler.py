"""Every voice equally loud: one loudness for all backends, voices and lines, and no peak that clips.

The voices of one backend differ by 7 LU, and the lines of one voice by up to 5: short words are louder than sentences.
Lines are measured and limited by themselves, which takes 0.15 ms for each second of speech. Of a voice that is known
well and peaks little a glance is enough in lines of a second and a half and more, since its spectrum and its pauses
hardly change: that takes 0.04 ms for a line. A stream that goes out while it is made begins at what its voice was like
before, or else its backend, and follows what it hears (`levelled_stream`).
"""

import math
from collections.abc import Callable
from typing import TypeVar

import numpy as np

from app.audio.level import MIN_CHANGE, Level
from app.audio.loudness import to_amplitude, to_decibels
from app.audio.pcm import SCALE, Pcm, from_bytes, to_bytes
from app.runtime.workers import CODEC_POOL, Workers
from app.tts.acquaintance import Acquaintance, Impression
from app.tts.levelled_stream import LevelledStream, highest, meter
from app.tts.speech import Voice

Result = TypeVar("Result")

LIGHT_BYTES = 256 * 1024
"""PCM that is measured and limited in a millisecond: 6 s at 22,050 Hz."""
GLANCED_BYTES = 4 * 1024 * 1024
"""PCM that is glanced at and multiplied in a millisecond."""
GLANCE = 16
"""Every so many samples are looked at. The energy of speech does not care that what lies above is folded down."""
KNOWN_SECONDS = 12.0
"""Speech of a voice after which a glance is enough: some five lines."""
GLANCE_SECONDS = 1.5
"""Shorter lines are measured. Of 1,000 longer ones of six voices of espeak-ng the glance was 0.2 LU off on average, and
1.1 at most; the usual loudness of their voice was 0.7 and 3.3 LU off."""
GLANCE_EXCESS = 3.0
"""dB by which the peaks of a voice may be cut off; the limiter comes down on voices whose peaks are higher."""
CUT_MARGIN = 1.2
"""dB that cut samples stay below the peak that is allowed: a wave that is cut overshoots between them."""
CHECK_EVERY = 64
"""Lines of a known voice of which one is measured, because its maker may change it."""


class Leveler:
    """Brings speech to `target_lufs`, with true peaks of at most `peak_dbfs`.

    Speech that takes more than a millisecond is levelled in the pool `codec` of `workers`; without them nothing is.
    """

    def __init__(self, *, target_lufs: float = -16.0, peak_dbfs: float = -1.0, workers: Workers | None = None) -> None:
        self._target = Level(target_lufs, peak_dbfs)
        self._workers = workers
        self.known = Acquaintance()
        """How loud the voices are that were heard."""

    async def level(self, pcm: bytes, *, voice: Voice, sample_rate: int, volume: float = 0.0) -> bytes:
        """Level a whole utterance: int16 little-endian mono, of the same length afterwards.

        `volume` is what was asked for, in dB beside the target; -inf is silence. Silence stays as it is.
        """
        samples = from_bytes(pcm)
        gain = None if volume else self._gain_at_a_glance(samples, voice, sample_rate)
        if gain is not None:
            return await self._run(lambda: self._multiply(samples, gain), is_light=len(pcm) <= GLANCED_BYTES)
        levelled, heard = await self._run(
            lambda: self._measured(samples, sample_rate, volume), is_light=len(pcm) <= LIGHT_BYTES
        )
        if heard is not None and not volume:
            self.known.learn(voice, heard)
        return pcm if levelled is samples else to_bytes(levelled)

    def stream(self, voice: Voice, sample_rate: int, *, volume: float = 0.0, lookahead: float = 0.0) -> LevelledStream:
        """Begin an utterance that goes out while it is made; `volume` as for `level`.

        Its first `lookahead` seconds are held back until they have been heard; one that is shorter is levelled whole.
        """
        return LevelledStream(
            self._target, self.known, voice, sample_rate=sample_rate, volume=volume, lookahead=lookahead
        )

    async def _run(self, work: Callable[[], Result], *, is_light: bool) -> Result:
        if is_light or self._workers is None:
            return work()
        return await self._workers.run(CODEC_POOL, work)

    def _gain_at_a_glance(self, samples: Pcm, voice: Voice, sample_rate: int) -> float | None:
        """Return the dB for a line of a voice that is known well enough, None where it must be measured."""
        known = self.known.voice(voice)
        if known is None or known.seconds < KNOWN_SECONDS or len(samples) < GLANCE_SECONDS * sample_rate:
            return None
        unlike = glance(samples) - known.rms
        gain = self._target.gain(known.lufs + unlike)
        if known.peak + unlike + gain - self._target.peak_dbfs > GLANCE_EXCESS:
            return None
        return gain if self.known.skip(voice) < CHECK_EVERY else None

    def _multiply(self, samples: Pcm, decibels: float) -> bytes:
        """Multiply and cut off at the peak, in as few passes through memory as numpy can."""
        gain = to_amplitude(decibels) if abs(decibels) >= MIN_CHANGE else 1.0
        most = np.int16(min(to_amplitude(self._target.peak_dbfs - CUT_MARGIN) * SCALE / gain, 32767))
        scaled = samples.clip(-most, most)
        if gain != 1.0:
            np.multiply(scaled, np.float32(gain), out=scaled, casting="unsafe")
        return to_bytes(scaled)

    def _measured(self, samples: Pcm, sample_rate: int, volume: float) -> tuple[Pcm, Impression | None]:
        if volume == -math.inf:
            return np.zeros_like(samples), None
        hearing = meter(sample_rate)
        hearing.push(samples.astype(np.float32))
        lufs, peak = hearing.loudness(), highest(samples)
        if lufs is None:
            return samples, None
        brought, drive = self._target.bring(
            samples, hearing, lufs=lufs, peak=peak, sample_rate=sample_rate, volume=volume
        )
        return brought, Impression(lufs, hearing.seconds, peak, drive, hearing.rms)


def glance(samples: Pcm) -> float:
    """Return about the dBFS of all samples, -inf for silence."""
    some = samples[::GLANCE].astype(np.float32)
    return to_decibels(math.sqrt(float(np.dot(some, some)) / max(len(some), 1)) / SCALE)
