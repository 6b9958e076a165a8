from dataclasses import dataclass, field

import pytest

from app.runtime.message_clock import MessageClock
from tests.runtime.loop import Loop


@dataclass
class Setting:
    loop: Loop = field(default_factory=Loop)
    late: list[float] = field(default_factory=list)

    def clock(self) -> MessageClock:
        clock = MessageClock(self.loop, lambda: self.late.append(self.loop.now))  # type: ignore[arg-type]
        clock.deadline = 10.0
        return clock


@pytest.fixture
def setting() -> Setting:
    return Setting()


def test_message_that_is_not_completed_is_late_at_its_deadline(setting: Setting) -> None:
    setting.clock().run()
    setting.loop.pass_time(100.0)
    assert setting.late == [10.0]


def test_more_of_the_same_message_does_not_move_its_deadline(setting: Setting) -> None:
    clock = setting.clock()
    for _ in range(20):
        clock.run()
        setting.loop.pass_time(1.0)
    assert setting.late == [10.0]


def test_completed_message_leaves_no_timer_behind(setting: Setting) -> None:
    clock = setting.clock()
    clock.run()
    clock.reset()
    setting.loop.pass_time(100.0)
    assert setting.late == []
    assert setting.loop.timers == []


def test_next_message_has_its_own_deadline_from_the_same_timer(setting: Setting) -> None:
    clock = setting.clock()
    for _ in range(7):
        clock.run()
        setting.loop.pass_time(1.0)
        clock.reset()
    clock.run()
    assert len(setting.loop.timers) == 1
    setting.loop.pass_time(100.0)
    assert setting.late == [17.0]


def test_message_has_its_whole_time_after_a_time_in_which_nothing_was_read(setting: Setting) -> None:
    clock = setting.clock()
    clock.run()
    clock.stands_still = True
    setting.loop.pass_time(35.0)
    clock.go_on()
    setting.loop.pass_time(100.0)
    assert setting.late == [45.0]


def test_reading_on_between_messages_begins_none(setting: Setting) -> None:
    clock = setting.clock()
    clock.go_on()
    setting.loop.pass_time(100.0)
    assert setting.late == []


@pytest.mark.parametrize("begun", [True, False])
def test_cancelled_clock_is_never_late(setting: Setting, begun: bool) -> None:
    clock = setting.clock()
    if begun:
        clock.run()
    clock.cancel()
    setting.loop.pass_time(100.0)
    assert setting.late == []
