"""Sounds that the tests of audio share, and how far apart two of them are."""

import numpy as np

from app.audio.pcm import Pcm, Samples, to_bytes, to_int16


def chirp(seconds: float = 1.0, sample_rate: int = 24_000) -> Samples:
    """Sweep from 200 Hz up to 2,500 Hz, at a third of full scale: every place in it sounds like no other."""
    time = np.arange(round(seconds * sample_rate)) / sample_rate
    sweep = np.sin(2 * np.pi * (200 * time + 1150 * time**2 / seconds))
    return (sweep / 3).astype(np.float32)


def chirp_pcm(seconds: float = 1.0, sample_rate: int = 24_000) -> bytes:
    return to_bytes(to_int16(chirp(seconds, sample_rate)))


def noise(n: int, *, seed: int = 0) -> Pcm:
    return np.random.default_rng(seed).integers(-20_000, 20_000, n, dtype=np.int16)


def delay(reference: Samples, heard: Samples) -> int:
    """Samples by which `heard` comes after `reference`, by cross-correlation."""
    size = 1 << (len(reference) + len(heard)).bit_length()
    spectrum = np.fft.rfft(heard, size) * np.conj(np.fft.rfft(reference, size))
    at = int(np.argmax(np.fft.irfft(spectrum, size)))
    return at if at < size // 2 else at - size


def likeness(reference: Samples, heard: Samples) -> float:
    """Correlation of two aligned signals, over the length of the shorter: 1 for the same sound."""
    n = min(len(reference), len(heard))
    return float(np.corrcoef(reference[:n], heard[:n])[0, 1])
