"""The one durable store, as two doors: `read` and `write` run a plain function with a connection in a thread.

Rules of this file:

1. The caller's function gets an open transaction. It is committed when the function returns and rolled back when
   it raises. Rows must be fetched inside it: the connection goes back to its pool afterwards.
2. On SQLite there is one writer: writes wait for each other, first come, first served. Readers see the last
   committed state meanwhile (WAL). On PostgreSQL writes run side by side.
3. A thread cannot be cancelled. A cancelled caller that still waits leaves at once and nothing has happened; one
   whose function runs leaves when it has ended, so a write that began is whole: committed, or rolled back.
"""

from collections.abc import Callable
from contextlib import nullcontext
from types import TracebackType
from typing import Final, Self, TypeVar

import anyio
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import SQLAlchemyError

from app.errors import Unavailable
from app.runtime.engines import describe, is_outage, make_engines, parse_url
from app.runtime.notices import listen
from app.runtime.schema import migrate
from app.runtime.workers import Workers

Result = TypeVar("Result")


READ_POOL: Final = "database_read"
"""Name of the threads that read; as many reads as it has threads run at once."""

WRITE_POOL: Final = "database_write"
"""Name of the threads that write: one for SQLite."""


class Database:
    """An open database. Nothing is connected before the first call.

    Args:
        url: `sqlite:///relative.db`, `sqlite:////absolute.db` or `postgresql://user:password@host/name`.
        workers: has the pools `READ_POOL` and `WRITE_POOL`.
        connections: the bound of open connections, at least as many as the two pools have threads.

    Raises:
        InvalidInput: the URL is of neither kind.
        OSError: the SQLite file or its directory cannot be made.
    """

    def __init__(self, url: str, workers: Workers, *, connections: int = 8) -> None:
        self._url = parse_url(url)
        self._engines = make_engines(self._url, connections=connections)
        self._workers = workers
        self._turn = anyio.Lock() if self.dialect == "sqlite" else nullcontext()

    def __repr__(self) -> str:
        return f"Database({describe(self._url)})"

    @property
    def dialect(self) -> str:
        """`sqlite` or `postgresql`, for the few statements that differ."""
        return self._url.get_backend_name()

    async def read(self, function: Callable[[Connection], Result]) -> Result:
        """Run `function` with a connection that cannot write, on one consistent state.

        Raises:
            Unavailable: the database does not answer, or not in time.
        """
        return await self._workers.run(READ_POOL, lambda: self._transact(self._engines.reader, function))

    async def write(self, function: Callable[[Connection], Result]) -> Result:
        """Run `function` in a transaction that is committed when it returns.

        Raises:
            Unavailable: the database does not answer, or not in time; nothing was written, unless the
                connection broke in the very commit.
        """
        async with self._turn:
            return await self._workers.run(WRITE_POOL, lambda: self._transact(self._engines.writer, function))

    async def migrate(self) -> None:
        """Bring the tables to what this version needs; servers that start together take turns.

        Raises:
            Unavailable: the database does not answer, or was migrated by a newer version of this server.
        """
        async with self._turn:
            await self._workers.run(WRITE_POOL, lambda: migrate(self._url))

    async def listen(self, channel: str, heard: Callable[[], None]) -> None:
        """Call `heard` once it listens, and with every notice on a channel of PostgreSQL, until it is cancelled.

        SQLite tells nothing: it returns at once.

        Raises:
            Unavailable: the connection cannot be made, or broke; notices may have been missed.
        """
        if self.dialect == "postgresql":
            await listen(self._url, channel, heard)

    async def check(self) -> None:
        """Ask the database for a sign of life; it may take a few seconds to fail.

        Raises:
            Unavailable: there is none.
        """
        await self.read(lambda connection: connection.execute(text("SELECT 1")).scalar_one())

    def _transact(self, engine: Engine, function: Callable[[Connection], Result]) -> Result:
        try:
            with engine.begin() as connection:
                return function(connection)
        except SQLAlchemyError as error:
            if is_outage(error):
                raise Unavailable(f"the {self.dialect} database cannot do this now") from error
            raise

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with anyio.CancelScope(shield=True):
            await self._workers.run(WRITE_POOL, self._close)

    def _close(self) -> None:
        # The writer last: the last connection to a SQLite file folds the WAL into it, and readers cannot.
        self._engines.reader.dispose()
        self._engines.writer.dispose()
