from collections.abc import Sequence

import anyio
import pytest

from app.calls.callback import Arrival
from app.calls.callbacks import GROUP, MAX_FILTERS, MAX_PAGE_LENGTH, Callbacks, Wanted
from app.errors import InvalidInput, Overloaded, Unavailable
from tests.calls.fake_callbacks import FakeCallbacks
from tests.calls.stores import report

pytestmark = pytest.mark.anyio


class SlowCallbacks(FakeCallbacks):
    """A store that writes when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.groups: list[list[bytes]] = []
        self.began = anyio.Event()
        self.may = anyio.Event()
        self.fault: Exception | None = None

    async def add(self, arrivals: Sequence[Arrival], *, keep: int) -> None:
        self.groups.append([arrival.body for arrival in arrivals])
        self.began.set()
        await self.may.wait()
        if self.fault is not None:
            raise self.fault
        await super().add(arrivals, keep=keep)


async def test_what_was_kept_is_there():
    callbacks = Callbacks(FakeCallbacks(), keep=2)
    for body in (b"1", b"2", b"3"):
        await callbacks.keep(report(body))

    found = await callbacks.search(Wanted())

    assert [callback.body for callback in found.callbacks] == [b"3", b"2"]


async def test_nobody_is_answered_before_it_is_kept():
    store = SlowCallbacks()
    callbacks, answered = Callbacks(store, keep=0), []

    async def keep(body: bytes) -> None:
        await callbacks.keep(report(body))
        answered.append(body)

    async with anyio.create_task_group() as group:
        group.start_soon(keep, b"1")
        await store.began.wait()
        assert answered == []
        store.may.set()
    assert answered == [b"1"]


async def test_who_comes_during_a_write_is_written_together():
    store = SlowCallbacks()
    callbacks = Callbacks(store, keep=0)

    async with anyio.create_task_group() as group:
        group.start_soon(callbacks.keep, report(b"first"))
        await store.began.wait()
        for n in range(GROUP + 10):
            group.start_soon(callbacks.keep, report(b"%d" % n))
        await anyio.wait_all_tasks_blocked()
        store.may.set()

    assert [len(group) for group in store.groups] == [1, GROUP, 10]
    assert [body for group in store.groups[1:] for body in group] == [b"%d" % n for n in range(GROUP + 10)]


async def test_a_store_that_does_not_answer_is_told_to_all_of_its_group():
    store = SlowCallbacks()
    callbacks, told = Callbacks(store, keep=0), []

    async def keep(body: bytes) -> None:
        try:
            await callbacks.keep(report(body))
        except Unavailable as error:
            told.append((body, str(error)))

    async with anyio.create_task_group() as group:
        group.start_soon(keep, b"0")
        await store.began.wait()
        for body in (b"1", b"2"):
            group.start_soon(keep, body)
        await anyio.wait_all_tasks_blocked()
        store.fault = Unavailable("the database is away")
        store.may.set()
    assert sorted(told) == [(b"%d" % n, "the database is away") for n in range(3)]

    store.fault = None
    await callbacks.keep(report(b"later"))
    assert (await callbacks.search(Wanted())).total == 1


async def test_a_store_that_breaks_lies_to_nobody():
    store = SlowCallbacks()
    callbacks, told = Callbacks(store, keep=0), []

    async def keep(body: bytes) -> None:
        try:
            await callbacks.keep(report(body))
        except (Unavailable, ZeroDivisionError) as error:
            told.append((body, type(error)))

    async with anyio.create_task_group() as group:
        group.start_soon(keep, b"0")
        await store.began.wait()
        for body in (b"1", b"2"):
            group.start_soon(keep, body)
        await anyio.wait_all_tasks_blocked()
        store.fault = ZeroDivisionError()
        store.may.set()

    assert sorted(told) == [(b"0", ZeroDivisionError), (b"1", ZeroDivisionError), (b"2", Unavailable)]


async def test_only_so_many_may_wait():
    store = SlowCallbacks()
    callbacks = Callbacks(store, keep=0, max_waiting=2)

    async with anyio.create_task_group() as group:
        group.start_soon(callbacks.keep, report(b"written"))
        await store.began.wait()
        for body in (b"1", b"2"):
            group.start_soon(callbacks.keep, report(body))
        await anyio.wait_all_tasks_blocked()
        with pytest.raises(Overloaded) as caught:
            await callbacks.keep(report(b"3"))
        assert caught.value.retry_after == 1.0
        store.may.set()

    assert (await callbacks.search(Wanted())).total == 3


async def test_who_leaves_while_waiting_is_not_written_and_holds_up_nobody():
    store = SlowCallbacks()
    callbacks = Callbacks(store, keep=0)

    async with anyio.create_task_group() as group:
        group.start_soon(callbacks.keep, report(b"first"))
        await store.began.wait()
        with anyio.CancelScope() as scope:
            async with anyio.create_task_group() as leaving:
                leaving.start_soon(callbacks.keep, report(b"left"))
                await anyio.wait_all_tasks_blocked()
                scope.cancel()
        group.start_soon(callbacks.keep, report(b"last"))
        await anyio.wait_all_tasks_blocked()
        store.may.set()

    assert store.groups == [[b"first"], [b"last"]]


async def test_who_leaves_while_writing_for_others_writes_to_the_end():
    store = SlowCallbacks()
    callbacks = Callbacks(store, keep=0)
    scopes = {name: anyio.CancelScope() for name in (b"leader", b"taken")}

    async def keep(body: bytes) -> None:
        with scopes[body]:
            await callbacks.keep(report(body))

    async with anyio.create_task_group() as group:
        group.start_soon(callbacks.keep, report(b"first"))
        await store.began.wait()
        for body in scopes:
            group.start_soon(keep, body)
        group.start_soon(callbacks.keep, report(b"other"))
        await anyio.wait_all_tasks_blocked()
        store.may.set()
        store.may, store.began = anyio.Event(), anyio.Event()
        await store.began.wait()
        for scope in scopes.values():
            scope.cancel()
        await anyio.wait_all_tasks_blocked()
        store.may.set()

    assert store.groups == [[b"first"], [b"leader", b"taken", b"other"]]
    assert (await callbacks.search(Wanted())).total == 4


@pytest.mark.parametrize(
    "bounds",
    [
        {"length": 0}, {"length": MAX_PAGE_LENGTH + 1}, {"number": 0},
        {"fields": tuple((f"{n}", "") for n in range(MAX_FILTERS + 1))},
    ],
)  # fmt: skip
def test_what_cannot_be_asked_for(bounds):
    with pytest.raises(InvalidInput):
        Wanted(**bounds)
