from hypothesis import given
from hypothesis import strategies as st

from app.tts.catch_up import catch_up


def test_nobody_hurries_without_a_reason():
    assert catch_up(None, most=1.5) == catch_up(0.9, most=1.5) == catch_up(60.0, most=1.0) == 1.0


@given(st.floats(0, 1000), st.floats(0, 1000), st.floats(1.0, 3.0))
def test_who_waits_longer_is_spoken_no_slower_and_within_the_bound(first, second, most):
    slow, fast = sorted((first, second))
    assert 1.0 <= catch_up(slow, most=most) <= catch_up(fast, most=most) <= most
