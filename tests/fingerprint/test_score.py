import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.fingerprint.calibration import CALIBRATED_SECONDS, DECADE, ODDS, SCORES
from app.fingerprint.score import FEWEST_PEAKS, confidence, scaled_odds, score, similarity

HOURS = 3600.0


@pytest.mark.parametrize(("odds", "measured"), list(zip(ODDS, SCORES, strict=True)))
def test_it_is_what_was_measured(odds, measured):
    assert score(odds, FEWEST_PEAKS, CALIBRATED_SECONDS) == pytest.approx(measured)


def test_beyond_what_was_measured_the_tail_is_exponential():
    assert score(ODDS[-1] + 2 * DECADE, FEWEST_PEAKS, CALIBRATED_SECONDS) == pytest.approx(SCORES[-1] + 2)


def test_what_was_measured_is_in_order():
    assert np.all(np.diff(ODDS) > 0) and np.all(np.diff(SCORES) > 0) and DECADE > 0


@given(st.floats(-50, 500), st.integers(0, 1000), st.floats(1, 1000))
def test_more_odds_are_no_lower_a_score(odds, peaks, hours):
    assert score(odds + 1, peaks, hours * HOURS) >= score(odds, peaks, hours * HOURS)


@given(st.floats(30, 500), st.integers(0, 1000))
def test_of_certain_odds_each_counts(odds, peaks):
    more, less = (score(each, peaks, CALIBRATED_SECONDS) for each in (odds + 1, odds))
    assert more > less or scaled_odds(odds, peaks) < ODDS[0]


def test_a_longer_query_needs_more():
    assert score(30, 250, CALIBRATED_SECONDS) < score(30, 150, CALIBRATED_SECONDS) < score(30, 50, CALIBRATED_SECONDS)


@given(st.floats(0, 100), st.integers(0, FEWEST_PEAKS))
def test_what_tells_of_less_than_a_second_is_judged_as_that(odds, peaks):
    assert score(odds, peaks, 1.0) == score(odds, FEWEST_PEAKS, 1.0)


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


@pytest.mark.parametrize(("reached", "alike"), [(0.0, 0.0), (2.0, 0.9), (4.0, 0.99), (400.0, 1.0)])
def test_similarity_tells_apart_what_is_all_but_sure(reached, alike):
    assert similarity(reached) == pytest.approx(alike)


@given(st.floats(0, 12))
def test_of_two_hits_that_which_is_surer_is_more_similar(reached):
    assert 0 <= similarity(reached) < similarity(reached + 1) <= 1
