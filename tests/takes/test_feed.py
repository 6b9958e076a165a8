import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import Draining
from app.takes.feed import AHEAD, Feed
from app.takes.part import Part
from app.takes.take import Status
from tests.fakes import VIRTUAL_TIME, settle
from tests.takes.stage import FakeListener
from tests.takes.stores import take

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend():
    return VIRTUAL_TIME


def part(index: int) -> Part:
    return Part(index, b"\0\0", 8000, "x")


async def make(feed: Feed, parts: int) -> None:
    for index in range(parts):
        await feed.room()
        feed.hand(part(index))
    feed.tell(take(status=Status.READY))


async def test_the_listener_has_everything_in_order_and_the_end_ends_it():
    feed, listener = Feed(is_heard=True), FakeListener()
    async with anyio.create_task_group() as group:
        feed.tell(take(status=Status.WAITING))
        group.start_soon(make, feed, 9)
        assert (await feed.follow(listener)).status is Status.READY
    assert listener.log == [Status.WAITING, *range(9), Status.READY]


async def test_there_is_room_for_so_many_parts_that_are_not_heard_to_their_end():
    feed, listener = Feed(is_heard=True), FakeListener()
    listener.stop_listening()
    handed = []
    async with anyio.create_task_group() as group:

        async def keep_making() -> None:
            for index in range(9):
                await feed.room()
                handed.append(index)
                feed.hand(part(index))
            feed.tell(take(status=Status.READY))

        group.start_soon(keep_making)
        group.start_soon(feed.follow, listener)
        await settle()
        assert (len(handed), listener.log) == (AHEAD, [0])
        listener.listen_again()
    assert len(handed) == 9


async def test_who_leaves_lets_the_making_go_on_and_holds_nothing():
    feed, listener = Feed(is_heard=True), FakeListener()
    listener.stop_listening()
    async with anyio.create_task_group() as group:
        group.start_soon(make, feed, 100)
        with anyio.move_on_after(1):
            await feed.follow(listener)
    assert not feed.is_heard and listener.log == [0]


async def test_without_a_listener_there_is_always_room():
    await make(Feed(is_heard=False), 100)


async def test_what_broke_is_raised_after_what_was_said_before():
    feed, listener = Feed(is_heard=True), FakeListener()
    feed.tell(take(status=Status.WAITING))
    feed.break_off(Draining("stopping"))
    feed.break_off(ValueError("later"))
    with pytest.raises(Draining, match="stopping"):
        await feed.follow(listener)
    assert listener.log == [Status.WAITING]


async def test_a_listener_that_waits_is_woken_by_the_break():
    feed = Feed(is_heard=True)
    async with anyio.create_task_group() as group:

        async def follow() -> None:
            with pytest.raises(Draining):
                await feed.follow(FakeListener())

        group.start_soon(follow)
        await settle()
        feed.break_off(Draining("stopping"))


@given(st.lists(st.booleans(), max_size=40))
def test_law_nothing_is_lost_or_moved_whoever_is_faster(steps):
    async def run() -> None:
        feed, listener = Feed(is_heard=True), FakeListener()
        async with anyio.create_task_group() as group:
            group.start_soon(feed.follow, listener)
            for index, waits in enumerate(steps):
                await feed.room()
                feed.hand(part(index))
                if waits:
                    await anyio.lowlevel.checkpoint()
            feed.tell(take(status=Status.READY))
        assert listener.log == [*range(len(steps)), Status.READY]

    anyio.run(run)
