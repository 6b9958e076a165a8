import asyncio
import random
import statistics
from collections.abc import Callable, Hashable
from contextlib import AbstractAsyncContextManager
from itertools import count
from types import TracebackType
from typing import Any

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.errors import Expired, QueueFull
from app.runtime.queue import Priority, WaitingLine
from tests.fakes import VIRTUAL_TIME, settle

pytestmark = pytest.mark.anyio

NORMAL, PAID, SYSTEM = Priority.NORMAL, Priority.PAID, Priority.SYSTEM


@pytest.fixture
def anyio_backend() -> object:
    return VIRTUAL_TIME


class Job:
    """One job in the hand of a test: it holds its turn until it is told to end."""

    def __init__(self, line: WaitingLine, client: Hashable, priority: Priority, size: float) -> None:
        self.client = client
        self.priority = priority
        self.size = size
        self.state = "new"
        self.error: QueueFull | None = None
        self.fails = False
        self.then: Callable[[], object] = lambda: None
        self._line = line
        self._scope = anyio.CancelScope()
        self._told = anyio.Event()
        self._task: asyncio.Task[object] | None = None

    async def run(self) -> None:
        self._task = asyncio.current_task()
        self.state = "waiting"
        try:
            with self._scope:
                await self._take_turn()
        except QueueFull as error:
            self.state, self.error = "refused", error
        except asyncio.CancelledError:
            self.state = "cancelled"
        except ZeroDivisionError:
            self.state = "failed"
        if self._scope.cancelled_caught:
            self.state = "cancelled"

    async def _take_turn(self) -> None:
        async with self._line.turn(self.client, priority=self.priority, size=self.size):
            self.state = "running"
            await self._told.wait()
            self.state = "done"
            if self.fails:
                raise ZeroDivisionError
        self.then()

    def end(self) -> None:
        self._told.set()

    def fail(self) -> None:
        self.fails = True
        self.end()

    def cancel(self) -> None:
        self._scope.cancel()

    def cancel_natively(self) -> None:
        # As a framework without scopes does. Only so does a cancellation come between the grant and the waking: a
        # cancel scope waits until the task has woken.
        assert self._task is not None
        self._task.cancel()


class Stage:
    """A line and its jobs, in the order in which they came."""

    def __init__(self, *, concurrency: int = 1, depth: int = 0, clock: Callable[[], float] = lambda: 0.0) -> None:
        self.line = WaitingLine(concurrency=concurrency, depth=depth, clock=clock)
        self.jobs: list[Job] = []
        self._group = anyio.create_task_group()

    async def __aenter__(self) -> "Stage":
        await self._group.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        self._group.cancel_scope.cancel()
        result = await self._group.__aexit__(kind, error, trace)
        assert self.line.running == self.line.waiting == 0
        return result

    def come(self, client: Hashable, priority: Priority = NORMAL, size: float = 1.0) -> Job:
        """Start a job; it comes to the line as soon as the caller waits."""
        job = Job(self.line, client, priority, size)
        self._group.start_soon(job.run)
        self.jobs.append(job)
        return job

    async def enter(self, *clients: Hashable, priority: Priority = NORMAL, size: float = 1.0) -> list[Job]:
        jobs = [self.come(client, priority, size) for client in clients]
        await settle()
        return jobs

    def these(self, state: str) -> list[Job]:
        return [job for job in self.jobs if job.state == state]

    async def end(self, job: Job) -> None:
        job.end()
        await settle()

    async def play_out(self) -> list[Job]:
        """End one running job after another until none is left; returns the others in the order of their turns."""
        granted: list[Job] = []
        while running := self.these("running"):
            waiting = set(self.these("waiting"))
            await self.end(running[0])
            granted += waiting - set(self.these("waiting"))
        return granted

    async def clients_in_turn(self) -> str:
        return "".join(str(job.client) for job in await self.play_out())


async def test_no_more_turns_than_concurrency() -> None:
    async with Stage(concurrency=2) as stage:
        await stage.enter(*"abcde")
        assert (stage.line.running, stage.line.waiting) == (2, 3)
        assert len(stage.these("running")) == 2
        await stage.end(stage.jobs[0])
        assert (stage.line.running, stage.line.waiting) == (2, 2)


