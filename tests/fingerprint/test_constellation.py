from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.fingerprint.constellation import MARK_FRAMES, Constellation
from app.fingerprint.postings import frozen
from tests.fingerprint.constellations import constellation, constellations, same, taken

FRAMES = 2 * MARK_FRAMES
NONE = frozen(np.zeros(1, np.uint64))


@pytest.fixture(autouse=True, scope="module")
def compiled_kernels():
    of(constellation(np.random.default_rng(0), seconds=3.0)).between(0, 1)


@given(constellations(), st.integers(-10, 600), st.integers(-10, 600))
def test_a_stretch_has_the_peaks_of_its_frames(peaks, first, end):
    stretch = of(peaks).between(first, end)
    assert same(stretch, taken(peaks, (peaks.frames.astype(int) >= first) & (peaks.frames < max(end, 0))))


@given(constellations(), st.data())
@settings(max_examples=30)
def test_whatever_a_damaged_file_says_nobody_is_led_out_of_it(peaks, data):
    whole = of(peaks)
    marks = np.array(data.draw(st.lists(st.integers(0, 2**64 - 1), min_size=3, max_size=3)), np.uint64)
    stretch = with_marks(whole, marks).between(0, FRAMES)
    assert len(stretch.frames) == len(stretch.frequencies) == len(stretch.strengths)


def of(peaks) -> Constellation:
    counts = np.bincount(peaks.frames, minlength=FRAMES)
    marks = np.cumsum([0, *counts.reshape(-1, MARK_FRAMES).sum(axis=1)])
    return with_marks(Constellation(frozen(counts.astype(np.uint8)), NONE, peaks.frequencies, peaks.strengths), marks)


def with_marks(whole: Constellation, marks: np.ndarray) -> Constellation:
    return replace(whole, marks=frozen(marks.astype(np.uint64)))
