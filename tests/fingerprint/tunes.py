"""Music that nobody wrote: notes of several voices, by chance, the same for the same number."""

import numpy as np

from app.audio.pcm import Samples

NOTES_PER_SECOND = 6
VOICES = 3


def tune(number: int, *, seconds: float = 10.0, sample_rate: int = 22_050) -> Samples:
    """Play notes with overtones that fade, at half of full scale: mono float32, shape `(n,)`."""
    rng = np.random.default_rng(number)
    count = round(seconds * sample_rate)
    played = np.zeros(count + sample_rate, np.float32)
    for _ in range(VOICES):
        for note in range(round(seconds * NOTES_PER_SECOND)):
            start = round((note + rng.random() / 2) / NOTES_PER_SECOND * sample_rate)
            sound = _note(220.0 * 2 ** (rng.integers(0, 36) / 12), 0.4, sample_rate)
            played[start : start + len(sound)] += sound[: len(played) - start]
    played = played[:count]
    return (played / (2 * max(1e-9, float(np.abs(played).max())))).astype(np.float32)


def _note(frequency: float, seconds: float, sample_rate: int) -> Samples:
    time = np.arange(round(seconds * sample_rate)) / sample_rate
    partials = sum(np.sin(2 * np.pi * frequency * n * time) / n for n in (1, 2, 3))
    return (partials * np.exp(-6 * time)).astype(np.float32)
