import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.fingerprint.ballot_box import BallotBox
from app.fingerprint.view import Votes
from app.fingerprint.votes import LEAST_WEIGHT, ORIGIN

HOPS, MOST = 6, 2000
WEIGHT = LEAST_WEIGHT + 80
NONE = np.empty(0, np.int64)


@pytest.fixture(autouse=True, scope="module")
def compiled_kernels():
    BallotBox(hops=2, most=10).cast(votes([1, 2, 3]), most=2)


def test_votes_of_several_hops_add_up():
    box, rng = BallotBox(hops=HOPS, most=MOST), np.random.default_rng(0)
    for _ in range(HOPS):
        best = cast(box, [*rng.integers(0, 1 << 27, 1000), 5_000_001, 5_000_001, 5_000_002])
    assert abs(best[0] - 5_000_001) <= 2
    assert best[1] == 3 * HOPS * (WEIGHT - LEAST_WEIGHT)


def test_votes_that_are_older_than_the_window_do_not_count():
    box = BallotBox(hops=HOPS, most=MOST)
    cast(box, [700] * 9)
    for _ in range(HOPS - 1):
        cast(box, [])
    assert cast(box, [700])[1] == WEIGHT - LEAST_WEIGHT


def test_only_places_with_new_votes_are_told():
    box = BallotBox(hops=HOPS, most=MOST)
    cast(box, [700] * 9)
    assert cast(box, [90_000] * 2)[0] == 90_000
    assert len(box.cast(votes([]), most=3).places) == 0


def test_a_vote_that_chance_gives_is_none():
    cast_votes = Votes(np.full(9, 700, np.uint32), np.full(9, LEAST_WEIGHT, np.uint8))
    assert len(BallotBox(hops=HOPS, most=MOST).cast(cast_votes, most=3).places) == 0


@pytest.mark.parametrize("place", [0, 3, 4, 1 << 18, (1 << 32) - 3])
def test_places_that_agree_are_found_on_whatever_side_of_a_cell(place):
    box, rng = BallotBox(hops=HOPS, most=MOST), np.random.default_rng(1)
    near = [place + step for step in (0, 1, 1, 2)]
    assert abs(cast(box, [*rng.integers(1 << 20, 1 << 30, 1500), *near])[0] - place) <= 2


def test_no_more_votes_are_kept_than_there_is_room_for():
    box = BallotBox(hops=2, most=10)
    for _ in range(5):
        best = cast(box, [33] * 100)
    assert best[1] == 20 * (WEIGHT - LEAST_WEIGHT)


def test_what_is_cleared_is_forgotten():
    box = BallotBox(hops=HOPS, most=MOST)
    cast(box, [700] * 9)
    box.clear()
    assert cast(box, [700])[1] == WEIGHT - LEAST_WEIGHT


@given(st.lists(st.lists(st.tuples(st.integers(0, 60), st.integers(1, 255)), max_size=20), max_size=20))
@settings(max_examples=50)
def test_the_best_place_is_that_of_counting_everything(hops):
    box = BallotBox(hops=3, most=MOST)
    for number, hop in enumerate(hops):
        places, weights = np.array([place for place, _ in hop]), np.array([weight for _, weight in hop])
        found = box.cast(Votes(places.astype(np.uint32) * 8, weights.astype(np.uint8)), most=1)
        kept = [vote for one in hops[max(0, number - 2) : number + 1] for vote in one]
        assert_best(found, {place for place, weight in hop if weight >= LEAST_WEIGHT + 4}, kept)


def assert_best(found, new: set[int], kept: list[tuple[int, int]]) -> None:
    sums = [sum(max(0, weight - LEAST_WEIGHT) for at, weight in kept if at == place) for place in new]
    assert max([0, *found.votes]) >= max([0, *sums])


def votes(places: list[int]) -> Votes:
    return Votes(np.array(places, np.int64).astype(np.uint32), np.full(len(places), WEIGHT, np.uint8))


def cast(box: BallotBox, places: list[int]) -> tuple[int, float]:
    """Return the best place, and its votes."""
    found = box.cast(votes(places), most=1)
    return (int(found.places[0]) + ORIGIN) % ORIGIN if len(found.places) else -1, float(max([0, *found.votes]))