async def test_clients_take_turns_and_keep_their_own_order() -> None:
    async with Stage() as stage:
        await stage.enter(*"xaaabbc")
        granted = await stage.play_out()
        assert "".join(str(job.client) for job in granted) == "abcaba"
        assert [job for job in granted if job.client == "a"] == stage.jobs[1:4]


async def test_a_higher_class_goes_first() -> None:
    async with Stage() as stage:
        await stage.enter(*"xnn")
        await stage.enter("m", priority=Priority.MODERATOR)
        await stage.enter("p", priority=PAID)
        await stage.enter("s", priority=SYSTEM)
        assert await stage.clients_in_turn() == "spmnn"


async def test_batches_go_when_nobody_else_waits() -> None:
    async with Stage() as stage:
        await stage.enter(*"x")
        await stage.enter(*"bb", priority=Priority.BATCH)
        await stage.enter(*"nn")
        assert await stage.clients_in_turn() == "nnbb"


async def test_one_client_may_wait_in_two_classes() -> None:
    async with Stage() as stage:
        await stage.enter(*"xab")
        await stage.enter("b", priority=PAID)
        assert (stage.line.position("b"), stage.line.position("a")) == (1, 2)
        assert await stage.clients_in_turn() == "bab"


async def test_who_comes_again_goes_behind_the_others() -> None:
    async with Stage() as stage:
        await stage.enter(*"abc")
        await stage.end(stage.jobs[0])
        await stage.enter("a")
        assert await stage.clients_in_turn() == "ca"


async def test_a_full_line_refuses_and_says_when_to_come_again() -> None:
    now = 0.0
    async with Stage(concurrency=2, depth=1, clock=lambda: now) as stage:
        first, *_ = await stage.enter("a", "b", "c")
        (refused,) = await stage.enter("d")
        assert refused.error is not None
        assert refused.error.retry_after is None
        now = 3.0
        await stage.end(first)
        await stage.enter("e")
        (refused,) = await stage.enter("f")
        assert refused.error is not None
        assert refused.error.retry_after == 1.5


async def test_a_higher_class_displaces_the_newest_of_the_longest_in_the_lowest() -> None:
    async with Stage(depth=5) as stage:
        await stage.enter("x")
        await stage.enter("m", priority=Priority.MODERATOR)
        *_, newest, _ = await stage.enter(*"abbc")
        (paid,) = await stage.enter("p", priority=PAID)
        assert (newest.state, paid.state, stage.line.waiting) == ("refused", "waiting", 5)
        assert newest.error is not None
        assert "displaced" in str(newest.error)
        assert await stage.clients_in_turn() == "pmabc"


async def test_a_lower_class_displaces_nobody() -> None:
    async with Stage(depth=2) as stage:
        await stage.enter(*"xpp", priority=PAID)
        (normal,) = await stage.enter("n")
        assert normal.state == "refused"
        assert await stage.clients_in_turn() == "pp"


@pytest.mark.parametrize(("before", "newcomer", "displaced"), [("aab", "c", "a"), ("abc", "d", ""), ("aaab", "b", "a")])
async def test_an_equal_displaces_only_who_has_two_jobs_more(before: str, newcomer: str, displaced: str) -> None:
    async with Stage(depth=len(before)) as stage:
        await stage.enter("x", *before)
        (job,) = await stage.enter(newcomer)
        assert [refused.client for refused in stage.these("refused")] == [displaced or newcomer]
        assert job.state == ("waiting" if displaced else "refused")


async def test_the_flooding_client_displaces_nobody() -> None:
    async with Stage(depth=3) as stage:
        await stage.enter(*"xaab")
        (job,) = await stage.enter("a")
        assert job.state == "refused"


async def test_cancelling_the_wait_leaves_the_line() -> None:
    async with Stage() as stage:
        *_, second, _ = await stage.enter(*"xabc")
        second.cancel()
        await settle()
        assert (second.state, stage.line.waiting, stage.line.position("c")) == ("cancelled", 2, 2)
        assert await stage.clients_in_turn() == "ac"


