from collections.abc import Callable

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.runtime.outbox import POSTED_BEYOND_MARK, Outbox, Overflow
from tests.fakes import VIRTUAL_TIME, settle

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> object:
    return VIRTUAL_TIME


def outbox(max_messages: int = 2, max_size: int = 100) -> Outbox:
    return Outbox(max_messages=max_messages, max_size=max_size)


def take_all(box: Outbox) -> list[str | bytes]:
    taken = []
    while (message := box.take()) is not None:
        taken.append(message)
    return taken


async def test_messages_come_out_in_the_order_in_which_they_went_in() -> None:
    box = outbox(max_messages=10)
    await box.put("a")
    box.post(b"b")
    await box.put("c")
    assert (len(box), box.size) == (3, 3)
    assert take_all(box) == ["a", b"b", "c"]
    assert (len(box), box.size, box.take()) == (0, 0, None)


@pytest.mark.parametrize(("max_messages", "max_size"), [(2, 100), (9, 2)])
async def test_putters_wait_at_the_mark(max_messages: int, max_size: int) -> None:
    box = outbox(max_messages, max_size)
    async with anyio.create_task_group() as group:
        for message in "abcd":
            group.start_soon(box.put, message)
        await settle()
        assert box.is_full
        assert len(box) == 2
        assert box.take() == "a"
        await settle()
        assert len(box) == 2
        assert take_all(box) == ["b", "c"]
        await settle()
        assert take_all(box) == ["d"]


async def test_one_message_larger_than_the_mark_passes_below_it() -> None:
    box = outbox(max_size=10)
    await box.put("x" * 9)
    await box.put("y" * 1000)
    assert box.is_full
    box.take()
    assert box.is_full
    box.take()
    assert not box.is_full


async def test_room_comes_only_when_it_is_below_the_mark_again() -> None:
    box = outbox(max_messages=1)
    box.post("a")
    box.post("b")
    async with anyio.create_task_group() as group:
        group.start_soon(box.put, "c")
        await settle()
        box.take()
        await settle()
        assert len(box) == 1
        box.take()
        await settle()
        assert take_all(box) == ["c"]


async def test_room_is_found_at_once_where_there_is_room() -> None:
    with anyio.fail_after(0):
        await outbox().room()


async def test_a_cancelled_put_leaves_no_message() -> None:
    box = outbox(max_messages=1)
    await box.put("a")
    with anyio.move_on_after(1):
        await box.put("b")
    assert take_all(box) == ["a"]
    await box.put("c")
    assert take_all(box) == ["c"]


async def test_posts_go_past_the_mark_up_to_a_hard_limit() -> None:
    box = outbox(max_messages=2)
    for _ in range(2 + POSTED_BEYOND_MARK):
        box.post("reply")
    with pytest.raises(Overflow):
        box.post("one too many")
    assert set(take_all(box)) == {"reply"}


async def test_a_wait_ends_with_a_message_that_is_there() -> None:
    box = outbox()
    box.post("a")
    with anyio.fail_after(0):
        await box.wait(None)


@pytest.mark.parametrize("event", [Outbox.wake, lambda box: box.post("a")])
async def test_a_wait_ends_with_a_message_that_comes_or_a_wake(event: Callable[[Outbox], None]) -> None:
    box = outbox()
    async with anyio.create_task_group() as group:
        group.start_soon(box.wait, None)
        await settle()
        event(box)
    assert len(box) <= 1


@pytest.mark.parametrize("seconds", [0.0, 30.0])
async def test_a_wait_ends_after_its_time(seconds: float) -> None:
    before = anyio.current_time()
    await outbox().wait(seconds)
    assert anyio.current_time() - before == pytest.approx(seconds)


async def test_a_wake_that_nobody_awaits_is_forgotten() -> None:
    box = outbox()
    box.wake()
    await box.wait(1.0)
    box.wake()
    before = anyio.current_time()
    await box.wait(1.0)
    assert anyio.current_time() - before == pytest.approx(1.0)


@pytest.mark.parametrize("end", [Outbox.wake, lambda box: None], ids=["woken", "cancelled"])
async def test_a_wait_that_has_ended_does_not_end_the_next(end: Callable[[Outbox], None]) -> None:
    box = outbox()
    with anyio.move_on_after(10):
        async with anyio.create_task_group() as group:
            group.start_soon(box.wait, 30.0)
            await settle()
            end(box)
    box.wake()
    before = anyio.current_time()
    await box.wait(100.0)
    assert anyio.current_time() - before == pytest.approx(100.0)


LARGEST = 14
messages = st.lists(st.binary(max_size=LARGEST - 2), max_size=6)


@given(putters=st.lists(messages, max_size=4), max_messages=st.integers(1, 3), max_size=st.integers(1, 20))
@settings(deadline=None)
async def test_law_all_that_is_put_comes_out_once_and_in_order(
    putters: list[list[bytes]], max_messages: int, max_size: int
) -> None:
    box = Outbox(max_messages=max_messages, max_size=max_size)
    taken: list[str | bytes] = []

    async def put(who: int) -> None:
        for number, message in enumerate(putters[who]):
            await box.put(bytes([who, number]) + message)

    async with anyio.create_task_group() as group:
        for who in range(len(putters)):
            group.start_soon(put, who)
        await settle()
        while (message := box.take()) is not None:
            assert len(box) < max_messages
            assert box.size < max_size + LARGEST
            taken.append(message)
            await settle()
    for who, own in enumerate(putters):
        assert [message for message in taken if message[0] == who] == [
            bytes([who, number]) + message for number, message in enumerate(own)
        ]
    assert len(taken) == sum(map(len, putters))
    assert box.size == 0
