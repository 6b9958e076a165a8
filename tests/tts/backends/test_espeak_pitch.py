"""The arithmetic alone; what it sounds like is measured in `test_espeak.py`."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.tts.backends.espeak_pitch import higher


def test_nothing_is_changed_by_nothing() -> None:
    assert higher(0, pitch_range=50) == (50, 50)
    assert higher(0, pitch_range=75) == (50, 75)


@pytest.mark.parametrize(
    ("semitones", "pitch", "pitch_range"), [(4, 70, 63), (-4, 29, 40), (12, 100, 99), (-12, 0, 25)]
)
def test_base_and_range_rise_together(semitones: float, pitch: int, pitch_range: int) -> None:
    assert higher(semitones, pitch_range=50) == (pitch, pitch_range)


@given(st.floats(-1000, 1000), st.floats(-1000, 1000))
def test_higher_is_never_lower_and_always_in_range(one: float, other: float) -> None:
    (low, narrow), (high, wide) = (higher(semitones, pitch_range=50) for semitones in sorted((one, other)))
    assert 0 <= low <= high <= 100
    assert 0 <= narrow <= wide <= 99
