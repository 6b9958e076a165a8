import anyio
import pytest

from app.accounts.turns import MAX_WAITING, Turns
from app.errors import RateLimited

pytestmark = pytest.mark.anyio


async def test_one_key_has_one_turn_at_a_time_in_order_and_others_do_not_wait():
    turns, log = Turns(), []

    async def work(key: str, number: int) -> None:
        async with turns.turn(key):
            log.append((key, number, "in"))
            await anyio.lowlevel.checkpoint()
            log.append((key, number, "out"))

    async with anyio.create_task_group() as group:
        for number in range(3):
            group.start_soon(work, "a", number)
        group.start_soon(work, "b", 0)
    assert [entry for entry in log if entry[0] == "a"] == [("a", n, way) for n in range(3) for way in ("in", "out")]
    assert log.index(("b", 0, "in")) < log.index(("a", 1, "in"))
    assert len(turns) == 0


async def test_too_many_are_refused_and_those_who_leave_make_room():
    turns = Turns()

    async def wait() -> None:
        async with turns.turn("a"):
            await anyio.sleep_forever()

    async with anyio.create_task_group() as group:
        for _ in range(MAX_WAITING):
            group.start_soon(wait)
        await anyio.wait_all_tasks_blocked()
        with pytest.raises(RateLimited):
            async with turns.turn("a"):
                pass
        group.cancel_scope.cancel()
    assert len(turns) == 0
    async with turns.turn("a"):
        pass


async def test_an_error_ends_the_turn():
    turns = Turns()
    for _ in range(2):
        with pytest.raises(KeyError):
            async with turns.turn("a"):
                raise KeyError
    assert len(turns) == 0
