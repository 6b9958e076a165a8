import threading
from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError, IntegrityError

from app.errors import Unavailable
from app.runtime.database import READ_POOL, WRITE_POOL, Database
from app.runtime.workers import Workers
from tests.databases import database_url, postgres_database_url, sqlite_url

pytestmark = pytest.mark.anyio
__all__ = ["database_url", "postgres_database_url"]


def make(url: str) -> Database:
    return Database(url, Workers({READ_POOL: 4, WRITE_POOL: 4}))


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    async with make(database_url) as database:
        await database.write(lambda c: c.execute(text("CREATE TABLE songs (id INTEGER PRIMARY KEY)")))
        yield database


@pytest.fixture
async def sqlite(tmp_path: Path) -> AsyncIterator[Database]:
    async with make(sqlite_url(tmp_path)) as database:
        await database.write(lambda c: c.execute(text("CREATE TABLE songs (id INTEGER PRIMARY KEY)")))
        yield database


@pytest.fixture
async def postgres(postgres_database_url: str) -> AsyncIterator[Database]:
    async with make(postgres_database_url) as database:
        yield database


def add(connection: Connection, song: int = 1) -> None:
    connection.execute(text("INSERT INTO songs VALUES (:song)"), {"song": song})


def songs(connection: Connection) -> list[int]:
    return list(connection.execute(text("SELECT id FROM songs ORDER BY id")).scalars())


async def test_what_is_written_can_be_read(database: Database) -> None:
    await database.write(add)
    assert await database.read(songs) == [1]


async def test_write_that_raises_is_undone(database: Database) -> None:
    def fail(connection: Connection) -> None:
        add(connection)
        raise KeyError("why")

    with pytest.raises(KeyError):
        await database.write(fail)
    assert await database.read(songs) == []


async def test_changes_of_tables_are_undone_too(database: Database) -> None:
    def fail(connection: Connection) -> None:
        connection.execute(text("CREATE TABLE half (id INTEGER)"))
        raise KeyError("why")

    with pytest.raises(KeyError):
        await database.write(fail)
    with pytest.raises(DBAPIError):
        await database.read(lambda c: c.execute(text("SELECT * FROM half")))


async def test_readers_cannot_write(database: Database) -> None:
    with pytest.raises((DBAPIError, Unavailable)):
        await database.read(add)
    await database.write(add)
    assert await database.read(songs) == [1]


async def test_broken_rules_and_wrong_statements_are_no_outage(database: Database) -> None:
    await database.write(add)
    with pytest.raises(IntegrityError):
        await database.write(add)
    with pytest.raises(DBAPIError, match="nowhere"):
        await database.read(lambda c: c.execute(text("SELECT * FROM nowhere")))


async def test_errors_do_not_tell_parameters(database: Database) -> None:
    await database.write(lambda c: add(c, 987654321))
    with pytest.raises(IntegrityError) as caught:
        await database.write(lambda c: add(c, 987654321))
    assert "[SQL parameters hidden" in str(caught.value)


async def test_health_check_asks_the_database(database: Database) -> None:
    await database.check()


async def test_reads_run_side_by_side(database: Database) -> None:
    barrier = threading.Barrier(3, timeout=10)
    async with anyio.create_task_group() as tasks:
        for _ in range(3):
            tasks.start_soon(database.read, lambda c: barrier.wait())


async def test_begun_write_is_whole_although_its_caller_is_cancelled(database: Database) -> None:
    begun, go_on = anyio.Event(), threading.Event()

    def slow(connection: Connection) -> None:
        add(connection, 1)
        anyio.from_thread.run_sync(begun.set)
        assert go_on.wait(10)
        add(connection, 2)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(database.write, slow)
        await begun.wait()
        tasks.cancel_scope.cancel()
        go_on.set()
    assert await database.read(songs) == [1, 2]


async def test_sqlite_writes_one_at_a_time_and_readers_do_not_wait(sqlite: Database) -> None:
    begun, go_on = anyio.Event(), threading.Event()

    def slow(connection: Connection) -> None:
        add(connection, 1)
        anyio.from_thread.run_sync(begun.set)
        assert go_on.wait(10)

    seen_by_second: list[int] = []
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(sqlite.write, slow)
        await begun.wait()
        tasks.start_soon(sqlite.write, lambda c: seen_by_second.extend(songs(c)))
        await anyio.wait_all_tasks_blocked()
        assert await sqlite.read(songs) == []
        assert seen_by_second == []
        go_on.set()
    assert seen_by_second == [1]


