import anyio
import psycopg
import pytest
from sqlalchemy import text

from app.errors import Unavailable
from app.runtime.database import READ_POOL, WRITE_POOL, Database
from app.runtime.workers import Workers
from tests.databases import TEST_DATABASE_URL, postgres_database_url, sqlite_url
from tests.eventually import eventually

pytestmark = [pytest.mark.anyio, pytest.mark.postgres]
__all__ = ["postgres_database_url"]

OURS = "SELECT pid FROM pg_stat_activity WHERE query LIKE 'LISTEN \"{}\"'"


def make(url):
    return Database(url, Workers({READ_POOL: 1, WRITE_POOL: 1}))


async def notify(database, channel):
    await database.write(lambda connection: connection.execute(text("SELECT pg_notify(:c, '')"), {"c": channel}))


async def test_what_is_committed_is_told(postgres_database_url):
    heard: list[int] = []
    async with make(postgres_database_url) as database, anyio.create_task_group() as group:
        group.start_soon(database.listen, 'one and "only"', lambda: heard.append(1))
        await eventually(lambda: len(heard) == 1)
        await notify(database, "another")
        await notify(database, 'one and "only"')
        await eventually(lambda: len(heard) == 2)
        group.cancel_scope.cancel()


async def test_what_is_undone_is_not_told(postgres_database_url):
    heard: list[int] = []

    def fail(connection):
        connection.execute(text("SELECT pg_notify('undone', '')"))
        raise KeyError

    async with make(postgres_database_url) as database, anyio.create_task_group() as group:
        group.start_soon(database.listen, "undone", lambda: heard.append(1))
        await eventually(lambda: len(heard) == 1)
        with pytest.raises(KeyError):
            await database.write(fail)
        await notify(database, "undone")
        await eventually(lambda: len(heard) == 2)
        group.cancel_scope.cancel()


async def test_a_connection_that_breaks_is_said(postgres_database_url):
    heard: list[int] = []

    def cut():
        with psycopg.connect(TEST_DATABASE_URL, autocommit=True) as other:
            other.execute(f"SELECT pg_terminate_backend(pid) FROM ({OURS.format('cut_channel')}) AS ours")

    async with make(postgres_database_url) as database, anyio.create_task_group() as group:

        async def listen():
            with pytest.raises(Unavailable):
                await database.listen("cut_channel", lambda: heard.append(1))
            heard.append(0)

        group.start_soon(listen)
        await eventually(lambda: heard == [1])
        await anyio.to_thread.run_sync(cut)
        await eventually(lambda: heard == [1, 0])


async def test_who_is_cancelled_leaves_no_connection(postgres_database_url):
    heard: list[int] = []
    async with make(postgres_database_url) as database:
        async with anyio.create_task_group() as group:
            group.start_soon(database.listen, "left", lambda: heard.append(1))
            await eventually(lambda: heard == [1])
            group.cancel_scope.cancel()

        def left():
            with psycopg.connect(TEST_DATABASE_URL, autocommit=True) as other:
                return other.execute(OURS.format("left")).fetchall()

        for _ in range(100):
            if not (found := await anyio.to_thread.run_sync(left)):
                break
        assert found == []


async def test_a_database_that_is_not_there_is_said():
    async with make("postgresql://ann:hush@127.0.0.1:1/none") as database:
        with pytest.raises(Unavailable) as told:
            await database.listen("any", lambda: None)
    assert "hush" not in str(told.value)


async def test_sqlite_tells_nothing(tmp_path):
    async with make(sqlite_url(tmp_path)) as database:
        await database.listen("any", lambda: pytest.fail("it spoke"))
