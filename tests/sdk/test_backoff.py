from hypothesis import given
from hypothesis import strategies as st

from app.sdk.backoff import Backoff

FRACTIONS = st.floats(min_value=0, max_value=1, exclude_max=True)


def test_delays_double_up_to_the_longest() -> None:
    delays = [Backoff(jitter=0).delay(failures, 0.7) for failures in range(8)]

    assert delays == [1, 2, 4, 8, 16, 30, 30, 30]


@given(failures=st.integers(min_value=0), random=FRACTIONS, jitter=st.floats(min_value=0, max_value=1))
def test_jitter_shortens_a_delay_by_at_most_its_fraction(failures: int, random: float, jitter: float) -> None:
    whole = Backoff(jitter=0).delay(failures, random)

    delay = Backoff(jitter=jitter).delay(failures, random)

    assert whole * (1 - jitter) <= delay <= whole


def test_it_never_gives_up_unless_told_so() -> None:
    assert not Backoff().gives_up(10**9)
    assert [Backoff(attempts=2).gives_up(failures) for failures in range(4)] == [False, False, True, True]
