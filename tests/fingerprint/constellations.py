"""Peaks that no sound made: as many and as scattered as those of music."""

import numpy as np
from hypothesis import strategies as st

from app.fingerprint.peaks import Peaks

FRAMES_PER_SECOND = 43
LOWEST, HIGHEST = 37 * 64, 930 * 64


def constellation(rng: np.random.Generator, *, seconds: float = 10.0, per_second: float = 50.0) -> Peaks:
    """Scatter peaks evenly over time and frequency."""
    count = round(seconds * per_second)
    frames = rng.integers(0, max(1, round(seconds * FRAMES_PER_SECOND)), count)
    return ordered(frames, rng.integers(LOWEST, HIGHEST, count), rng.integers(0, 256, count))


def ordered(frames: np.ndarray, frequencies: np.ndarray, strengths: np.ndarray) -> Peaks:
    """Sort peaks as they must be."""
    order = np.lexsort((frequencies, frames))
    return Peaks(
        frames[order].astype(np.uint32), frequencies[order].astype(np.uint16), strengths[order].astype(np.uint8)
    )


def constellations() -> st.SearchStrategy[Peaks]:
    """Some hundred peaks, or none."""
    return st.builds(
        lambda seed, count: constellation(np.random.default_rng(seed), seconds=3.0, per_second=count / 3.0),
        st.integers(0, 2**32),
        st.integers(0, 200),
    )


def same(one: Peaks, other: Peaks) -> bool:
    """Tell whether two constellations are equal."""
    return (
        np.array_equal(one.frames, other.frames)
        and np.array_equal(one.frequencies, other.frequencies)
        and np.array_equal(one.strengths, other.strengths)
    )


def taken(peaks: Peaks, chosen: np.ndarray) -> Peaks:
    """Keep some of the peaks, by mask or slice."""
    return Peaks(peaks.frames[chosen], peaks.frequencies[chosen], peaks.strengths[chosen])