@pytest.mark.parametrize("natively", [False, True])
async def test_cancelling_in_the_moment_of_the_grant_loses_no_turn(natively: bool) -> None:
    async with Stage() as stage:
        first, second, third = await stage.enter(*"abc")
        first.then = second.cancel_natively if natively else second.cancel
        await stage.end(first)
        assert (second.state, third.state, stage.line.running) == ("cancelled", "running", 1)


@pytest.mark.parametrize("natively", [False, True])
async def test_cancelling_in_the_moment_of_displacement_changes_nothing(natively: bool) -> None:
    async with Stage(depth=2) as stage:
        _, first, newest = await stage.enter(*"xaa")
        paid = stage.come("p", PAID)
        asyncio.get_running_loop().call_soon(newest.cancel_natively if natively else newest.cancel)
        await settle()
        assert newest.state == ("cancelled" if natively else "refused")
        assert stage.these("waiting") == [first, paid]
        assert stage.line.waiting == 2


async def test_a_held_client_is_passed_over_until_it_is_let_go() -> None:
    async with Stage() as stage:
        first, *_ = await stage.enter(*"xaabb")
        stage.line.hold("a")
        assert (stage.line.position("b"), stage.line.position("a")) == (1, 1)
        assert await stage.clients_in_turn() == "bb"
        assert (stage.line.running, stage.line.waiting) == (0, 2)
        stage.line.let_go("a")
        await settle()
        assert await stage.clients_in_turn() == "a"


async def test_a_held_client_does_not_start_even_when_nobody_else_does() -> None:
    async with Stage() as stage:
        stage.line.hold("a")
        (held,) = await stage.enter("a")
        (other,) = await stage.enter("b")
        assert (held.state, other.state) == ("waiting", "running")
        stage.line.let_go("nobody")
        await stage.end(other)
        assert held.state == "waiting"
        stage.line.let_go("a")
        await settle()
        assert held.state == "running"


async def test_holding_stops_no_turn_that_is_taken() -> None:
    async with Stage() as stage:
        (job,) = await stage.enter("a")
        stage.line.hold("a")
        assert job.state == "running"
        await stage.end(job)
        assert job.state == "done"


async def test_the_average_follows_the_turns_that_were_completed() -> None:
    now = 0.0
    async with Stage(clock=lambda: now) as stage:
        first, second, failing, cancelled = await stage.enter(*"aaaa")
        assert stage.line.average_seconds is None
        now = 10.0
        await stage.end(first)
        assert stage.line.average_seconds == 10.0
        now = 30.0
        await stage.end(second)
        assert stage.line.average_seconds == 15.0
        now = 1000.0
        failing.fail()
        await settle()
        now = 2000.0
        cancelled.cancel()
        await settle()
        assert (failing.state, cancelled.state) == ("failed", "cancelled")
        assert stage.line.average_seconds == 15.0


async def test_nobody_who_does_not_wait_has_a_position() -> None:
    async with Stage() as stage:
        await stage.enter("a")
        assert stage.line.position("a") is None
        assert stage.line.position("b") is None


async def test_the_wait_is_nothing_while_a_turn_is_free_and_unknown_before_the_first() -> None:
    async with Stage() as stage:
        assert stage.line.estimated_wait("a") == 0.0
        stage.line.hold("held")
        await stage.enter("held")
        assert stage.line.estimated_wait("a") == 0.0
        await stage.enter("a")
        assert stage.line.estimated_wait("b") is None


async def test_the_wait_counts_what_the_running_turns_have_done() -> None:
    now = 0.0
    async with Stage(concurrency=2, clock=lambda: now) as stage:
        first, *_ = await stage.enter(*"abc")
        now = 10.0
        await stage.end(first)  # c starts; b has run for 10 s, which is the average: it is done any moment
        await stage.enter("d", "e")
        now = 14.0
        assert stage.line.estimated_wait("d") == 0.0
        assert stage.line.estimated_wait("e") == 6.0


