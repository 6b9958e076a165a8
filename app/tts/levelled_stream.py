"""Speech that goes out while it is made, made as loud as it should be on its way."""

import math

import numpy as np

from app.audio.level import MAX_GAIN, Level
from app.audio.loudness import SpeechMeter, to_amplitude, to_decibels
from app.audio.pcm import SCALE, Pcm, from_bytes, to_bytes
from app.tts.acquaintance import Acquaintance, Impression
from app.tts.speech import Voice

STRANGER_SECONDS = 0.5
"""Sound that is waited for in a stream of a voice that was never heard, once for each voice."""
AMENDS_SECONDS, AMENDS_SHARE, MAX_AMENDS = 0.5, 0.3, 3.0
"""Seconds, or share of what went out, within which the rest makes up for what was too quiet or loud before, in dB."""
ENOUGH_SECONDS = 0.3
"""What must be heard of a stream before it counts: its first moments may be a breath or nothing."""


class LevelledStream:
    """One utterance, levelled while it is made; some 40 ms are held back, and its first `lookahead` seconds.

    The gain follows the loudness of all that was heard so far, and of the voice's past, chunk by chunk, and makes
    amends for what went out too quiet or too loud.
    """

    def __init__(
        self,
        level: Level,
        known: Acquaintance,
        voice: Voice,
        *,
        sample_rate: int,
        volume: float = 0.0,
        lookahead: float = 0.0,
    ) -> None:
        self._level = level
        self._known = known
        self._volume = volume
        self._voice = voice
        self._sample_rate = sample_rate
        self._expected = known.expect(voice)
        self._lookahead = lookahead if known.voice(voice) else max(lookahead, STRANGER_SECONDS)
        self._begun = False
        self._held: list[Pcm] = []
        self._heard, self._sent = meter(sample_rate), meter(sample_rate)
        self._limiters = [level.limiter(sample_rate)]
        self._peak = -math.inf
        self._drive = self._expected.drive

    def push(self, pcm: bytes) -> bytes:
        """Add int16 little-endian mono; returns what is ready, perhaps nothing."""
        if self._volume == -math.inf:
            return bytes(len(pcm))
        samples = from_bytes(pcm)
        self._heard.push(samples.astype(np.float32))
        self._peak = max(self._peak, highest(samples))
        if not self._begun:
            self._held.append(samples)
            if self._heard.seconds < self._lookahead:
                return b""
            samples = self._begin()
        return self._limit(samples, last=False)

    def finish(self) -> bytes:
        """Return the rest; remembers the voice."""
        lufs, rate = self._heard.loudness(), self._sample_rate
        if self._begun or lufs is None:
            rest = to_bytes(self._take_held()) + self._limit(np.zeros(0, np.int16), last=True)
        else:
            brought, self._drive = self._level.bring(
                self._take_held(), self._heard, lufs=lufs, peak=self._peak, sample_rate=rate, volume=self._volume
            )
            rest = to_bytes(brought)
        if lufs is not None and not self._volume:
            heard = self._heard
            self._known.learn(self._voice, Impression(lufs, heard.seconds, self._peak, self._drive, heard.rms))
        return rest

    def _begin(self) -> Pcm:
        """Return what was held back, and set up what its peaks need."""
        samples, self._begun = self._take_held(), True
        lufs = self._heard.loudness()
        if lufs is not None and self._heard.seconds >= ENOUGH_SECONDS:
            gain = self._level.gain(self._likely(lufs).lufs, self._volume)
            _, driven, cut = self._level.drive(samples, self._heard, gain, lufs + gain, self._sample_rate)
            self._drive = driven - gain
            if cut:
                self._limiters.insert(0, self._level.limiter(self._sample_rate, cut=cut))
        return samples

    def _take_held(self) -> Pcm:
        held = np.concatenate(self._held) if self._held else np.zeros(0, np.int16)
        self._held.clear()
        return held

    def _limit(self, samples: Pcm, *, last: bool) -> bytes:
        gain = self._gain()
        for limiter in self._limiters:
            samples, gain = limiter.push(samples, gain, last=last), 1.0
        self._sent.push(samples.astype(np.float32))
        return to_bytes(samples)

    def _gain(self) -> float:
        likely = self._likely(self._heard.loudness())
        gain = self._level.gain(likely.lufs, self._volume) + self._drive + self._amends()
        return to_amplitude(min(gain, MAX_GAIN))

    def _likely(self, lufs: float | None) -> Impression:
        """Return what the whole will probably be like, of which `lufs` was heard so far."""
        if lufs is None or self._heard.seconds < ENOUGH_SECONDS:
            return self._expected
        return self._expected.mix(Impression(lufs, self._heard.seconds))

    def _amends(self) -> float:
        """Return the dB by which what follows must be louder, because what went out was too quiet."""
        seconds, lufs = self._sent.seconds, self._sent.loudness()
        if lufs is None:
            return 0.0
        surplus = 10 ** ((lufs - self._level.lufs - self._volume) / 10) - 1
        wanted = 1 - surplus * seconds / max(AMENDS_SECONDS, seconds * AMENDS_SHARE)
        return min(max(10 * math.log10(max(wanted, 0.01)), -MAX_AMENDS), MAX_AMENDS)


def meter(sample_rate: int) -> SpeechMeter:
    """Return a meter of int16."""
    return SpeechMeter(sample_rate=sample_rate, full_scale=SCALE)


def highest(samples: Pcm) -> float:
    """Return the highest magnitude in dBFS."""
    return to_decibels(max(int(samples.max(initial=0)), -int(samples.min(initial=0))) / SCALE)
