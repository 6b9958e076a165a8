import math
from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from app.runtime.pulse import Due, Pulse

START = 1000.0


def pulse(idle: float = 300.0, heartbeat: float = 30.0) -> Pulse:
    return Pulse(START, idle_timeout=idle, heartbeat_interval=heartbeat)


def test_nothing_is_due_at_first() -> None:
    assert pulse().due(START, busy=False) is None
    assert pulse().next_at(busy=False) == START + 30.0


def test_a_heartbeat_is_due_when_nobody_has_said_anything() -> None:
    assert pulse().due(START + 29.9, busy=False) is None
    assert pulse().due(START + 30.0, busy=False) is Due.HEARTBEAT


def test_a_message_in_either_direction_puts_the_heartbeat_off() -> None:
    quiet = pulse()
    quiet.received(START + 20.0)
    assert quiet.due(START + 49.9, busy=False) is None
    quiet.sent(START + 40.0)
    assert quiet.due(START + 69.9, busy=False) is None
    assert quiet.due(START + 70.0, busy=False) is Due.HEARTBEAT


def test_the_end_of_a_job_puts_no_heartbeat_off() -> None:
    quiet = pulse()
    quiet.job_ended(START + 20.0)
    assert quiet.due(START + 30.0, busy=False) is Due.HEARTBEAT


def test_nothing_is_due_while_a_request_is_worked_on() -> None:
    assert pulse().due(START + 10_000.0, busy=True) is None
    assert pulse().next_at(busy=True) == math.inf


def test_idle_counts_from_the_last_message_received() -> None:
    quiet = pulse(heartbeat=0.0)
    quiet.received(START + 100.0)
    assert quiet.due(START + 399.9, busy=False) is None
    assert quiet.due(START + 400.0, busy=False) is Due.IDLE


def test_idle_counts_from_the_end_of_the_last_job() -> None:
    quiet = pulse(heartbeat=0.0)
    quiet.received(START + 100.0)
    quiet.job_ended(START + 250.0)
    assert quiet.next_at(busy=False) == START + 550.0
    assert quiet.due(START + 550.0, busy=False) is Due.IDLE


def test_what_the_server_sends_keeps_no_session_alive() -> None:
    quiet = pulse()
    quiet.sent(START + 290.0)
    assert quiet.due(START + 300.0, busy=False) is Due.IDLE


def test_idle_comes_before_a_heartbeat() -> None:
    assert pulse(idle=30.0, heartbeat=30.0).due(START + 30.0, busy=False) is Due.IDLE


def test_zero_turns_a_timer_off() -> None:
    assert pulse(heartbeat=0.0).next_at(busy=False) == START + 300.0
    assert pulse(idle=0.0).due(START + 1e9, busy=False) is Due.HEARTBEAT
    assert pulse(idle=0.0, heartbeat=0.0).due(START + 1e9, busy=False) is None
    assert pulse(idle=0.0, heartbeat=0.0).next_at(busy=False) == math.inf


timers = st.sampled_from([0.0, 0.1, 1 / 3, 30.0, 300.0])
events = st.lists(st.tuples(st.sampled_from([Pulse.received, Pulse.sent, Pulse.job_ended]), st.floats(0.0, 100.0)))


@given(idle=timers, heartbeat=timers, happened=events)
def test_law_something_is_due_exactly_at_the_time_that_is_told(
    idle: float, heartbeat: float, happened: list[tuple[Callable[[Pulse, float], None], float]]
) -> None:
    now = START
    quiet = pulse(idle, heartbeat)
    for event, seconds in happened:
        now += seconds
        event(quiet, now)
    told = quiet.next_at(busy=False)
    assert told == math.inf or quiet.due(told, busy=False) is not None
    assert quiet.due(math.nextafter(told, 0.0), busy=False) is None