async def test_the_wait_goes_by_the_sizes_of_those_ahead() -> None:
    now = 0.0
    async with Stage(clock=lambda: now) as stage:
        for size in (1.0, 3.0):
            async with stage.line.turn("before", size=size):
                now += 10 * size
        await stage.enter("running")
        await stage.enter("long", size=6.0)
        await stage.enter("short", size=0.5)
        assert stage.line.estimated_wait("short") == pytest.approx(10 + 60)
        assert stage.line.estimated_wait("newcomer") == pytest.approx(10 + 60 + 5)


async def test_a_newcomer_goes_second_behind_a_flood_and_is_told_so() -> None:
    now = 0.0
    async with Stage(clock=lambda: now) as stage:
        first, *_ = await stage.enter("x", *["flood"] * 100)
        now = 1.0
        await stage.end(first)
        assert stage.line.estimated_wait("viewer") == 2.0
        assert stage.line.estimated_wait("viewer", priority=PAID) == 1.0
        await stage.enter("viewer")
        assert stage.line.position("viewer") == 2
        assert stage.line.estimated_wait("viewer") == 2.0


class NaiveLine:
    """The four rules as plainly as can be: a list of waiting jobs, searched from end to end each time.

    "In turn" is said with stamps: a client's stamp in a class is when it began to wait there or was last served.
    """

    def __init__(self, concurrency: int, depth: int) -> None:
        self.concurrency, self.depth = concurrency, depth
        self.waiting: list[Job] = []
        self.running: list[Job] = []
        self.refused: list[Job] = []
        self.held: set[Hashable] = set()
        self._stamps: dict[tuple[Priority, Hashable], int] = {}
        self._counter = count()

    def enter(self, job: Job) -> None:
        if len(self.running) < self.concurrency and job.client not in self.held:
            self.running.append(job)
            return
        if self.depth and len(self.waiting) == self.depth:
            victim = self._victim(job)
            self.refused.append(victim or job)
            if victim is None:
                return
            self.leave(victim)
        self.waiting.append(job)
        self._stamps.setdefault((job.priority, job.client), next(self._counter))

    def finish(self, job: Job) -> None:
        self.running.remove(job)
        self.grant()

    def leave(self, job: Job) -> None:
        self.waiting.remove(job)
        if not self._jobs_beside(job):
            del self._stamps[job.priority, job.client]

    def grant(self) -> None:
        while len(self.running) < self.concurrency and (job := self.next()):
            self.leave(job)
            if self._jobs_beside(job):
                self._stamps[job.priority, job.client] = next(self._counter)
            self.running.append(job)

    def next(self) -> Job | None:
        able = [job for job in self.waiting if job.client not in self.held]
        return min(able, key=lambda job: (job.priority, self._stamps[job.priority, job.client]), default=None)

    def position(self, client: Hashable) -> int | None:
        """Count the grants until the client's; ends the line."""
        if client not in [job.client for job in self.waiting]:
            return None
        self.held.discard(client)
        self.running, self.concurrency = [], 1
        for grants in count(1):
            self.grant()
            if self.running.pop().client == client:
                return grants
        raise AssertionError

    def copy(self) -> "NaiveLine":
        other = NaiveLine(self.concurrency, self.depth)
        other.waiting, other.held, other._stamps = [*self.waiting], {*self.held}, {**self._stamps}
        other._counter = count(next(self._counter))
        return other

    def _jobs_beside(self, job: Job) -> list[Job]:
        return [other for other in self.waiting if (other.priority, other.client) == (job.priority, job.client)]

    def _victim(self, newcomer: Job) -> Job | None:
        lowest = max(job.priority for job in self.waiting)
        class_ = [job for job in self.waiting if job.priority == lowest]
        longest = max(class_, key=lambda job: (len(self._jobs_beside(job)), -self._stamps[lowest, job.client]))
        own = sum(job.client == newcomer.client for job in class_)
        equal_but_fairer = lowest == newcomer.priority and len(self._jobs_beside(longest)) >= own + 2
        return self._jobs_beside(longest)[-1] if lowest > newcomer.priority or equal_but_fairer else None


