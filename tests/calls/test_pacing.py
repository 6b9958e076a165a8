import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.calls.pacing import LEAD_SECONDS, Pacing

FRAME = 0.02


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def send(pacing: Pacing, clock: Clock, seconds: float = FRAME) -> float:
    """Wait as long as one must, then send; returns when."""
    clock.now += pacing.wait_time(seconds)
    pacing.sent(seconds)
    return clock.now


def test_the_lead_goes_out_at_once_and_then_frames_come_evenly():
    clock = Clock()
    pacing = Pacing(clock=clock)
    times = [send(pacing, clock) - 100 for _ in range(20)]
    assert times == pytest.approx([max(0, (n - 4) * FRAME) for n in range(20)])


def test_lateness_does_not_add_up():
    clock = Clock()
    pacing = Pacing(clock=clock)
    for n in range(1000):
        clock.now += 0.003 * (n % 7)  # what else the sender has to do
        send(pacing, clock)
    assert pacing.heard_at == pytest.approx(100 + 1000 * FRAME)


@given(st.lists(st.floats(0, 0.5), max_size=200), st.floats(0.02, 0.3))
def test_no_more_than_the_lead_waits_at_the_peer_and_none_is_lost(delays, lead):
    clock = Clock()
    pacing = Pacing(lead=lead, clock=clock)
    for delay in delays:
        clock.now += delay
        send(pacing, clock)
        assert pacing.heard_at - clock.now <= lead + 1e-9
    assert pacing.heard_at >= 100 + len(delays) * FRAME - 1e-9


def test_who_has_heard_all_is_not_hurried_to_make_up_for_it():
    clock = Clock()
    pacing = Pacing(clock=clock)
    for _ in range(5):
        send(pacing, clock)
    clock.now += 3
    times = [send(pacing, clock) for _ in range(10)]
    assert times[:5] == [103.0] * 5  # the lead again
    assert times[9] == pytest.approx(103 + 5 * FRAME)


def test_a_piece_longer_than_the_lead_goes_out_when_what_is_before_it_has_been_heard():
    clock = Clock()
    pacing = Pacing(clock=clock)
    assert [send(pacing, clock, 1.0) - 100 for _ in range(3)] == pytest.approx([0, 1, 2])


def test_what_was_cleared_is_not_waited_for():
    clock = Clock()
    pacing = Pacing(clock=clock)
    for _ in range(5):
        send(pacing, clock)
    assert pacing.until(pacing.heard_at) == pytest.approx(LEAD_SECONDS)
    pacing.clear()
    assert pacing.until(pacing.heard_at) == 0
    assert send(pacing, clock) == 100
