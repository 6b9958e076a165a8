from collections.abc import AsyncIterator

import anyio
import pytest

from app.calls.pacing import Pacing
from app.calls.playout import Playout
from tests.fakes import VIRTUAL_TIME, settle

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> object:
    return VIRTUAL_TIME


async def sound(*portions: bytes) -> AsyncIterator[bytes]:
    for portion in portions:
        yield portion


class Listener:
    """Keeps what comes, and when; takes `delay` seconds over each piece."""

    def __init__(self, delay: float = 0.0) -> None:
        self.came: list[tuple[float, bytes]] = []
        self.delay = delay
        self.pacing = Pacing(clock=anyio.current_time)
        self.playout = Playout(self.take, self.pacing, bytes_per_second=32_000)

    async def take(self, piece: bytes) -> None:
        await anyio.sleep(self.delay)
        self.came.append((anyio.current_time(), piece))


async def test_pieces_come_at_the_pace_at_which_they_are_heard() -> None:
    listener, began = Listener(), anyio.current_time()
    assert await listener.playout.play(sound(bytes(6_400), bytes(6_400)), piece_bytes=640) == pytest.approx(0.4)
    assert [at - began for at, _ in listener.came] == pytest.approx([max(0, (n - 4) * 0.02) for n in range(20)])
    await listener.playout.heard()
    assert anyio.current_time() - began == pytest.approx(0.4)


async def test_an_hour_does_not_drift() -> None:
    listener, began = Listener(), anyio.current_time()
    await listener.playout.play(sound(*[bytes(64_000)] * 1_800), piece_bytes=640)
    await listener.playout.heard()
    assert anyio.current_time() - began == pytest.approx(3_600, abs=0.002)


async def test_portions_are_cut_into_pieces_with_a_shorter_last_one() -> None:
    listener = Listener()
    await listener.playout.play(sound(b"abcdefg", b"", b"hi"), piece_bytes=3)
    assert [piece for _, piece in listener.came] == [b"abc", b"def", b"g", b"hi"]


async def test_a_slow_listener_is_waited_for() -> None:
    listener, began = Listener(delay=0.05), anyio.current_time()
    await listener.playout.play(sound(bytes(6_400)), piece_bytes=640)
    assert [at - began for at, _ in listener.came] == pytest.approx([0.05 * n for n in range(1, 11)])


async def test_playing_stops_between_pieces() -> None:
    listener = Listener()
    async with anyio.create_task_group() as group:
        with anyio.move_on_after(0.05):
            await listener.playout.play(sound(bytes(64_000)), piece_bytes=640)
        group.cancel_scope.cancel()
    await settle()
    assert len(listener.came) == 7  # five at once, then those of 0.02 and 0.04 s
