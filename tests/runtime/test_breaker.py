import timeit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.runtime.breaker import Breaker, State


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breaker(clock: Clock) -> Breaker:
    return Breaker(failures=3, cool_down=10, max_cool_down=60, patience=30, clock=clock)


def fail(breaker: Breaker, times: int = 1) -> None:
    for _ in range(times):
        breaker.failed()


def test_a_new_one_admits_everything(breaker: Breaker) -> None:
    assert breaker.state is State.CLOSED
    assert all(breaker.admit() for _ in range(100))
    assert breaker.wait_time == 0


def test_failures_in_a_row_open_it(breaker: Breaker) -> None:
    fail(breaker, 2)
    assert breaker.admit()
    fail(breaker)
    assert breaker.state is State.OPEN
    assert not breaker.admit() and not breaker.is_admitting
    assert breaker.wait_time == 10


def test_a_success_between_failures_forgives_them(breaker: Breaker) -> None:
    fail(breaker, 2)
    breaker.succeeded()
    fail(breaker, 2)
    assert breaker.state is State.CLOSED


def test_after_its_time_one_attempt_is_admitted(breaker: Breaker, clock: Clock) -> None:
    fail(breaker, 3)
    clock.now += 9.999
    assert not breaker.admit()
    clock.now += 0.001
    assert breaker.state is State.HALF_OPEN
    assert breaker.admit()
    assert not breaker.admit()
    assert breaker.wait_time == 30


def test_a_success_closes_it(breaker: Breaker, clock: Clock) -> None:
    fail(breaker, 3)
    clock.now += 10
    assert breaker.admit()
    breaker.succeeded()
    assert breaker.state is State.CLOSED
    assert breaker.admit() and breaker.admit()


def test_each_failed_trial_doubles_the_time_up_to_a_bound(breaker: Breaker, clock: Clock) -> None:
    fail(breaker, 3)
    waits = []
    for _ in range(80):
        waits.append(breaker.wait_time)
        clock.now += breaker.wait_time
        assert breaker.admit()
        breaker.failed()
    assert waits[:5] == pytest.approx([10, 20, 40, 60, 60])
    assert waits[-1] == pytest.approx(60)


def test_a_success_brings_the_first_time_back(breaker: Breaker, clock: Clock) -> None:
    fail(breaker, 3)
    clock.now += 10
    breaker.failed()
    breaker.succeeded()
    fail(breaker, 3)
    assert breaker.wait_time == 10


def test_a_withdrawn_trial_makes_place_for_another(breaker: Breaker, clock: Clock) -> None:
    fail(breaker, 3)
    clock.now += 10
    assert breaker.admit()
    breaker.withdraw()
    assert breaker.state is State.HALF_OPEN
    assert breaker.admit()


def test_a_lost_trial_makes_place_after_some_time(breaker: Breaker, clock: Clock) -> None:
    fail(breaker, 3)
    clock.now += 10
    assert breaker.admit()
    clock.now += 29
    assert not breaker.admit()
    clock.now += 1
    assert breaker.admit()


def test_late_failures_do_not_prolong_it(breaker: Breaker, clock: Clock) -> None:
    fail(breaker, 3)
    clock.now += 5
    fail(breaker, 10)
    assert breaker.wait_time == 5


def test_it_can_be_opened_at_once(breaker: Breaker) -> None:
    breaker.trip()
    assert breaker.state is State.OPEN


@pytest.mark.parametrize(
    "bad", [{"failures": 0}, {"cool_down": 0}, {"cool_down": 10, "max_cool_down": 9}, {"patience": 0}]
)
def test_impossible_arguments_are_refused(bad: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must be"):
        Breaker(**bad)  # type: ignore[arg-type]


ACTS = st.sampled_from(["admit", "fail", "succeed", "withdraw", "wait"])


@given(st.lists(ACTS, max_size=60))
def test_what_it_says_it_does(acts: list[str]) -> None:
    clock = Clock()
    breaker = Breaker(failures=2, cool_down=1, max_cool_down=4, patience=2, clock=clock)
    for act in acts:
        match act:
            case "admit":
                promised, wait = breaker.is_admitting, breaker.wait_time
                assert breaker.admit() == promised == (wait == 0)
            case "fail":
                breaker.failed()
            case "succeed":
                breaker.succeeded()
                assert breaker.state is State.CLOSED
            case "withdraw":
                breaker.withdraw()
            case "wait":
                clock.now += 0.5
        assert 0 <= breaker.wait_time <= 4


def test_a_refusal_costs_microseconds() -> None:
    breaker = Breaker()
    breaker.trip()
    assert min(timeit.repeat(breaker.admit, number=1000, repeat=5)) / 1000 < 50e-6
