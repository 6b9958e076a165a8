"""Every voice equally loud: one loudness for all backends, voices and lines, and no peak that clips.

The voices of one backend differ by 7 LU, and the lines of one voice by up to 5: short words are louder than sentences.
Lines are measured and limited by themselves, which takes 0.15 ms for each second of speech. A voice that is known well
and peaks little keeps its gain instead in lines of a second and more, which lie within 1.5 LU of it: that takes 0.03 ms
for a line. A stream that goes out while it is made begins at what its voice was like before, or else its backend, and
follows what it hears (`levelled_stream`).
"""

import math
from collections.abc import Callable
from typing import TypeVar

import numpy as np

from app.audio.level import MIN_CHANGE, Level
from app.audio.loudness import to_amplitude, to_decibels
from app.audio.pcm import SAMPLE_BYTES, SCALE, from_bytes, to_bytes
from app.runtime.workers import Workers
from app.tts.acquaintance import Acquaintance, Impression
from app.tts.levelled_stream import LevelledStream, highest, meter
from app.tts.speech import Voice
from app.tts.tape import CODEC_POOL

Result = TypeVar("Result")

LIGHT_BYTES = 256 * 1024
"""PCM that is measured and limited in a millisecond: 6 s at 22,050 Hz."""
LIGHT_CONSTANT_BYTES = 4 * 1024 * 1024
"""PCM that is only multiplied in a millisecond."""
KNOWN_SECONDS = 12.0
"""Speech of a voice after which its gain is not looked for in every line: some five lines."""
CONSTANT_SECONDS = 1.0
"""Lines that are at least so long are as loud as their voice: of 128 lines of espeak-ng all were within 1.5 LU."""
CONSTANT_EXCESS = 3.0
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
        gain = None if volume else self._constant_gain(voice, len(pcm) / SAMPLE_BYTES / sample_rate)
        if gain is not None:
            ceiling = to_amplitude(self._target.peak_dbfs - CUT_MARGIN) * SCALE
            return await self._run(
                lambda: _multiply(pcm, to_amplitude(gain), ceiling), is_light=len(pcm) <= LIGHT_CONSTANT_BYTES
            )
        levelled, heard = await self._run(
            lambda: self._measured(pcm, sample_rate, volume), is_light=len(pcm) <= LIGHT_BYTES
        )
        if heard is not None and not volume:
            self.known.learn(voice, heard)
        return levelled

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

    def _constant_gain(self, voice: Voice, seconds: float) -> float | None:
        """Return the dB for a line of a voice that is known well enough, None where it must be measured."""
        known = self.known.voice(voice)
        if known is None or known.seconds < KNOWN_SECONDS or seconds < CONSTANT_SECONDS:
            return None
        gain = self._target.gain(known.lufs)
        if known.peak + gain - self._target.peak_dbfs > CONSTANT_EXCESS or self.known.skip(voice) >= CHECK_EVERY:
            return None
        return gain

    def _measured(self, pcm: bytes, sample_rate: int, volume: float) -> tuple[bytes, Impression | None]:
        if volume == -math.inf:
            return bytes(len(pcm)), None
        samples, hearing = from_bytes(pcm), meter(sample_rate)
        hearing.push(samples.astype(np.float32))
        lufs, peak = hearing.loudness(), highest(samples)
        if lufs is None:
            return pcm, None
        brought, drive = self._target.bring(
            samples, hearing, lufs=lufs, peak=peak, sample_rate=sample_rate, volume=volume
        )
        return (pcm if brought is samples else to_bytes(brought)), Impression(lufs, hearing.seconds, peak, drive)


def _multiply(pcm: bytes, gain: float, ceiling: float) -> bytes:
    """Multiply int16 and cut it off at the ceiling, in as few passes through memory as numpy can."""
    if abs(to_decibels(gain)) < MIN_CHANGE:
        gain = 1.0
    most = np.int16(min(ceiling / gain, 32767))
    scaled = from_bytes(pcm).clip(-most, most)
    if gain != 1.0:
        np.multiply(scaled, np.float32(gain), out=scaled, casting="unsafe")
    return to_bytes(scaled)
