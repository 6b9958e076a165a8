"""Every voice equally loud: one loudness for all backends, voices and lines, and no peak that clips.

The voices of one backend differ by 7 LU, and the lines of one voice by up to 5: short words are louder than sentences.
Lines are measured and limited by themselves, which takes 0.25 ms of a server whose caches have seen other things since
the last one. A voice that is known well and peaks little keeps its gain instead in lines of a second and more, which
lie within 1.5 LU of it: that takes 0.07 ms. A stream that goes out while it is made begins at what its voice
was like before, or else its backend, and follows what it hears.
"""

import math
from dataclasses import dataclass

import numpy as np

from app.audio.limiter import MARGIN, Limiter
from app.audio.loudness import SpeechMeter, to_amplitude, to_decibels
from app.audio.pcm import SAMPLE_BYTES, SCALE, Pcm, from_bytes, to_bytes
from app.runtime.workers import Workers
from app.tts.speech import Voice
from app.tts.tape import CODEC_POOL

MAX_GAIN = 24.0
"""dB; what is fainter than that is no speech."""
MIN_CHANGE = 0.1
"""dB of gain that nobody hears, for which nothing is done."""
MAKEUP = 2.0
"""dB to give for each dB that limiting takes away: half of what is given is limited too, by 240 clips of espeak-ng."""
LIGHT_BYTES = 1024 * 1024
"""PCM that is levelled in less than a millisecond: 24 s at 22,050 Hz."""
UNKNOWN_LUFS = -20.0
"""What a backend that was never heard is taken for: the voices of espeak-ng lie around it, from -24 to -17."""
UNKNOWN_SECONDS, BACKEND_SECONDS, VOICE_SECONDS = 0.3, 0.6, 2.0
"""How much hearing what is known before a stream begins is worth."""
ENOUGH_SECONDS = 0.4
"""What must be heard of a stream before it counts: its first moments may be a breath or nothing."""
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
MEMORY_SECONDS = 30.0
"""Speech after which a voice is forgotten by half or more: its maker may have changed it."""
MAX_VOICES = 1024


@dataclass(frozen=True, slots=True)
class Impression:
    """How loud something was."""

    lufs: float
    seconds: float
    """Of speech that it was heard for, or is worth."""
    peak: float = 0.0
    """Highest sample of an utterance in dBFS, on average."""

    def mix(self, other: "Impression") -> "Impression":
        """Return the mean, weighted by seconds."""
        seconds = self.seconds + other.seconds
        share = other.seconds / seconds
        lufs, peak = (old + (new - old) * share for old, new in ((self.lufs, other.lufs), (self.peak, other.peak)))
        return Impression(lufs, seconds, peak)

    def worth(self, seconds: float) -> "Impression":
        """Return the same, worth no more than so many seconds."""
        return self if self.seconds <= seconds else Impression(self.lufs, seconds, self.peak)


class Leveler:
    """Brings speech to `target_lufs`, with true peaks of at most `peak_dbfs`.

    Speech that takes more than a millisecond is levelled in the pool `codec` of `workers`; without them nothing is.
    Memory: some 300 bytes for each of the last 1,024 voices.
    """

    def __init__(self, *, target_lufs: float = -16.0, peak_dbfs: float = -1.0, workers: Workers | None = None) -> None:
        self.target_lufs = target_lufs
        self.peak_dbfs = peak_dbfs
        self._workers = workers
        self._voices: dict[tuple[str, str], Impression] = {}
        self._backends: dict[str, Impression] = {}
        self._unchecked: dict[tuple[str, str], int] = {}

    async def level(self, pcm: bytes, *, voice: Voice, sample_rate: int, volume: float = 0.0) -> bytes:
        """Level a whole utterance: int16 little-endian mono, of the same length afterwards.

        `volume` is what was asked for, in dB beside the target; -inf is silence. Silence stays as it is.
        """
        gain = self._constant_gain(voice, len(pcm) / SAMPLE_BYTES / sample_rate) if not volume else None
        if gain is not None and len(pcm) <= LIGHT_BYTES:
            return _multiply(pcm, to_amplitude(gain), to_amplitude(self.peak_dbfs - CUT_MARGIN) * SCALE)
        if self._workers is None or len(pcm) <= LIGHT_BYTES:
            levelled, heard = self._level(pcm, sample_rate, volume)
        else:
            levelled, heard = await self._workers.run(CODEC_POOL, lambda: self._level(pcm, sample_rate, volume))
        if heard is not None:
            self.learn(voice, heard)
        return levelled

    def stream(
        self, voice: Voice, sample_rate: int, *, volume: float = 0.0, lookahead: float = 0.0
    ) -> "LevelledStream":
        """Begin an utterance that goes out while it is made; `volume` as for `level`.

        Its first `lookahead` seconds are held back until they have been heard; one that is shorter is levelled whole.
        """
        return LevelledStream(self, voice, sample_rate, volume, lookahead)

    def _constant_gain(self, voice: Voice, seconds: float) -> float | None:
        """Return the dB for a line of a voice that is known well enough, None where it must be measured."""
        key = voice.backend, voice.id
        known = self._voices.get(key)
        if known is None or known.seconds < KNOWN_SECONDS or seconds < CONSTANT_SECONDS:
            return None
        gain = self.gain(known.lufs, 0.0)
        if known.peak + gain - self.peak_dbfs > CONSTANT_EXCESS or self._unchecked.get(key, 0) >= CHECK_EVERY - 1:
            return None
        self._unchecked[key] = self._unchecked.get(key, 0) + 1
        return gain

    def _level(self, pcm: bytes, sample_rate: int, volume: float) -> tuple[bytes, Impression | None]:
        if volume == -math.inf:
            return bytes(len(pcm)), None
        samples, meter = from_bytes(pcm), _meter(sample_rate)
        meter.push(samples.astype(np.float32))
        heard = _impression(meter, _peak(samples))
        if heard is None:
            return pcm, None
        levelled = self.bring(samples, heard, sample_rate, volume)
        return (pcm if levelled is samples else to_bytes(levelled)), heard

    def bring(self, samples: Pcm, heard: Impression, sample_rate: int, volume: float) -> Pcm:
        """Bring a whole utterance that was heard to the target and `volume`; the same object if it is there."""
        gain = self.gain(heard.lufs, volume)
        if abs(gain) < MIN_CHANGE and heard.peak < self.peak_dbfs - MARGIN:
            return samples
        return self.limiter(sample_rate).push(samples, to_amplitude(gain), last=True)

    def gain(self, lufs: float, volume: float) -> float:
        """Return the dB that bring speech of a loudness to the target and `volume`."""
        return min(self.target_lufs + volume - lufs, MAX_GAIN)

    def limiter(self, sample_rate: int) -> Limiter:
        """Return what keeps one utterance below the peak."""
        return Limiter(ceiling=self.peak_dbfs, sample_rate=sample_rate, makeup=MAKEUP)

    def expect(self, voice: Voice) -> Impression:
        """Return what a voice will probably be like, and what this is worth beside hearing it."""
        if known := self._voices.get((voice.backend, voice.id)):
            return known.worth(VOICE_SECONDS)
        if known := self._backends.get(voice.backend):
            return known.worth(BACKEND_SECONDS)
        return Impression(UNKNOWN_LUFS, UNKNOWN_SECONDS)

    def learn(self, voice: Voice, heard: Impression) -> None:
        """Remember how loud a voice was."""
        key = voice.backend, voice.id
        known, backend = self._voices.pop(key, None), self._backends.get(voice.backend)
        self._voices[key] = known.worth(MEMORY_SECONDS).mix(heard) if known else heard
        self._backends[voice.backend] = backend.worth(MEMORY_SECONDS).mix(heard) if backend else heard
        self._unchecked.pop(key, None)
        if len(self._voices) > MAX_VOICES:
            oldest = next(iter(self._voices))
            del self._voices[oldest]
            self._unchecked.pop(oldest, None)


