import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.accounts import throttle
from app.accounts.throttle import (
    ACCOUNT_FACTOR,
    ADDRESS_FACTOR,
    FORGET_SECONDS,
    MAX_ACCOUNT_WAIT_SECONDS,
    MAX_WAIT_SECONDS,
    Backoff,
    LoginThrottle,
)
from app.errors import RateLimited
from tests.accounts.clock import Clock

FREE = 5


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def logins(clock: Clock) -> LoginThrottle:
    return LoginThrottle(FREE, clock=clock)


def wait_of(logins: LoginThrottle, address: str, name: str) -> float:
    try:
        logins.check(address, name)
    except RateLimited as refused:
        return refused.retry_after
    return 0.0


def test_waits_double_up_to_a_bound(clock):
    backoff, waits = Backoff(2, longest=10.0, clock=clock), []
    for _ in range(8):
        backoff.fail("a")
        waits.append(backoff.wait("a"))
    assert waits == [0, 1, 2, 4, 8, 10, 10, 10]
    assert backoff.wait("b") == 0


def test_a_wait_passes(clock):
    backoff = Backoff(1, longest=60.0, clock=clock)
    backoff.fail("a")
    backoff.fail("a")
    clock.now += 1.5
    assert backoff.wait("a") == 0.5
    clock.now += 0.5
    assert backoff.wait("a") == 0


def test_a_count_is_forgotten_in_time(clock):
    backoff = Backoff(1, longest=60.0, clock=clock)
    for _ in range(9):
        backoff.fail("a")
    clock.now += FORGET_SECONDS
    assert backoff.failures("a") == 0
    backoff.fail("b")
    assert len(backoff) == 1


def test_a_stale_count_does_not_come_back_with_the_next_failure(clock):
    backoff = Backoff(1, longest=60.0, clock=clock)
    for _ in range(9):
        backoff.fail("a")
    clock.now += FORGET_SECONDS
    backoff.fail("a")
    assert backoff.failures("a") == 1


def test_counts_are_bounded_and_the_oldest_goes_first(clock, monkeypatch):
    monkeypatch.setattr(throttle, "MAX_KEYS", 3)
    backoff = Backoff(1, longest=60.0, clock=clock)
    for key in "abcad":
        backoff.fail(key)
    assert [backoff.failures(key) for key in "abcd"] == [2, 0, 1, 1]


def test_failures_are_taken_back(clock):
    backoff = Backoff(1, longest=60.0, clock=clock)
    for _ in range(3):
        backoff.fail("a")
    backoff.forgive("a", 2)
    assert backoff.failures("a") == 1
    backoff.forgive("a", 9)
    backoff.forgive("b", 1)
    assert len(backoff) == 0


def test_without_a_limit_nobody_waits(clock):
    logins = LoginThrottle(0, clock=clock)
    for _ in range(100):
        logins.begin("here", "ann")


@given(st.integers(1, 20), st.lists(st.floats(0.0, 100.0), max_size=60))
def test_law_nobody_ever_waits_longer_than_the_bound(free, gaps):
    clock = Clock()
    backoff = Backoff(free, longest=60.0, clock=clock)
    for gap in gaps:
        backoff.fail("a")
        assert 0 <= backoff.wait("a") <= 60.0
        clock.now += gap


def test_a_pair_waits_after_its_free_attempts_and_others_do_not(logins):
    for _ in range(FREE):
        logins.begin("here", "ann")
    assert wait_of(logins, "here", "ann") == 1
    with pytest.raises(RateLimited):
        logins.begin("here", "ann")
    assert wait_of(logins, "here", "bob") == wait_of(logins, "there", "ann") == 0


def test_what_is_refused_counts_nothing(logins, clock):
    for _ in range(FREE):
        logins.begin("here", "ann")
    for _ in range(50):
        with pytest.raises(RateLimited):
            logins.begin("here", "ann")
    clock.now += 1
    assert wait_of(logins, "here", "ann") == 0


def test_success_starts_anew(logins):
    for _ in range(FREE - 1):
        logins.begin("here", "ann")
    logins.begin("here", "ann")
    logins.succeed("here", "ann")
    for _ in range(FREE):
        logins.begin("here", "ann")


def test_an_attempt_that_was_not_judged_counts_nothing(logins):
    for _ in range(100):
        logins.begin("here", "ann")
        logins.undo("here", "ann")
    assert wait_of(logins, "here", "ann") == 0


def test_guessing_at_many_accounts_from_one_address_is_slowed(logins, clock):
    for number in range(FREE * ADDRESS_FACTOR):
        logins.begin("here", f"user {number}")
    assert wait_of(logins, "here", "somebody else") == 1
    assert wait_of(logins, "there", "somebody else") == 0
    for _ in range(20):
        clock.now += MAX_WAIT_SECONDS
        logins.begin("here", "somebody else")
    assert wait_of(logins, "here", "somebody else") == MAX_WAIT_SECONDS


def test_a_login_of_ones_own_does_not_make_guessing_at_others_free(logins):
    for number in range(FREE * ADDRESS_FACTOR):
        logins.begin("here", f"user {number}")
        if wait_of(logins, "here", "own") == 0:
            logins.begin("here", "own")
            logins.succeed("here", "own")
    assert wait_of(logins, "here", "own") == 1


def test_guessing_at_one_account_from_many_addresses_is_slowed(logins, clock):
    for number in range(FREE * ACCOUNT_FACTOR):
        logins.begin(f"address {number}", "ann")
    assert wait_of(logins, "another", "ann") == 1
    for number in range(20):
        clock.now += MAX_ACCOUNT_WAIT_SECONDS
        logins.begin(f"other {number}", "ann")
    assert wait_of(logins, "another", "ann") == MAX_ACCOUNT_WAIT_SECONDS


def test_others_do_not_keep_an_owner_out_who_has_been_here_before(logins):
    logins.begin("home", "ann")
    logins.succeed("home", "ann")
    for number in range(FREE * ACCOUNT_FACTOR):
        logins.begin(f"address {number}", "ann")
    assert wait_of(logins, "elsewhere", "ann") == 1
    assert wait_of(logins, "home", "ann") == 0


def test_known_pairs_are_bounded(logins, monkeypatch):
    monkeypatch.setattr(throttle, "MAX_KEYS", 2)
    for name in ("ann", "bob", "eve"):
        logins.begin("home", name)
        logins.succeed("home", name)
    assert len(logins._known) == 2
