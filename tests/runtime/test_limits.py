import ipaddress
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.runtime.limits import RateWindow, TokenBucket, client_key


class Clock:
    def __init__(self, now: float = 1_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def test_bucket_allows_its_burst_and_then_refuses() -> None:
    bucket = TokenBucket(1.0, 3, Clock())
    assert [bucket.take() for _ in range(4)] == [True, True, True, False]


def test_bucket_refills_at_its_rate() -> None:
    clock = Clock()
    bucket = TokenBucket(2.0, 2, clock)
    assert bucket.take(2)
    clock.now += 0.5
    assert bucket.take()
    assert not bucket.take()


def test_bucket_never_holds_more_than_its_burst() -> None:
    clock = Clock()
    bucket = TokenBucket(100.0, 5, clock)
    clock.now += 3600
    assert not bucket.take(6)
    assert bucket.take(5)


def test_refused_takes_cost_nothing() -> None:
    clock = Clock()
    bucket = TokenBucket(1.0, 1, clock)
    assert bucket.take()
    assert not any(bucket.take() for _ in range(1000))
    clock.now += 1.0
    assert bucket.take()


def test_bucket_with_rate_zero_has_no_limit() -> None:
    bucket = TokenBucket(0, 1, Clock())
    assert all(bucket.take(1_000_000) for _ in range(1000))
    assert bucket.wait_time(1_000_000) == 0.0


def test_wait_for_more_than_the_burst_is_for_ever() -> None:
    assert TokenBucket(10.0, 5, Clock()).wait_time(6) == math.inf


def test_wait_time_is_what_is_missing() -> None:
    bucket = TokenBucket(10.0, 5, Clock())
    assert bucket.wait_time(5) == 0.0
    bucket.take(5)
    assert bucket.wait_time(2) == pytest.approx(0.2)


@pytest.mark.parametrize(("rate", "burst"), [(-1, 1), (1, 0), (1, -2)])
def test_bucket_refuses_senseless_arguments(rate: float, burst: float) -> None:
    with pytest.raises(ValueError, match="must be"):
        TokenBucket(rate, burst)


amounts = st.floats(0.0, 50.0)
gaps = st.floats(0.0, 20.0)


@given(
    rate=st.floats(0.01, 1000.0),
    burst=st.floats(0.5, 500.0),
    calls=st.lists(st.tuples(gaps, amounts), max_size=40),
)
def test_law_no_window_takes_more_than_burst_and_rate_allow(
    rate: float, burst: float, calls: list[tuple[float, float]]
) -> None:
    clock = Clock()
    bucket = TokenBucket(rate, burst, clock)
    taken: list[tuple[float, float]] = []
    for gap, amount in calls:
        clock.now += gap
        if bucket.take(amount):
            taken.append((clock.now, amount))
    for first in range(len(taken)):
        total = 0.0
        for moment, amount in taken[first:]:
            total += amount
            assert total <= burst + rate * (moment - taken[first][0] + 2e-6) + 1e-6


@given(
    rate=st.floats(0.01, 1000.0),
    burst=st.floats(1.0, 500.0),
    calls=st.lists(st.tuples(gaps, amounts), max_size=20),
)
def test_law_after_the_wait_time_the_take_succeeds(rate: float, burst: float, calls: list[tuple[float, float]]) -> None:
    clock = Clock()
    bucket = TokenBucket(rate, burst, clock)
    for gap, amount in calls:
        clock.now += gap
        bucket.take(amount)
    clock.now += bucket.wait_time(1.0)
    assert bucket.wait_time(1.0) == pytest.approx(0.0, abs=1e-6)
    assert bucket.take(1.0)


def test_bucket_survives_a_clock_that_stands_still_or_goes_back() -> None:
    clock = Clock()
    bucket = TokenBucket(1.0, 1, clock)
    assert bucket.take()
    clock.now -= 10.0
    assert not bucket.take()


def test_window_allows_the_limit_and_then_refuses() -> None:
    window = RateWindow(2, clock=Clock())
    assert [window.attempt("a") for _ in range(3)] == [True, True, False]
    assert window.attempt("b")


def test_refused_attempts_do_not_extend_the_window() -> None:
    clock = Clock()
    window = RateWindow(1, 60.0, clock=clock)
    assert window.attempt("a")
    for _ in range(59):
        clock.now += 1.0
        assert not window.attempt("a")
    clock.now += 1.0
    assert window.attempt("a")


def test_window_tells_how_long_to_wait() -> None:
    clock = Clock()
    window = RateWindow(2, 60.0, clock=clock)
    window.attempt("a")
    assert window.wait_time("a") == window.wait_time("unknown") == 0.0
    clock.now += 10.0
    window.attempt("a")
    assert window.wait_time("a") == pytest.approx(50.0)
    clock.now += 100.0
    assert window.wait_time("a") == 0.0


def test_window_with_limit_zero_has_no_limit_and_remembers_nobody() -> None:
    window = RateWindow(0, clock=Clock())
    assert all(window.attempt("a") for _ in range(1000))
    assert len(window) == 0
    assert window.wait_time("a") == 0.0


def test_window_forgets_keys_that_came_no_more() -> None:
    clock = Clock()
    window = RateWindow(5, 60.0, clock=clock)
    for number in range(100):
        window.attempt(str(number))
    clock.now += 60.0
    window.attempt("late")
    assert len(window) == 1


def test_window_remembers_at_most_max_keys() -> None:
    window = RateWindow(1, max_keys=3, clock=Clock())
    for key in "abcd":
        window.attempt(key)
    assert len(window) == 3
    assert window.attempt("a"), "the longest ago was forgotten"
    assert not window.attempt("d")


@pytest.mark.parametrize(("limit", "seconds", "keys"), [(-1, 60.0, 1), (1, 0.0, 1), (1, 60.0, 0)])
def test_window_refuses_senseless_arguments(limit: int, seconds: float, keys: int) -> None:
    with pytest.raises(ValueError, match="must be"):
        RateWindow(limit, seconds, max_keys=keys)


@given(
    limit=st.integers(1, 5),
    calls=st.lists(st.tuples(st.floats(0.0, 40.0), st.sampled_from("abc")), max_size=60),
)
def test_law_no_window_allows_more_than_its_limit(limit: int, calls: list[tuple[float, str]]) -> None:
    clock = Clock()
    window = RateWindow(limit, 60.0, clock=clock)
    allowed: dict[str, list[float]] = {"a": [], "b": [], "c": []}
    for gap, key in calls:
        clock.now += gap
        expected = len([moment for moment in allowed[key] if clock.now - moment < 60.0]) < limit
        assert (window.wait_time(key) == 0.0) is expected
        assert window.attempt(key) is expected
        if expected:
            allowed[key].append(clock.now)


@pytest.mark.parametrize(
    ("host", "key"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::1", "::/64"),
        ("testclient", "testclient"),
        ("", ""),
    ],
)
def test_client_key(host: str, key: str) -> None:
    assert client_key(host) == key


@given(st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1))
def test_law_hosts_of_one_64_share_a_key(first: int, second: int) -> None:
    prefix = 0x20010DB8 << 96
    hosts = [str(ipaddress.IPv6Address(prefix | low)) for low in (first, second)]
    assert client_key(hosts[0]) == client_key(hosts[1])
