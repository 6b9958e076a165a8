import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import anyio
import pytest

from app.errors import Unavailable
from app.fingerprint.ear import Batch, Ears, Listened
from app.fingerprint.hearing import HELD_SECONDS, Heard
from app.fingerprint.hearings import AT_HOME, RECOGNITION_POOL, Hearings
from app.fingerprint.lane import BATCH
from app.fingerprint.sound_form import SoundForm
from app.runtime.workers import Workers
from tests.eventually import eventually
from tests.fakes import settle
from tests.fingerprint.fake_recognizer import MUSIC, FakeRecognizer, sound

pytestmark = pytest.mark.anyio

RATE = 8000
HOP = RATE // 2


class Told:
    """What a stream was told, and an event for the next of it."""

    def __init__(self) -> None:
        self.heard: list[Heard] = []
        self._news = anyio.Event()

    def __call__(self, heard: Heard) -> None:
        self.heard.append(heard)
        self._news.set()

    async def until(self, turns: int) -> list[Heard]:
        with anyio.fail_after(10):
            while len(self.heard) < turns:
                self._news = anyio.Event()
                await self._news.wait()
        return self.heard


@asynccontextmanager
async def listening(
    make: Callable[[int], FakeRecognizer] = FakeRecognizer, *, turns: list[float] | None = None
) -> AsyncIterator[Hearings]:
    note = (lambda seconds: None) if turns is None else turns.append
    async with Hearings(Workers({RECOGNITION_POOL: 1}), make, on_turn=note) as hearings:
        yield hearings


async def test_a_stream_is_heard_in_a_thread_and_told_on_the_loop():
    recognizer, told, turns = FakeRecognizer(RATE), Told(), []
    async with listening(lambda rate: recognizer, turns=turns) as hearings:
        hearing = hearings.open(SoundForm(RATE), told)
        hearing.offer(sound(HOP, MUSIC))
        heard = await told.until(1)
    assert heard[0].events and heard[0].is_first
    assert threading.get_ident() not in recognizer.threads
    assert len(turns) == 1 and turns[0] >= 0


async def test_many_streams_are_all_heard():
    told = [Told() for _ in range(5 * BATCH)]
    async with listening() as hearings:
        streams = [hearings.open(SoundForm(RATE), one) for one in told]
        for _ in range(3):
            for stream in streams:
                stream.offer(sound(HOP))
            for one in told:
                await one.until(1)
        for one, stream in zip(told, streams, strict=True):
            await one.until(2)
            while stream.progress.processed < 3 * HOP:
                await one.until(len(one.heard) + 1)
        assert hearings.waiting == 0


async def test_who_sends_much_keeps_nobody_waiting():
    greedy, modest = Told(), Told()
    async with listening() as hearings:
        streams = [hearings.open(SoundForm(RATE), one) for one in (greedy, modest)]
        for _ in range(8):
            streams[0].offer(sound(HOP))
        streams[1].offer(sound(HOP))
        await modest.until(1)
        assert len(greedy.heard) < 4
        await greedy.until(4)


async def test_a_fault_over_one_stream_is_told_to_that_stream_alone():
    def make(rate: int) -> FakeRecognizer:
        if rate == RATE:
            raise RuntimeError("broken")
        return FakeRecognizer(rate)

    broken, well = Told(), Told()
    async with listening(make) as hearings:
        hearings.open(SoundForm(RATE), broken).offer(sound(HOP))
        hearings.open(SoundForm(2 * RATE), well).offer(sound(HOP))
        assert isinstance((await broken.until(1))[0].error, RuntimeError)
        assert (await well.until(1))[0].error is None


async def test_a_client_that_cannot_be_told_does_not_keep_the_others_from_being_heard(caplog):
    well = Told()
    async with listening() as hearings:
        deaf = hearings.open(SoundForm(RATE), lambda heard: 1 / 0)
        deaf.offer(sound(HOP))
        stream = hearings.open(SoundForm(RATE), well)
        stream.offer(sound(HOP))
        await well.until(1)
        stream.offer(sound(HOP))
        await well.until(2)
    assert "not listened to any longer" in caplog.text


async def test_closing_waits_for_the_thread():
    begun, go_on = threading.Event(), threading.Event()

    def hold() -> None:
        begun.set()
        go_on.wait(10)

    recognizer = FakeRecognizer(RATE, on_push=hold)
    async with anyio.create_task_group() as group, listening(lambda rate: recognizer) as hearings:
        hearings.open(SoundForm(RATE), Told()).offer(sound(HOP))
        await anyio.to_thread.run_sync(begun.wait)
        group.start_soon(anyio.to_thread.run_sync, go_on.set)
    assert recognizer.processed == HOP


