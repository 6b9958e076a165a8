import threading
from contextlib import contextmanager

import pytest

from app.lipsync.errands import THREAD_NAME, Errands
from app.lipsync.handover import Stopped
from tests.lipsync.performers import Broken

GO_ON = threading.Event()


class Hanging:
    """Work that goes on until it is let go."""

    def __init__(self) -> None:
        self.begun, self.go_on = threading.Event(), threading.Event()

    def __call__(self) -> str:
        self.begun.set()
        assert self.go_on.wait(30)
        return "done"


def errands_left() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == THREAD_NAME]


def stopped_once(begun: threading.Event) -> threading.Event:
    """An event that is set as soon as the work has begun."""
    stop = threading.Event()
    threading.Thread(target=lambda: begun.wait(30) and stop.set()).start()
    return stop


@contextmanager
def nothing_is_left():
    yield
    for thread in errands_left():
        thread.join(30)
    assert errands_left() == []


def test_work_returns_what_it_has_made():
    assert Errands(1).run(lambda: 7, GO_ON) == 7
    assert Errands(1).run(lambda: None, GO_ON) is None


def test_what_work_meets_is_raised_and_its_place_is_free_again():
    errands = Errands(1)

    def fail():
        raise Broken("no more")

    for _ in range(2):
        with pytest.raises(Broken, match="no more"):
            errands.run(fail, GO_ON)


def test_who_leaves_does_not_wait_and_what_was_made_is_handed_on():
    work, kept = Hanging(), []
    with nothing_is_left():
        with pytest.raises(Stopped):
            Errands(1).run(work, stopped_once(work.begun), unwanted=kept.append)
        assert kept == [] and len(errands_left()) == 1  # it had not ended when its caller left
        work.go_on.set()
    assert kept == ["done"]


def test_what_is_wanted_is_not_handed_on():
    kept = []
    with nothing_is_left():
        assert Errands(1).run(lambda: 7, GO_ON, unwanted=kept.append) == 7
    assert kept == []


def test_what_fails_when_nobody_waits_is_nobodys_trouble():
    work = Hanging()

    def fail():
        work()
        raise Broken("nobody hears")

    with nothing_is_left():
        with pytest.raises(Stopped):
            Errands(1).run(fail, stopped_once(work.begun))
        work.go_on.set()


def test_there_are_never_more_threads_than_places_and_who_waits_for_one_may_leave():
    errands, first = Errands(1), Hanging()
    with nothing_is_left():
        with pytest.raises(Stopped):
            errands.run(first, stopped_once(first.begun))
        stop, begun = threading.Event(), []
        stop.set()
        with pytest.raises(Stopped):
            errands.run(lambda: begun.append(1), stop)
        assert begun == [] and len(errands_left()) == 1
        first.go_on.set()
    assert errands.run(lambda: "next", GO_ON) == "next"


def test_the_next_one_gets_the_place_when_it_is_free():
    errands, first, told = Errands(1), Hanging(), []
    with nothing_is_left():
        with pytest.raises(Stopped):
            errands.run(first, stopped_once(first.begun))
        waiting = threading.Thread(target=lambda: told.append(errands.run(lambda: "next", GO_ON)))
        waiting.start()
        first.go_on.set()
        waiting.join(30)
    assert told == ["next"]
