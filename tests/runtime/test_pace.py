import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.runtime.pace import MEMORY_JOBS, Pace

sizes = st.floats(0, 1000)
times = st.floats(0, 100)


def learnt(*jobs: tuple[float, float]) -> Pace:
    pace = Pace()
    for size, seconds in jobs:
        pace.learn(size, seconds)
    return pace


def test_nothing_is_known_before_the_first_job() -> None:
    assert (Pace().average, Pace().predict(5)) == (None, None)


def test_jobs_of_one_size_say_nothing_of_others() -> None:
    pace = learnt((5, 1.0), (5, 3.0))
    assert pace.average == pace.predict(5) == pace.predict(50) == 2.0


@given(fixed=st.floats(0, 10), each=st.floats(0, 1), wanted=sizes, heard=st.lists(st.integers(0, 500), min_size=2))
def test_law_a_straight_line_is_found(fixed: float, each: float, wanted: float, heard: list[int]) -> None:
    if len(set(heard)) > 1:
        pace = learnt(*((size, fixed + each * size) for size in heard))
        assert pace.predict(wanted) == pytest.approx(fixed + each * wanted, rel=1e-3, abs=1e-3)


@given(st.lists(st.tuples(sizes, times), min_size=1), st.tuples(sizes, sizes))
def test_law_no_job_takes_less_than_nothing_or_less_than_a_smaller_one(
    jobs: list[tuple[float, float]], asked: tuple[float, float]
) -> None:
    smaller, larger = map(learnt(*jobs).predict, sorted(asked))
    assert smaller is not None
    assert larger is not None
    assert -1e-6 <= smaller <= larger + 1e-6


def test_what_was_learnt_long_ago_is_forgotten() -> None:
    pace = learnt(*[(size, 1.0 * size) for size in (1, 9)] * MEMORY_JOBS, *[(size, 3.0) for size in (1, 9)] * 100)
    assert pace.predict(9) == pytest.approx(3.0, rel=0.1)
