from collections import Counter
from collections.abc import Mapping

import anyio
import pytest
from sqlalchemy.exc import OperationalError

from app.errors import Unavailable
from app.tts.kept_statistics import WRITE_SECONDS, KeptStatistics
from app.tts.statistics import Event, Statistics

pytestmark = pytest.mark.anyio


class MemoryStore:
    """Counts in memory, which may be made to fail or to wait."""

    def __init__(self) -> None:
        self.held: Counter[Event] = Counter()
        self.failure: Exception | None = None
        self.gate = anyio.Event()
        self.gate.set()
        self.calls = 0

    async def add(self, counts: Mapping[Event, int]) -> Counter[Event]:
        self.calls += 1
        await self.gate.wait()
        if self.failure is not None:
            raise self.failure
        self.held.update(counts)
        return self.held.copy()


class Minutes:
    """A sleep that lasts until the test says that it is over."""

    def __init__(self) -> None:
        self._send, self._receive = anyio.create_memory_object_stream[None]()

    async def sleep(self, seconds: float) -> None:
        assert seconds == WRITE_SECONDS
        await self._receive.receive()

    async def pass_by(self) -> None:
        await self._send.send(None)
        await anyio.wait_all_tasks_blocked()

    def close(self) -> None:
        self._send.close()
        self._receive.close()


@pytest.fixture
def minutes():
    made = Minutes()
    yield made
    made.close()


def jobs(statistics: Statistics) -> int:
    return sum(figures.jobs for figures in statistics.backends().values())


async def test_the_past_is_read_at_the_start(minutes):
    store, past = MemoryStore(), Statistics()
    past.finished("espeak", 1.0)
    await store.add(past.take())
    statistics = Statistics()
    async with KeptStatistics(statistics, store, sleep=minutes.sleep):
        assert jobs(statistics) == 1


async def test_counts_are_written_every_minute_and_at_the_end(minutes):
    store, statistics = MemoryStore(), Statistics()
    async with KeptStatistics(statistics, store, sleep=minutes.sleep):
        statistics.finished("espeak", 1.0)
        assert store.held.total() == 0
        await minutes.pass_by()
        assert store.held.total() == 1
        statistics.finished("espeak", 1.0)
    assert (store.held.total(), jobs(statistics)) == (2, 2)


@pytest.mark.parametrize("failure", [Unavailable("no database"), OperationalError("SELECT 1", {}, Exception("gone"))])
async def test_an_outage_is_told_once_and_costs_nothing(minutes, caplog, failure):
    store, statistics = MemoryStore(), Statistics()
    store.failure = failure
    async with KeptStatistics(statistics, store, sleep=minutes.sleep):
        for _ in range(3):
            statistics.finished("espeak", 1.0)
            await minutes.pass_by()
        assert (jobs(statistics), len(caplog.records)) == (3, 1)
        store.failure = None
        await minutes.pass_by()
        assert (store.held.total(), jobs(statistics)) == (3, 3)
        store.failure = failure
        await minutes.pass_by()
    assert len(caplog.records) == 2


async def test_the_counts_of_other_servers_are_seen(minutes):
    store, mine, theirs = MemoryStore(), Statistics(), Statistics()
    async with KeptStatistics(mine, store, sleep=minutes.sleep):
        theirs.finished("espeak", 1.0)
        await store.add(theirs.take())
        await minutes.pass_by()
        assert jobs(mine) == 1


async def test_whoever_is_cancelled_while_it_writes_writes_to_the_end(minutes):
    store, statistics = MemoryStore(), Statistics()

    async def serve() -> None:
        async with KeptStatistics(statistics, store, sleep=minutes.sleep):
            statistics.finished("espeak", 1.0)
            store.gate = anyio.Event()
            await minutes.pass_by()

    async with anyio.create_task_group() as group:
        group.start_soon(serve)
        await anyio.wait_all_tasks_blocked()
        group.cancel_scope.cancel()
        with anyio.CancelScope(shield=True):
            await anyio.wait_all_tasks_blocked()
            assert store.held.total() == 0
            store.gate.set()
    assert store.held.total() == 1