class Twins:
    """The line and its naive model, told the same things."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.naive = NaiveLine(stage.line.concurrency, stage.line.depth)

    def enter(self, client: int, priority: Priority) -> None:
        self.naive.enter(self.stage.come(client, priority))

    def finish(self, which: int) -> Job | None:
        if not self.naive.running:
            return None
        job = self.naive.running[which % len(self.naive.running)]
        self.naive.finish(job)
        job.end()
        return job

    def cancel(self, which: int) -> None:
        jobs = self.naive.waiting + self.naive.running
        if not jobs:
            return
        job = jobs[which % len(jobs)]
        job.cancel()
        self.naive.finish(job) if job in self.naive.running else self.naive.leave(job)

    def finish_and_cancel_who_follows(self, which: int, natively: bool) -> None:
        follower = self.naive.next()
        job = self.finish(which)
        if job is not None and follower is not None:
            job.then = follower.cancel_natively if natively else follower.cancel
            self.naive.finish(follower)

    def hold(self, client: int) -> None:
        self.naive.held.add(client)
        self.stage.line.hold(client)

    def let_go(self, client: int) -> None:
        self.naive.held.discard(client)
        self.naive.grant()
        self.stage.line.let_go(client)

    def compare(self) -> None:
        line, naive = self.stage.line, self.naive
        assert line.running == len(naive.running) <= line.concurrency
        assert line.waiting == len(naive.waiting) <= (line.depth or line.waiting)
        assert set(self.stage.these("running")) == set(naive.running)
        assert self.stage.these("waiting") == naive.waiting
        assert set(self.stage.these("refused")) == set(naive.refused)
        assert [line.position(client) for client in range(5)] == [naive.copy().position(client) for client in range(5)]


clients = st.integers(0, 3)
priorities = st.sampled_from([NORMAL, NORMAL, PAID, SYSTEM])
steps = st.one_of(
    st.tuples(st.just(Twins.enter), clients, priorities),
    st.tuples(st.just(Twins.enter), clients, st.just(NORMAL)),
    st.tuples(st.just(Twins.finish), st.integers(0, 9)),
    st.tuples(st.just(Twins.cancel), st.integers(0, 9)),
    st.tuples(st.just(Twins.finish_and_cancel_who_follows), st.integers(0, 9), st.booleans()),
    st.tuples(st.just(Twins.hold), clients),
    st.tuples(st.just(Twins.let_go), clients),
)


@given(concurrency=st.integers(1, 3), depth=st.integers(0, 4), script=st.lists(steps, max_size=30))
@settings(deadline=None, max_examples=300)
async def test_law_the_line_does_what_its_rules_say(
    concurrency: int, depth: int, script: list[tuple[Any, ...]]
) -> None:
    async with Stage(concurrency=concurrency, depth=depth) as stage:
        twins = Twins(stage)
        for do, *arguments in script:
            do(twins, *arguments)
            await settle()
            twins.compare()


@given(crowd=st.lists(st.tuples(clients, priorities), max_size=20), held=st.sets(clients, max_size=2))
@settings(deadline=None)
async def test_law_the_position_is_the_number_of_grants(crowd: list[tuple[int, Priority]], held: set[int]) -> None:
    async with Stage() as stage:
        await stage.enter("first")
        for client, priority in crowd:
            await stage.enter(client, priority=priority)
        for client in held:
            stage.line.hold(client)
        told = {client: stage.line.position(client) for client in range(4) if client not in held}
        granted = [job.client for job in await stage.play_out()]
        assert told == {client: granted.index(client) + 1 if client in granted else None for client in told}


@given(
    concurrency=st.integers(1, 3),
    jobs=st.lists(st.tuples(clients, priorities, st.floats(0.95, 1.05)), min_size=4, max_size=30),
    by_size=st.booleans(),
    sizes=st.randoms(use_true_random=False),
)
@settings(deadline=None)
async def test_law_the_estimated_wait_of_steady_jobs_comes_true(
    concurrency: int, jobs: list[tuple[int, Priority, float]], by_size: bool, sizes: random.Random
) -> None:
    line = WaitingLine(concurrency=concurrency, depth=0, clock=anyio.current_time)
    started: list[tuple[float, int]] = []
    for size in (1.0, 10.0) if by_size else ():
        async with line.turn("before", size=size):
            await anyio.sleep(0.5 + 0.1 * size)

    async def speak(client: int, priority: Priority, noise: float) -> None:
        size = sizes.uniform(1, 10) if by_size else 5.0
        async with line.turn(client, priority=priority, size=size):
            started.append((anyio.current_time(), client))
            await anyio.sleep(noise * (0.5 + 0.1 * size))

    async with anyio.create_task_group() as group:
        for job in jobs:
            group.start_soon(speak, *job)
        await anyio.sleep(1.5)
        now = anyio.current_time()
        estimates = {client: line.estimated_wait(client) for client in range(4) if line.position(client)}
    for client, estimate in estimates.items():
        waited = min(moment for moment, who in started if who == client and moment > now) - now
        # The jobs and their estimates differ by 10 % at most, so short waits are off by 10 % of a job, too.
        assert estimate == pytest.approx(waited, rel=0.3, abs=0.15)


Entrance = Callable[[Hashable], AbstractAsyncContextManager[object]]


async def median_of_viewers(enter: Entrance, *, flood: int) -> float:
    """Return the median seconds from a viewer's line to its end: nine viewers, five lines each, jobs of 20 ms."""
    rng = random.Random(20)
    waits: list[float] = []

    async def job(client: Hashable, comes_at: float) -> None:
        await anyio.sleep(comes_at)
        async with enter(client):
            await anyio.sleep(0.020)
        if client != "spammer":
            waits.append(anyio.current_time() - comes_at - began_at)

    began_at = anyio.current_time()
    async with anyio.create_task_group() as group:
        for _ in range(flood):
            group.start_soon(job, "spammer", 0.0)
        for viewer in range(9):
            for _ in range(5):
                group.start_soon(job, viewer, rng.uniform(0.001, 2.0))
    return statistics.median(waits)


