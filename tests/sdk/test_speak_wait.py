from collections.abc import Sequence

import pytest

from app.sdk.errors import NotConnected
from app.sdk.speak import GenerationFailed, NotFound, RateLimited, ServerFailed, Status, Take
from app.sdk.speak_take import read_take
from app.sdk.speak_wait import MAX_FAILURES, Waiting
from tests.sdk.fake_speak import take

pytestmark = pytest.mark.anyio


class Story:
    """Takes that come on with every question, and time that passes only in sleeps."""

    def __init__(self, **takes: list[str]) -> None:
        self.takes = takes
        self.asked: list[list[str]] = []
        self.slept: list[float] = []
        self.failures: list[Exception] = []
        self.now = 0.0
        self.waiting = Waiting(
            self.find, lambda take: take.take_id, sleep=self.sleep, clock=lambda: self.now, rng=lambda: 0.0
        )

    async def find(self, ids: Sequence[str]) -> list[Take]:
        self.asked.append(list(ids))
        if self.failures:
            raise self.failures.pop(0)
        found = [(id, self.takes[id]) for id in ids if id in self.takes]
        return [read_take(take(states.pop(0) if len(states) > 1 else states[0], take_id=id)) for id, states in found]

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    async def ends(self, *ids: str, timeout: float | None = None) -> list[Status]:
        return [take.status for take in await self.waiting.until_done(ids, timeout=timeout, on_status=None)]


async def test_what_is_ready_is_not_waited_for() -> None:
    story = Story(t1=["ready"])

    assert await story.ends("t1") == [Status.READY]
    assert not story.slept


async def test_it_asks_more_and_more_rarely_and_sooner_when_something_moves() -> None:
    story = Story(t1=["started"] * 7 + ["progress_50", "ready"])

    await story.ends("t1")

    assert story.slept == [0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0, 0.1]


async def test_only_those_that_are_not_done_are_asked_for() -> None:
    story = Story(t1=["ready"], t2=["started", "ready"], t3=["waiting", "started", "ready"])

    assert await story.ends("t3", "t1", "t2") == [Status.READY] * 3
    assert story.asked == [["t3", "t1", "t2"], ["t3", "t2"], ["t3"]]


async def test_every_change_is_told_once() -> None:
    told: list[str] = []
    story = Story(t1=["waiting", "waiting", "started", "ready"])

    await story.waiting.until_done(["t1"], timeout=None, on_status=lambda take: told.append(take.status))

    assert told == ["waiting", "started", "ready"]


@pytest.mark.parametrize("status", ["error", "timeout"])
async def test_a_failure_is_told_when_all_are_done(status: str) -> None:
    story = Story(t1=[status], t2=["started", "ready"])

    with pytest.raises(GenerationFailed, match=status):
        await story.ends("t1", "t2")

    assert story.takes["t2"] == ["ready"]


async def test_the_time_may_run_out() -> None:
    story = Story(t1=["started"])

    with pytest.raises(TimeoutError, match="t1"):
        await story.ends("t1", timeout=5.0)

    assert sum(story.slept) == pytest.approx(5.0)


async def test_what_disappears_is_not_found() -> None:
    story = Story(t1=["started"], t2=["ready"])
    waiting = story.ends("t1", "t2")
    del story.takes["t1"]

    with pytest.raises(NotFound, match="t1"):
        await waiting


async def test_a_server_that_cannot_answer_now_is_asked_again() -> None:
    story = Story(t1=["ready"])
    story.failures = [NotConnected("gone"), ServerFailed("500", "", {}), RateLimited("429", "", {"retry_after": 9.0})]

    assert await story.ends("t1") == [Status.READY]
    assert story.slept == [0.2, 0.4, 9.0]


async def test_a_server_that_stays_away_is_given_up() -> None:
    story = Story(t1=["ready"])
    story.failures = [NotConnected("gone")] * 100

    with pytest.raises(NotConnected):
        await story.ends("t1")

    assert len(story.asked) == MAX_FAILURES
