import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.fingerprint.calibration import CALIBRATED_SECONDS, ONSET, TAIL
from app.fingerprint.score import confidence, score

HOURS = 3600.0


def test_the_tail_begins_where_it_was_measured():
    assert score(ONSET, 50, CALIBRATED_SECONDS) == pytest.approx(TAIL)


@given(st.floats(20, 500), st.integers(10, 1000), st.floats(1, 1000))
def test_more_odds_are_a_higher_score(odds, peaks, hours):
    assert (
        score(odds + 1, peaks, hours * HOURS) > score(odds, peaks, hours * HOURS)
        or score(odds, peaks, hours * HOURS) == 0
    )


@given(st.floats(50, 500), st.integers(10, 200))
def test_ten_times_the_catalogue_is_ten_times_the_chance(odds, peaks):
    small, large = score(odds, peaks, 100 * HOURS), score(odds, peaks, 1000 * HOURS)
    assert large == pytest.approx(max(0.0, small - 1))


def test_a_small_catalogue_is_no_safer_than_that_which_was_measured():
    assert score(30, 150, 60) == score(30, 150, CALIBRATED_SECONDS)


@given(st.floats(-500, 500), st.integers(0, 1000), st.floats(0, 1e9))
def test_it_is_never_negative(odds, peaks, seconds):
    assert score(odds, peaks, seconds) >= 0


@pytest.mark.parametrize(("reached", "sure"), [(0.0, 0.0), (1.0, 0.9), (2.0, 0.99), (400.0, 1.0)])
def test_confidence_is_how_much_unknown_music_does_not_reach_it(reached, sure):
    assert confidence(reached) == pytest.approx(sure)
