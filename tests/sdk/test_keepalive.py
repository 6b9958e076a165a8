import asyncio
from collections.abc import Callable

import pytest

from app.sdk.keepalive import Keepalive

pytestmark = pytest.mark.anyio


class Script:
    """Sleeps that take no time; something happens in each, and after the last the test ends."""

    def __init__(self, *happenings: Callable[[], object]) -> None:
        self._happenings = list(happenings)
        self.slept: list[float] = []
        self.pongs: list[asyncio.Future[float]] = []
        self.keepalive = Keepalive(self.ping, interval=20, timeout=10, sleep=self.sleep)

    async def sleep(self, seconds: float) -> None:
        if not self._happenings:
            raise EOFError
        self.slept.append(seconds)
        self._happenings.pop(0)()

    async def ping(self) -> asyncio.Future[float]:
        self.pongs.append(asyncio.get_running_loop().create_future())
        return self.pongs[-1]

    def pong(self) -> None:
        self.pongs[-1].set_result(0.0)

    async def finds_it_gone(self) -> bool:
        try:
            await self.keepalive.run()
        except EOFError:
            return False
        return True


def nothing() -> None:
    pass


async def test_a_server_that_answers_is_there() -> None:
    script = Script(nothing, lambda: script.pong(), nothing, lambda: script.pong())

    assert not await script.finds_it_gone()
    assert script.slept == [20, 10, 20, 10]


async def test_a_server_that_says_nothing_is_gone() -> None:
    script = Script(nothing, lambda: script.pong(), nothing, nothing)

    assert await script.finds_it_gone()


async def test_whoever_sends_messages_is_there() -> None:
    script = Script(nothing, lambda: script.keepalive.received())

    assert not await script.finds_it_gone()


async def test_messages_before_the_ping_say_nothing() -> None:
    script = Script(lambda: script.keepalive.received(), nothing)

    assert await script.finds_it_gone()


async def test_while_nothing_is_read_silence_says_nothing() -> None:
    script = Script(nothing, nothing, nothing, nothing)

    with script.keepalive.held():
        assert not await script.finds_it_gone()


async def test_having_read_nothing_meanwhile_is_no_silence() -> None:
    def hold_for_a_while() -> None:
        with script.keepalive.held():
            pass

    script = Script(nothing, hold_for_a_while)

    assert not await script.finds_it_gone()