class LevelledStream:
    """One utterance, levelled while it is made; some 40 ms are held back, and its first `lookahead` seconds.

    The gain follows the loudness of all that was heard so far, and of the voice's past, chunk by chunk.
    """

    def __init__(self, leveler: Leveler, voice: Voice, sample_rate: int, volume: float, lookahead: float) -> None:
        self._leveler = leveler
        self._volume = volume
        self._voice = voice
        self._sample_rate = sample_rate
        self._lookahead = lookahead
        self._held: list[Pcm] = []
        self._expected = leveler.expect(voice)
        self._meter = _meter(sample_rate)
        self._limiter = leveler.limiter(sample_rate)
        self._peak = -math.inf

    def push(self, pcm: bytes) -> bytes:
        """Add int16 little-endian mono; returns what is ready, perhaps nothing."""
        if self._volume == -math.inf:
            return bytes(len(pcm))
        samples = from_bytes(pcm)
        self._meter.push(samples.astype(np.float32))
        self._peak = max(self._peak, _peak(samples))
        if self._lookahead:
            self._held.append(samples)
            if self._meter.seconds < self._lookahead:
                return b""
            samples, self._lookahead = self._take_held(), 0.0
        return to_bytes(self._limiter.push(samples, self._gain()))

    def finish(self) -> bytes:
        """Return the rest; remembers the voice."""
        if self._volume == -math.inf:
            return b""
        heard = _impression(self._meter, self._peak)
        if heard is not None:
            self._leveler.learn(self._voice, heard)
        held = self._take_held()
        if not self._lookahead:
            return to_bytes(self._limiter.push(held, self._gain(), last=True))
        return to_bytes(held if heard is None else self._leveler.bring(held, heard, self._sample_rate, self._volume))

    def _take_held(self) -> Pcm:
        held = np.concatenate(self._held) if self._held else np.zeros(0, np.int16)
        self._held.clear()
        return held

    def _gain(self) -> float:
        lufs, likely = self._meter.loudness(), self._expected
        if lufs is not None and self._meter.seconds >= ENOUGH_SECONDS:
            likely = likely.mix(Impression(lufs, self._meter.seconds))
        return to_amplitude(self._leveler.gain(likely.lufs, self._volume))


def _impression(meter: SpeechMeter, peak: float) -> Impression | None:
    """Return what was heard, None if that was silence."""
    lufs = meter.loudness()
    return None if lufs is None else Impression(lufs, meter.seconds, peak)


def _meter(sample_rate: int) -> SpeechMeter:
    return SpeechMeter(sample_rate=sample_rate, full_scale=SCALE)


def _peak(samples: Pcm) -> float:
    """Highest magnitude in dBFS."""
    return to_decibels(max(int(samples.max(initial=0)), -int(samples.min(initial=0))) / SCALE)


def _multiply(pcm: bytes, gain: float, ceiling: float) -> bytes:
    """Multiply int16 and cut it off at the ceiling, in as few passes through memory as numpy can."""
    if abs(to_decibels(gain)) < MIN_CHANGE:
        gain = 1.0
    most = np.int16(min(ceiling / gain, 32767))
    scaled = from_bytes(pcm).clip(-most, most)
    if gain != 1.0:
        np.multiply(scaled, np.float32(gain), out=scaled, casting="unsafe")
    return to_bytes(scaled)
