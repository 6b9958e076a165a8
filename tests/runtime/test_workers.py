import threading
from collections.abc import Awaitable, Callable
from functools import partial

import anyio
import anyio.from_thread
import pytest

from app.runtime.workers import Workers

pytestmark = pytest.mark.anyio

PATIENCE = 5.0  # seconds, after which a thread of a broken test goes on


class Work:
    """A blocking function in the hand of a test."""

    def __init__(self) -> None:
        self.began = anyio.Event()
        self.saw_stop = anyio.Event()
        self._may_end = threading.Event()

    def end(self) -> None:
        self._may_end.set()

    def __call__(self) -> str:
        anyio.from_thread.run_sync(self.began.set)
        assert self._may_end.wait(PATIENCE)
        return "done"

    def until_stopped(self, stop: threading.Event) -> str:
        anyio.from_thread.run_sync(self.began.set)
        assert stop.wait(PATIENCE)
        anyio.from_thread.run_sync(self.saw_stop.set)
        assert self._may_end.wait(PATIENCE)
        return "a part"


class Caller:
    """A task that calls, and what became of it."""

    def __init__(self, call: Callable[[], Awaitable[object]]) -> None:
        self.scope = anyio.CancelScope()
        self.ended = anyio.Event()
        self.result: object = None
        self._call = call

    async def run(self) -> None:
        with self.scope:
            self.result = await self._call()
        self.ended.set()


async def test_a_function_runs_in_a_thread_and_its_result_comes_back() -> None:
    workers = Workers({"codec": 1})
    assert await workers.run("codec", threading.current_thread) is not threading.current_thread()
    assert (workers.running("codec"), workers.waiting("codec")) == (0, 0)


async def test_a_pool_runs_no_more_functions_than_it_has_threads() -> None:
    workers, works = Workers({"codec": 2}), [Work() for _ in range(5)]
    async with anyio.create_task_group() as group:
        for work in works:
            group.start_soon(workers.run, "codec", work)
        await works[0].began.wait()
        await works[1].began.wait()
        assert (workers.running("codec"), workers.waiting("codec")) == (2, 3)
        works[1].end()
        await works[2].began.wait()
        assert (workers.running("codec"), workers.waiting("codec")) == (2, 2)
        assert not works[3].began.is_set()
        for work in works:
            work.end()
    assert (workers.running("codec"), workers.waiting("codec")) == (0, 0)


async def test_a_crowded_pool_starves_no_other() -> None:
    workers, work = Workers({"codec": 1, "files": 1}), Work()
    async with anyio.create_task_group() as group:
        group.start_soon(workers.run, "codec", work)
        await work.began.wait()
        assert await workers.run("files", lambda: "read") == "read"
        work.end()


async def test_a_caller_that_waits_for_a_thread_can_leave_at_once() -> None:
    workers, work = Workers({"codec": 1}), Work()
    async with anyio.create_task_group() as group:
        group.start_soon(workers.run, "codec", work)
        await work.began.wait()
        with anyio.CancelScope() as scope:
            scope.cancel()
            await workers.run("codec", lambda: pytest.fail("nobody waits for this"))
        assert scope.cancelled_caught
        assert (workers.running("codec"), workers.waiting("codec")) == (1, 0)
        work.end()


async def test_a_cancelled_caller_leaves_only_when_the_function_has_ended() -> None:
    workers, work = Workers({"codec": 1}), Work()
    caller = Caller(partial(workers.run, "codec", work))
    async with anyio.create_task_group() as group:
        group.start_soon(caller.run)
        await work.began.wait()
        caller.scope.cancel()
        for _ in range(10):
            await anyio.lowlevel.checkpoint()
        assert workers.running("codec") == 1
        work.end()
        await caller.ended.wait()
        assert workers.running("codec") == 0


async def test_a_cancelled_caller_stops_the_function_and_the_place_stays_held() -> None:
    workers, work = Workers({"codec": 1}), Work()
    caller = Caller(partial(workers.run_stoppable, "codec", work.until_stopped))
    async with anyio.create_task_group() as group:
        group.start_soon(caller.run)
        await work.began.wait()
        caller.scope.cancel()
        await work.saw_stop.wait()
        assert workers.running("codec") == 1
        assert not caller.ended.is_set()
        work.end()
        await caller.ended.wait()
    assert workers.running("codec") == 0


async def test_nobody_gets_what_a_stopped_function_returned() -> None:
    workers, work = Workers({"codec": 1}), Work()
    caller = Caller(partial(workers.run_stoppable, "codec", work.until_stopped))
    async with anyio.create_task_group() as group:
        group.start_soon(caller.run)
        await work.began.wait()
        caller.scope.cancel()
        work.end()
    assert caller.scope.cancelled_caught
    assert caller.result is None


async def test_a_function_that_nobody_stops_sees_no_stop() -> None:
    assert await Workers({"codec": 1}).run_stoppable("codec", threading.Event.is_set) is False


async def test_a_stoppable_caller_that_waits_for_a_thread_can_leave_at_once() -> None:
    workers, work = Workers({"codec": 1}), Work()
    async with anyio.create_task_group() as group:
        group.start_soon(workers.run, "codec", work)
        await work.began.wait()
        with anyio.CancelScope() as scope:
            scope.cancel()
            await workers.run_stoppable("codec", lambda stop: pytest.fail("nobody waits for this"))
        assert scope.cancelled_caught
        work.end()


def fail(*arguments: object) -> None:
    raise LookupError("no such voice") from OSError("no such file")


async def test_exceptions_come_out_as_they_were_raised() -> None:
    workers = Workers({"codec": 1})
    for call in (partial(workers.run, "codec", fail), partial(workers.run_stoppable, "codec", fail)):
        with pytest.raises(LookupError, match="no such voice") as raised:
            await call()
        assert isinstance(raised.value.__cause__, OSError)
        assert workers.running("codec") == 0


async def test_a_group_of_exceptions_stays_one() -> None:
    def fail_twice(stop: threading.Event) -> None:
        raise ExceptionGroup("both", [ValueError(), KeyError()])

    with pytest.raises(ExceptionGroup, match="both"):
        await Workers({"codec": 1}).run_stoppable("codec", fail_twice)
