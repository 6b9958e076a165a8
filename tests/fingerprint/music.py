"""Music that nobody wrote: notes of a few instruments, another tune for each seed."""

from functools import lru_cache

import numpy as np

from app.audio.pcm import Samples
from app.fingerprint.spectrum import SAMPLE_RATE

NOTES_PER_SECOND = 8
SCALE = (0, 2, 4, 5, 7, 9, 11)
"""Semitones."""


@lru_cache(maxsize=64)
def tune(seed: int, *, seconds: float = 20.0, sample_rate: int = SAMPLE_RATE, tempo: float = 1.0) -> Samples:
    """Make one: plucked notes with their harmonics, the same at every rate, earlier at a higher tempo; read-only."""
    rng = np.random.default_rng(seed)
    sound = np.zeros(round((seconds + 2) * sample_rate))
    key = rng.uniform(0, 12)
    for start in np.sort(rng.uniform(0, seconds, round(seconds * NOTES_PER_SECOND))):
        hz = 110 * 2 ** ((key + 12 * rng.integers(0, 4) + rng.choice(SCALE)) / 12)
        note = _note(rng, hz, sample_rate)
        at = round(start / tempo * sample_rate)
        sound[at : at + len(note)] += note[: len(sound) - at]
    samples = (sound[: round(seconds * sample_rate)] / 20).astype(np.float32)
    samples.setflags(write=False)
    return samples


def _note(rng: np.random.Generator, hz: float, sample_rate: int) -> np.ndarray:
    seconds = np.arange(round(rng.uniform(0.3, 2.0) * sample_rate)) / sample_rate
    harmonics = [n for n in range(1, 9) if n * hz < 5_000]
    loudness = rng.uniform(0.2, 1.0, 8)
    tones = [loudness[n - 1] / n * np.sin(2 * np.pi * n * hz * seconds + rng.uniform(0, 6)) for n in harmonics]
    return np.sum(tones, axis=0) * np.exp(-4 * seconds)


def noise(seconds: float, *, seed: int = 0, level: float = 0.1) -> Samples:
    """Make white noise at `SAMPLE_RATE`."""
    rng = np.random.default_rng(seed)
    return (level * rng.standard_normal(round(seconds * SAMPLE_RATE))).astype(np.float32)


def tone(hz: float, seconds: float, *, level: float = 0.5) -> Samples:
    """Make a sine at `SAMPLE_RATE`."""
    return (level * np.sin(2 * np.pi * hz * np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE)).astype(np.float32)


def cuts(count: int, *, seed: int, longest: int = 5_000) -> list[slice]:
    """Cut so many samples into pieces of random lengths, some empty."""
    rng = np.random.default_rng(seed)
    places = [0]
    while places[-1] < count:
        places.append(min(count, places[-1] + int(rng.choice([0, 1, 100, 256, longest]))))
    return [slice(start, end) for start, end in zip(places, places[1:], strict=False)]
