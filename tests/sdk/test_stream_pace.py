import pytest

from app.sdk.stream_pace import Pace

pytestmark = pytest.mark.anyio


class Time:
    """A clock that sleeping moves."""

    def __init__(self) -> None:
        self.now = 100.0

    async def sleep(self, seconds: float) -> None:
        self.now += seconds


async def test_frames_go_out_as_fast_as_they_are_heard():
    time = Time()
    pace = Pace(sleep=time.sleep, clock=lambda: time.now)
    sent = []
    for _ in range(5):
        await pace.before(0.1)
        sent.append(time.now)
        time.now += 0.03  # which sending takes

    assert sent == pytest.approx([100.0, 100.1, 100.2, 100.3, 100.4])


async def test_a_short_delay_is_caught_up():
    time = Time()
    pace = Pace(sleep=time.sleep, clock=lambda: time.now)
    await pace.before(0.1)
    time.now += 0.35
    sent = []
    for _ in range(4):
        await pace.before(0.1)
        sent.append(time.now)

    assert sent == pytest.approx([100.35, 100.35, 100.35, 100.4])


async def test_a_long_delay_is_not():
    time = Time()
    pace = Pace(sleep=time.sleep, clock=lambda: time.now)
    await pace.before(0.1)
    time.now += 60
    sent = []
    for _ in range(8):
        await pace.before(0.1)
        sent.append(time.now)

    assert sent == pytest.approx([160.0] * 6 + [160.1, 160.2])
