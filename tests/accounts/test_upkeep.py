import anyio
import pytest

from app.accounts.accounts import Terms
from app.accounts.upkeep import NOTE_SECONDS, PURGE_EVERY, Upkeep
from tests.accounts.engine import Engine

pytestmark = pytest.mark.anyio


class Rounds:
    """Sleep that ends when a test says so."""

    def __init__(self) -> None:
        self.slept: list[float] = []
        self._bell = anyio.Event()

    async def __call__(self, seconds: float) -> None:
        self.slept.append(seconds)
        await self._bell.wait()

    async def next(self, count: int = 1) -> None:
        for _ in range(count):
            bell, self._bell = self._bell, anyio.Event()
            bell.set()
            await anyio.wait_all_tasks_blocked()


@pytest.fixture
def engine() -> Engine:
    return Engine(terms=Terms(refresh_seconds=100))


async def used_key(engine: Engine) -> str:
    account = await engine.ann()
    kept, key = await engine.keys.create(account.id, "overlay")
    await engine.identify(key)
    return kept.id


async def test_uses_are_noted_every_minute(engine):
    id, rounds = await used_key(engine), Rounds()
    async with Upkeep(engine.store, engine.standings, clock=engine.clock, sleep=rounds):
        await anyio.wait_all_tasks_blocked()
        assert engine.store.keys[id].last_used_at is None
        await rounds.next()
        assert engine.store.keys[id].last_used_at == engine.clock.now
    assert set(rounds.slept) == {NOTE_SECONDS}


async def test_what_is_left_is_noted_in_the_end(engine):
    id = await used_key(engine)
    async with Upkeep(engine.store, engine.standings, clock=engine.clock, sleep=Rounds()):
        pass
    assert engine.store.keys[id].last_used_at == engine.clock.now


async def test_expired_sessions_are_forgotten_at_the_start_and_every_hour(engine):
    await engine.ann()
    await engine.log_in()
    engine.clock.now += 101
    rounds = Rounds()
    async with Upkeep(engine.store, engine.standings, clock=engine.clock, sleep=rounds):
        await anyio.wait_all_tasks_blocked()
        assert engine.store.sessions == {}
        await engine.log_in()
        engine.clock.now += 101
        await rounds.next(PURGE_EVERY - 1)
        assert engine.store.sessions
        await rounds.next()
        assert engine.store.sessions == {}


async def test_an_outage_is_told_once_and_work_goes_on(engine, caplog):
    rounds = Rounds()
    engine.store.is_out = True
    async with Upkeep(engine.store, engine.standings, clock=engine.clock, sleep=rounds):
        await rounds.next(3)
        assert caplog.text.count("not tidied up") == 1
        engine.store.is_out = False
        id = await used_key(engine)
        await rounds.next()
        assert engine.store.keys[id].last_used_at
