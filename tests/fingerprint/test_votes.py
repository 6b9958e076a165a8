import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.fingerprint.votes import LEAST_WEIGHT, ORIGIN, SPREAD, WEIGHT_BITS, count

FULL = 255


def ballots(*places: int, weight: int = FULL) -> np.ndarray:
    return np.sort(np.array([((place + ORIGIN) << WEIGHT_BITS) | weight for place in places], np.int64))


def test_most_votes_are_first():
    found = count(ballots(7000, 100, 101, 102, 7001), most=5)
    assert found.places.tolist() == [100, 7000]
    assert found.votes.tolist() == [3 * (FULL - LEAST_WEIGHT), 2 * (FULL - LEAST_WEIGHT)]


def test_what_chance_gives_does_not_count():
    assert len(count(ballots(1, 1, 1, weight=LEAST_WEIGHT), most=5).places) == 0


def test_places_near_each_other_are_one():
    assert count(ballots(*range(100, 100 + 2 * SPREAD)), most=5).places.tolist() == [100]


def test_a_place_may_lie_before_the_first_frame():
    assert count(ballots(-40, -40), most=1).places.tolist() == [-40]


@given(st.lists(st.integers(-1000, 5_000_000_000), max_size=200), st.integers(1, 30))
def test_places_are_few_apart_and_sorted(places, most):
    found = count(ballots(*places), most=most)
    assert len(found.places) <= most
    assert np.all(np.diff(found.votes) <= 0)
    apart = np.diff(np.sort(found.places))
    assert np.all(apart > SPREAD)


@given(st.lists(st.integers(0, 3000), min_size=1, max_size=200))
def test_the_first_is_the_best_there_is(places):
    found = count(ballots(*places), most=1)
    best = max(sum(start <= place <= start + SPREAD for place in places) for start in places)
    assert found.votes.tolist() == pytest.approx([best * (FULL - LEAST_WEIGHT)])
