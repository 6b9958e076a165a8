from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.tts.latency import BUCKETS, ERROR, LEAST, MOST, Latency, bucket_of, percentile, seconds_of

TIMES = st.lists(st.floats(LEAST, MOST), min_size=1, max_size=300)
FRACTIONS = st.floats(0, 1)


def counted(times: list[float]) -> Counter[int]:
    return Counter(bucket_of(time) for time in times)


@given(TIMES, st.sampled_from([0.0, 0.25, 0.5, 0.9, 0.99, 1.0]))
def test_a_percentile_is_as_near_to_the_exact_one_as_promised(times, fraction):
    exact = np.percentile(times, 100 * fraction, method="inverted_cdf")
    assert percentile(counted(times), fraction) == pytest.approx(exact, rel=ERROR * (1 + 1e-9))


@given(TIMES, TIMES, FRACTIONS)
def test_added_counts_are_the_counts_of_all(some, others, fraction):
    assert percentile(counted(some) + counted(others), fraction) == percentile(counted(some + others), fraction)


@given(st.floats(LEAST, MOST), st.floats(LEAST, MOST))
def test_longer_times_are_not_in_lower_buckets(one, other):
    assert (bucket_of(one) <= bucket_of(other)) or one > other


@given(st.floats(allow_nan=False))
def test_there_are_no_other_buckets_whatever_a_clock_says(seconds):
    assert 0 <= bucket_of(seconds) < BUCKETS == 436


def test_times_beyond_the_ends_are_told_as_the_ends():
    assert seconds_of(bucket_of(0.0)) == LEAST
    assert seconds_of(bucket_of(1e9)) == pytest.approx(MOST, rel=ERROR)
    assert seconds_of(BUCKETS - 1) <= MOST


def test_the_figures_of_nothing_are_nothing():
    assert Latency.of({}) is None
    with pytest.raises(ValueError, match="something"):
        percentile({}, 0.5)


def test_the_figures_of_a_hundred_times():
    figures = Latency.of(counted([n / 100 for n in range(1, 101)]))
    assert figures is not None
    assert figures.count == 100
    assert (figures.p50, figures.p90, figures.p99) == pytest.approx((0.5, 0.9, 0.99), rel=ERROR)