async def test_a_flood_of_one_does_not_delay_the_others() -> None:
    def line() -> Entrance:
        return WaitingLine(concurrency=2, depth=0, clock=anyio.current_time).turn

    semaphore = anyio.Semaphore(2)
    undisturbed = await median_of_viewers(line(), flood=0)
    fair = await median_of_viewers(line(), flood=200)
    first_come_first_served = await median_of_viewers(lambda client: semaphore, flood=200)
    assert fair <= 2 * undisturbed
    assert first_come_first_served >= 25 * fair


# Patience and rounds


async def test_who_waits_longer_than_its_patience_leaves() -> None:
    line = WaitingLine(concurrency=1, depth=0)
    async with line.turn("first"):
        with pytest.raises(Expired, match="after waiting 2 s"):
            async with line.turn("second", patience=2.0):
                pass
        assert line.waiting == 0


async def test_patience_ends_with_the_wait() -> None:
    line = WaitingLine(concurrency=1, depth=0)
    async with line.turn("first", patience=1.0):
        await anyio.sleep(10)
    assert line.running == 0


async def test_a_round_counts_clients_and_not_jobs() -> None:
    now = [0.0]
    line = WaitingLine(concurrency=2, depth=0, clock=lambda: now[0])
    assert line.round_seconds is None
    async with line.turn("x"):
        now[0] = 4.0
    assert line.round_seconds == 0.0
    async with anyio.create_task_group() as group, line.turn("a"), line.turn("b"):
        for client in "cccd":
            group.start_soon(pass_through, line, client)
        await settle()
        assert (line.waiting, line.round_seconds) == (4, 2 * 4.0 / 2)


async def test_a_round_is_of_those_who_listen() -> None:
    now = [0.0]
    line = WaitingLine(concurrency=1, depth=0, clock=lambda: now[0])
    async with line.turn("x"):
        now[0] = 4.0
    async with anyio.create_task_group() as group, line.turn("a"):
        for client, priority in (("batch", Priority.BATCH), ("b", NORMAL)):
            group.start_soon(pass_through, line, client, priority)
        await settle()
        assert (line.waiting, line.round_seconds) == (2, 4.0)


async def pass_through(line: WaitingLine, client: str, priority: Priority = NORMAL) -> None:
    async with line.turn(client, priority=priority):
        pass
