"""What PostgreSQL tells those who listen: a notice on a channel, when the transaction that gave it is committed.

Notices that come while nobody listens are lost, so whoever needs all of them looks at the tables too (postgresql.org,
NOTIFY).
"""

from collections.abc import Callable

from sqlalchemy import URL

from app.errors import Unavailable
from app.runtime.engines import listening_arguments


async def listen(url: URL, channel: str, heard: Callable[[], None]) -> None:
    """Call `heard` once it listens, and with every notice, until it is cancelled; it has a connection of its own.

    `url` is that of a PostgreSQL database, from `parse_url`.

    Raises:
        Unavailable: there is no connection, or not any more.
    """
    from psycopg import AsyncConnection, OperationalError  # a tenth of a second, which a server on SQLite keeps
    from psycopg.sql import SQL, Identifier

    try:
        connection = await AsyncConnection.connect(autocommit=True, **listening_arguments(url))
        async with connection:
            await connection.execute(SQL("LISTEN {}").format(Identifier(channel)))
            heard()
            async for _ in connection.notifies():
                heard()
    except OperationalError as error:
        raise Unavailable("the postgresql database does not tell what changes") from error
    raise Unavailable("the postgresql database tells nothing any more")