async def test_streams_may_become_due_outside_of_any_task():
    told = Told()
    async with listening() as hearings:
        hearing = hearings.open(SoundForm(RATE), told)
        anyio.lowlevel.current_token().native_token.call_soon(hearing.offer, sound(HOP))
        assert (await told.until(1))[0].is_first


class Opening:
    """What streams wait for, opened by the test."""

    def __init__(self) -> None:
        self.is_open = False
        self.asked = anyio.Event()
        self._opened = anyio.Event()

    async def opened(self) -> None:
        self.asked.set()
        await self._opened.wait()

    def open(self) -> None:
        self.is_open = True
        self._opened.set()


async def test_streams_that_come_early_wait_and_lose_nothing_of_their_last_seconds():
    opening, told, recognizer = Opening(), Told(), FakeRecognizer(RATE)
    workers = Workers({RECOGNITION_POOL: 1})
    async with Hearings(workers, lambda rate: recognizer, opening=opening) as hearings:
        await settle()
        assert not hearings.is_open and not opening.asked.is_set()
        hearing = hearings.open(SoundForm(RATE), told)
        held = round(2 * HELD_SECONDS)
        for n in range(held + 3):
            assert hearing.offer(sound(HOP, n / 100)) == 0.0
        await opening.asked.wait()
        assert told.heard == []
        opening.open()
        await eventually(lambda: recognizer.processed == held * HOP)
        hearing.offer(sound(HOP, 1.0))
        await eventually(lambda: recognizer.processed == (held + 1) * HOP)
    heard = [float(value) for pushed in recognizer.pushed for value in pushed[::HOP]]
    assert heard == pytest.approx([*(n / 100 for n in range(3, held + 3)), 1.0])


async def test_what_does_not_open_in_time_is_told(monkeypatch):
    monkeypatch.setattr("app.fingerprint.hearings.OPENING_SECONDS", 0.01)

    def make(rate: int) -> FakeRecognizer:
        raise Unavailable("the index is being opened")

    told = Told()
    async with Hearings(Workers({RECOGNITION_POOL: 1}), make, opening=Opening()) as hearings:
        hearings.open(SoundForm(RATE), told).offer(sound(HOP))
        assert isinstance((await told.until(1))[0].error, Unavailable)


class Elsewhere:
    """A process that hears, of which a test says when it is ready."""

    def __init__(self) -> None:
        self.ears = Ears(FakeRecognizer)
        self.asked, self.ready = anyio.Event(), anyio.Event()
        self.is_running = False

    @asynccontextmanager
    async def start(self):
        self.asked.set()
        await self.ready.wait()
        self.is_running = True
        yield self.hear
        self.is_running = False

    async def hear(self, batch: Batch) -> list[Listened]:
        return self.ears.hear(batch)


async def test_more_streams_than_are_heard_at_home_are_heard_elsewhere():
    others, told = [Elsewhere(), Elsewhere()], [Told() for _ in range(AT_HOME + 5)]
    workers = Workers({RECOGNITION_POOL: 1})
    async with Hearings(workers, FakeRecognizer, elsewhere=[other.start for other in others]) as hearings:
        streams = [hearings.open(SoundForm(RATE), one) for one in told[: AT_HOME // 2 - 1]]
        await settle()
        assert not others[0].asked.is_set()
        streams += [hearings.open(SoundForm(RATE), one) for one in told[len(streams) :]]
        await others[1].asked.wait()
        assert not hearings.is_open
        for stream in streams:
            stream.offer(sound(HOP, MUSIC))
        await told[0].until(1)
        assert told[-1].heard == []
        for other in others:
            other.ready.set()
        for one in told:
            assert (await one.until(1))[0].events
        assert hearings.is_open
        assert sorted(len(other.ears) for other in others) == [2, 3]
        streams[-1].close()
        await eventually(lambda: sorted(len(other.ears) for other in others) == [2, 2])
        assert all(other.is_running for other in others)


async def test_a_stream_goes_where_fewest_are():
    other, told = Elsewhere(), Told()
    other.ready.set()
    workers = Workers({RECOGNITION_POOL: 1})
    async with Hearings(workers, FakeRecognizer, elsewhere=[other.start]) as hearings:
        streams = [hearings.open(SoundForm(RATE), Told()) for _ in range(AT_HOME)]
        streams[0].close()
        hearings.open(SoundForm(RATE), told).offer(sound(HOP))
        await told.until(1)
        assert len(other.ears) == 0
        hearings.open(SoundForm(RATE), told).offer(sound(HOP))
        await told.until(2)
        assert len(other.ears) == 1