async def test_waiting_write_that_is_cancelled_never_happens(sqlite: Database) -> None:
    begun, go_on = anyio.Event(), threading.Event()

    def slow(connection: Connection) -> None:
        anyio.from_thread.run_sync(begun.set)
        assert go_on.wait(10)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(sqlite.write, slow)
        await begun.wait()
        async with anyio.create_task_group() as waiting:
            waiting.start_soon(sqlite.write, add)
            await anyio.wait_all_tasks_blocked()
            waiting.cancel_scope.cancel()
        go_on.set()
    assert await sqlite.read(songs) == []


async def test_sqlite_keeps_foreign_keys(sqlite: Database) -> None:
    def orphan(connection: Connection) -> None:
        connection.execute(text("CREATE TABLE hits (song INTEGER REFERENCES songs (id))"))
        connection.execute(text("INSERT INTO hits VALUES (7)"))

    with pytest.raises(IntegrityError):
        await sqlite.write(orphan)


async def test_closing_folds_the_log_into_the_file(tmp_path: Path) -> None:
    async with make(sqlite_url(tmp_path)) as database:
        await database.write(lambda c: c.execute(text("CREATE TABLE songs (id INTEGER)")))
        await database.read(songs)
        assert len(list((tmp_path / "data").iterdir())) == 3
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["chorus.db"]


async def test_damaged_file_is_an_outage(tmp_path: Path) -> None:
    async with make(sqlite_url(tmp_path)) as database:
        (tmp_path / "data" / "chorus.db").write_bytes(b"this is no database" * 1000)
        with pytest.raises(Unavailable, match="sqlite"):
            await database.check()


async def test_unreachable_server_is_an_outage_and_its_password_stays_secret() -> None:
    async with make("postgresql://ann:hush@127.0.0.1:1/none") as database:
        assert repr(database) == "Database(postgresql+psycopg://ann:***@127.0.0.1:1/none)"
        with pytest.raises(Unavailable) as caught:
            await database.check()
    assert "hush" not in f"{caught.value}{caught.value.__cause__}"


@pytest.mark.postgres
async def test_postgres_writes_side_by_side(postgres: Database) -> None:
    barrier = threading.Barrier(3, timeout=10)
    async with anyio.create_task_group() as tasks:
        for _ in range(3):
            tasks.start_soon(postgres.write, lambda c: barrier.wait())


def own_pid(connection: Connection) -> int:
    pid: int = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
    return pid


async def terminate(database: Database, pid: int) -> None:
    ended = text("SELECT pg_terminate_backend(:pid, 5000)")
    assert await database.write(lambda c: c.execute(ended, {"pid": pid}).scalar_one())


@pytest.mark.postgres
async def test_connection_that_was_ended_while_idle_is_replaced(postgres: Database, postgres_database_url: str) -> None:
    pid = await postgres.read(own_pid)
    async with make(postgres_database_url) as other:
        await terminate(other, pid)
    assert await postgres.read(own_pid) != pid


@pytest.mark.postgres
async def test_connection_that_is_ended_at_work_is_an_outage_once(
    postgres: Database, postgres_database_url: str
) -> None:
    at_work = anyio.Event()
    pids: list[int] = []

    def long(connection: Connection) -> None:
        pids.append(own_pid(connection))
        anyio.from_thread.run_sync(at_work.set)
        connection.execute(text("SELECT pg_sleep(20)"))

    async def expect_outage() -> None:
        with pytest.raises(Unavailable):
            await postgres.write(long)

    async with make(postgres_database_url) as other, anyio.create_task_group() as tasks:
        tasks.start_soon(expect_outage)
        await at_work.wait()
        await terminate(other, pids[0])
    await postgres.check()


@pytest.mark.postgres
async def test_statement_that_takes_too_long_is_an_outage(postgres_database_url: str) -> None:
    async with make(f"{postgres_database_url}%20-cstatement_timeout%3D20") as database:
        with pytest.raises(Unavailable):
            await database.read(lambda c: c.execute(text("SELECT pg_sleep(20)")))
        await database.check()
