from collections import Counter

import anyio
import pytest

from app.errors import Unavailable
from app.runtime.database import READ_POOL, WRITE_POOL, Database
from app.runtime.workers import Workers
from app.tts.sql import StatisticsTable
from tests.databases import database_url

__all__ = ["database_url"]

pytestmark = pytest.mark.anyio

FIRST = Counter({("espeak", "finished", 3): 2, ("espeak", "failed:WorkerLost", 0): 1})
SECOND = Counter({("espeak", "finished", 3): 5, ("", "cache:not_in_memory", 0): 1})


def connect(url: str) -> Database:
    return Database(url, Workers({READ_POOL: 1, WRITE_POOL: 2}))


async def test_counts_add_up(database_url):
    async with connect(database_url) as database:
        await database.migrate()
        table = StatisticsTable(database)
        assert await table.add({}) == Counter()
        assert await table.add(FIRST) == FIRST
        assert await table.add(SECOND) == FIRST + SECOND
        assert await table.add({}) == FIRST + SECOND


async def test_counts_outlive_the_server(database_url):
    for _ in range(2):
        async with connect(database_url) as database:
            await database.migrate()
            total = await StatisticsTable(database).add(FIRST)
    assert total == FIRST + FIRST


async def test_two_servers_that_write_at_once_add_up(database_url):
    counts = [
        Counter({("a", "finished", n): 1 for n in range(50)}),
        Counter({("a", "finished", 49 - n): 1 for n in range(50)}),
    ]

    async def write(database: Database, mine: Counter) -> None:
        for _ in range(10):
            await StatisticsTable(database).add(mine)

    async with connect(database_url) as one, connect(database_url) as other:
        await one.migrate()
        async with anyio.create_task_group() as group:
            group.start_soon(write, one, counts[0])
            group.start_soon(write, other, counts[1])
        total = await StatisticsTable(one).add({})
    assert set(total.values()) == {20}
    assert len(total) == 50


async def test_counts_may_be_large(database_url):
    async with connect(database_url) as database:
        await database.migrate()
        await StatisticsTable(database).add({("a", "finished", 0): 2**40})
        assert (await StatisticsTable(database).add({("a", "finished", 0): 1})).total() == 2**40 + 1


async def test_an_outage_is_said():
    async with connect("postgresql://ann@127.0.0.1:1/none") as database:
        with pytest.raises(Unavailable):
            await StatisticsTable(database).add(FIRST)
