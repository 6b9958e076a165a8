import random
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.takes.ids import Ids, Kind, is_id, time_ms

NOW = 1_700_000_000.123


class Highest(random.Random):
    def getrandbits(self, k: int, /) -> int:
        return (1 << k) - 1


def fixed(*seconds: float, rng: random.Random | None = None) -> Ids:
    times = iter(seconds)
    return Ids(clock=lambda: next(times), rng=rng or random.Random(1))


def test_an_id_is_a_letter_and_a_ulid_in_lower_case():
    assert Ids(clock=lambda: 1_469_918_176.385, rng=random.Random(0)).new(Kind.TAKE)[:11] == "t01aryz6s41"
    assert len(Ids().new(Kind.VOICE)) == 27


@given(times=st.lists(st.floats(0, 2**47 / 1000), min_size=1, max_size=50), seed=st.integers())
def test_each_id_is_greater_than_the_one_before_whatever_the_clock_does(times, seed):
    ids = fixed(*times, rng=random.Random(seed))
    made = [ids.new(Kind.TAKE) for _ in times]
    assert all(before < after for before, after in pairwise(made))
    assert all(is_id(each, Kind.TAKE) for each in made)


@given(ms=st.integers(0, 2**47))
def test_an_id_tells_its_time(ms):
    assert time_ms(fixed(ms / 1000, rng=Highest()).new(Kind.VOICE)) == int(ms / 1000 * 1000)


def test_in_one_millisecond_ids_count_up():
    ids = fixed(NOW, NOW, rng=random.Random(3))
    first, second = ids.new(Kind.TAKE), ids.new(Kind.TAKE)
    assert first[:-1] == second[:-1]
    assert time_ms(first) == time_ms(second)


def test_random_bits_that_run_over_borrow_a_millisecond():
    ids = fixed(NOW, NOW, NOW, rng=Highest())
    made = [ids.new(Kind.TAKE) for _ in range(3)]
    assert [time_ms(each) - time_ms(made[0]) for each in made] == [0, 1, 1]
    assert made == sorted(made)


def test_two_makers_do_not_meet():
    assert fixed(NOW, rng=random.Random(1)).new(Kind.TAKE) != fixed(NOW, rng=random.Random(2)).new(Kind.TAKE)


@pytest.mark.parametrize(
    "text",
    ["", "t", "v01aryz6s41tsv4rrffq69g5fav", "t81aryz6s41tsv4rrffq69g5fav", "t01ARYZ6S41TSV4RRFFQ69G5FAV"]
    + ["t01aryz6s41tsv4rrffq69g5fa", "t01aryz6s41tsv4rrffq69g5favv", "t01aryz6s41tsv4rrffq69g5fa\n", "t../../../etc"],
)
def test_what_is_no_id_of_a_take(text):
    assert not is_id(text, Kind.TAKE)


def test_what_is_an_id_of_a_take():
    assert is_id("t01aryz6s41tsv4rrffq69g5fav", Kind.TAKE)
