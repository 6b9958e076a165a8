import numpy as np
import pytest

from app.fingerprint.sieve import FEW, sifted
from app.fingerprint.votes import LEAST_WEIGHT, ORIGIN, count

END = 1 << 30
MANY = 4 * FEW


def chance(rng, size):
    """Return votes for places all over the reel."""
    return rng.integers(0, END, size).astype(np.uint32), rng.integers(LEAST_WEIGHT + 1, 200, size).astype(np.uint8)


def sorted_ballots(places, weights):
    return np.sort((places.astype(np.int64) + ORIGIN) << 8 | weights)


def with_agreement(rng, votes, *, agreeing):
    """Return votes of chance, and so many for one place, give or take a frame."""
    places, weights = chance(rng, votes)
    place = int(rng.integers(100, END))
    agreed = place + rng.integers(-1, 2, agreeing)
    mixed = rng.permutation(votes + agreeing)
    return (
        np.append(places, agreed.astype(np.uint32))[mixed],
        np.append(weights, np.full(agreeing, 160, np.uint8))[mixed],
        place,
    )


@pytest.mark.parametrize("votes", [0, 1, 1000, FEW])
def test_of_a_few_votes_all_are_left(votes):
    places, weights = chance(np.random.default_rng(1), votes)
    assert np.array_equal(sifted(places, weights, END), sorted_ballots(places, weights))


@pytest.mark.parametrize("seed", range(20))
def test_votes_that_agree_are_left_of_many(seed):
    places, weights, place = with_agreement(np.random.default_rng(seed), MANY, agreeing=8)
    left = sifted(places, weights, END)
    [best], [votes] = count(left, most=1).places, count(left, most=1).votes
    assert len(left) < MANY / 5
    assert abs(best - place) <= 2
    assert votes == count(sorted_ballots(places, weights), most=1).votes[0]


def test_what_is_left_are_votes_and_in_order():
    places, weights, _ = with_agreement(np.random.default_rng(1), MANY, agreeing=8)
    left = sifted(places, weights, END)
    assert np.array_equal(left, np.sort(left))
    assert np.all(np.isin(left, sorted_ballots(places, weights)))


def test_a_place_before_the_reel_stays_before_it():
    places = np.array([5, 2**32 - 7], np.uint32)
    left = sifted(places, np.full(2, 99, np.uint8), END)
    assert ((left >> 8) - ORIGIN).tolist() == [-7, 5]


def test_any_number_of_votes_for_one_place_are_left():
    left = sifted(np.full(MANY, 77, np.uint32), np.full(MANY, 200, np.uint8), END)
    assert count(left, most=3).places.tolist() == [77]
    assert len(left) == MANY
