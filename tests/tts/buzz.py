"""A made-up voice, and how loud it is."""

import numpy as np

from app.audio.loudness import loudness, to_amplitude, to_decibels, true_peak
from app.audio.pcm import from_bytes, to_bytes, to_float32, to_int16
from app.tts.speech import Gender, Voice

RATE = 22_050


def voice(name: str = "a", backend: str = "fake") -> Voice:
    return Voice(name, name, "zh-CN", Gender.FEMALE, backend)


def speech(seconds: float = 2.0, *, peak_dbfs: float = -10.0, seed: int = 0, rate: int = RATE) -> bytes:
    """Syllables of a buzzing voice with pauses between."""
    rng = np.random.default_rng(seed)
    time = np.arange(round(seconds * rate)) / rate
    buzz = sum(np.cos(2 * np.pi * 140 * k * time + rng.uniform(0, 6)) / k for k in range(1, 20))
    sound = buzz * np.clip(np.sin(2 * np.pi * 3.3 * time + 0.5), 0, None)
    return to_bytes(to_int16(sound / max(np.abs(sound).max(initial=0), 1e-9) * to_amplitude(peak_dbfs)))


def clicks(seconds: float = 2.0, *, hz: float = 60.0, decay: float = 0.001, seed: int = 0) -> bytes:
    """A voice of pulses with little between them, as some low ones are: peaks 20 dB above their loudness."""
    rng = np.random.default_rng(seed)
    time = np.arange(round(seconds * RATE)) / RATE
    sound = np.exp(-(time % (1 / hz)) / decay) * np.sin(2 * np.pi * 900 * (time % (1 / hz)))
    return to_bytes(to_int16((0.8 * sound + 0.002 * rng.normal(size=len(time))).astype(np.float32)))


def measure(pcm: bytes, rate: int = RATE) -> tuple[float | None, float]:
    """Return LUFS and the true peak in dBFS."""
    samples = to_float32(from_bytes(pcm))
    return loudness(samples, sample_rate=rate), to_decibels(true_peak(samples))
