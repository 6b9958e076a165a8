"""The arithmetic alone; what it sounds like is measured in `test_espeak.py`."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.tts.backends.espeak_pitch import Melody

PLAIN = Melody.of("gmw/en-US", "")
MANDARIN = Melody.of("sit/cmn", "")


def test_nothing_is_changed_by_nothing() -> None:
    assert PLAIN.higher(0) == (50, 50)
    assert MANDARIN.higher(0) == (50, 75)


@pytest.mark.parametrize(
    ("semitones", "pitch", "pitch_range"), [(4, 70, 63), (-4, 29, 40), (12, 100, 99), (-12, 0, 25)]
)
def test_base_and_range_rise_together(semitones: float, pitch: int, pitch_range: int) -> None:
    assert PLAIN.higher(semitones) == (pitch, pitch_range)


@given(st.floats(-1000, 1000), st.floats(-1000, 1000))
def test_higher_is_never_lower_and_always_in_range(one: float, other: float) -> None:
    (low, narrow), (high, wide) = (PLAIN.higher(semitones) for semitones in sorted((one, other)))
    assert 0 <= low <= high <= 100
    assert 0 <= narrow <= wide <= 99


def test_the_line_of_a_variant_counts_before_that_of_its_voice() -> None:
    assert Melody.of("aav/vi", "m7").range_of_base == PLAIN.of("gmw/en-US", "m7").range_of_base
    assert Melody.of("aav/vi", "").range_of_base == pytest.approx(0.4415, abs=1e-4)  # 18 * 80 * 108 / (86 * 4096)
    assert PLAIN.range_of_base == pytest.approx(0.2340, abs=1e-4)


@given(st.floats(-12, 12), st.sampled_from(["", "f1", "f3", "m2", "m7"]), st.sampled_from(["sit/cmn", "roa/fr"]))
def test_within_its_reach_neither_base_nor_range_is_cut_off(semitones: float, variant: str, voice: str) -> None:
    melody = Melody.of(voice, variant)
    reached = melody.reach(semitones)
    assert abs(reached) <= abs(semitones) and reached * semitones >= 0
    factor = 2 ** (reached / 12)
    assert 0.499 <= factor + melody.range_of_base * (factor - 1) <= 2.001
    assert melody.pitch_range * factor * 0.929 <= 99


def test_tones_reach_less_far_up() -> None:
    assert PLAIN.reach(12) == pytest.approx(10.27, abs=0.01)
    assert MANDARIN.reach(12) == pytest.approx(6.06, abs=0.01)
    assert PLAIN.reach(-12) == pytest.approx(-9.0, abs=0.1)
