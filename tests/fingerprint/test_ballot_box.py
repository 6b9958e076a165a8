import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.fingerprint.ballot_box import GROWTH, BallotBox
from app.fingerprint.view import Votes
from app.fingerprint.votes import LEAST_WEIGHT

WEIGHT = LEAST_WEIGHT + 100
NONE = np.empty(0, np.int64)
PLACES = 1 << 32


@pytest.fixture(autouse=True, scope="module")
def compiled_kernels():
    BallotBox().cast(votes([1, 2, 3]), most=2)


def test_votes_of_several_hops_add_up_among_many_more_of_chance():
    box, rng = BallotBox(), np.random.default_rng(0)
    for hop in range(6):
        found = box.cast(votes([*rng.integers(0, PLACES, 20_000), *[5_000_001] * 3, 5_000_002]), most=4)
        right = [place for place in found.places if abs(place - 5_000_001) <= 1]
        assert right or hop < 3
    assert abs(found.places[0] - 5_000_001) <= 1


def test_the_place_is_where_most_votes_of_all_hops_are():
    box = BallotBox()
    for _ in range(5):
        cast(box, [700] * 4)
    assert cast(box, [701])[0] == 700


def test_older_votes_count_for_less():
    box = BallotBox()
    before = cast(box, [700] * 9)[1]
    for _ in range(5):
        box.skip()
    assert cast(box, [700])[1] < before / GROWTH**5 + 3 * 100
    for _ in range(60):
        box.skip()
    assert cast(box, [700])[1] == pytest.approx(2 * 100, rel=0.3)


def test_only_places_with_new_votes_are_told():
    box = BallotBox()
    cast(box, [700] * 9)
    assert cast(box, [90_000] * 2)[0] == 90_000
    assert len(box.cast(votes([]), most=3).places) == 0


def test_a_vote_that_chance_gives_is_none():
    cast_votes = Votes(np.full(9, 700, np.uint32), np.full(9, LEAST_WEIGHT, np.uint8))
    assert len(BallotBox().cast(cast_votes, most=3).places) == 0


@pytest.mark.parametrize("place", [2, 3, (1 << 16) - 1, 1 << 16, 1 << 18, PLACES - 4])
def test_places_that_agree_are_found_wherever_they_are(place):
    box, rng = BallotBox(), np.random.default_rng(1)
    near = [place + step for step in (0, 1, 1, 2)]
    assert abs(cast(box, [*rng.integers(1 << 20, 1 << 30, 1500), *near])[0] - place) <= 2


def test_places_of_one_cell_are_told_apart():
    """Whatever the cells are: of 50,000 places, some have one in common with that on which votes agree."""
    box, rng = BallotBox(), np.random.default_rng(2)
    cast(box, [700] * 40)
    found = box.cast(votes([*rng.integers(0, PLACES, 50_000), 700, 700]), most=4)
    assert abs(found.places[0] - 700) <= 1 and found.votes[0] > 2 * found.votes[1]


def test_places_close_together_are_one():
    found = BallotBox().cast(votes([700, 700, 702, 702, 703, 900]), most=4)
    assert len(found.places) == 2 and abs(found.places[0] - 702) <= 1


def test_however_much_agrees_a_cell_is_full_at_most():
    box = BallotBox()
    for _ in range(20):
        place, agrees = cast(box, [700] * 1000)
    assert place == 700 and agrees < 150_000
    assert cast(box, [90_000] * 2, most=2)[0] == 90_000


def test_what_is_cleared_is_forgotten():
    box, fresh = BallotBox(), BallotBox()
    cast(box, [700] * 9)
    box.clear()
    assert cast(box, [700]) == cast(fresh, [700])


@given(st.lists(st.lists(st.tuples(st.integers(0, 60), st.integers(1, 255)), max_size=20), max_size=20))
@settings(max_examples=50)
def test_no_place_is_better_than_the_best(hops):
    box, sums = BallotBox(), np.zeros(61)
    for hop in hops:
        sums /= GROWTH
        new = np.zeros(61)
        for place, weight in hop:
            new[place] += max(0, weight - LEAST_WEIGHT)
        sums += new
        places, weights = np.array([place for place, _ in hop]), np.array([weight for _, weight in hop])
        found = box.cast(Votes(places.astype(np.uint32) * 8, weights.astype(np.uint8)), most=1)
        best = max([0.0, *(sums + new)[new > 0]])
        if best > 500 and sums.max() < 2000:  # much more than is lost by rounding, and cells are not full
            assert found.votes[0] == pytest.approx(best, rel=0.4)


def votes(places: list[int]) -> Votes:
    return Votes(np.array(places, np.int64).astype(np.uint32), np.full(len(places), WEIGHT, np.uint8))


def cast(box: BallotBox, places: list[int], *, most: int = 1) -> tuple[int, float]:
    """Return the best place, and its votes."""
    found = box.cast(votes(places), most=most)
    return (int(found.places[0]), float(found.votes[0])) if len(found.places) else (-1, 0.0)
