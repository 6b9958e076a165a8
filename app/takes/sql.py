"""Takes, voices and the calls that they owe, in the one durable store.

What is asked of each table is in a file of its own; here it gets its transaction.
"""

from collections.abc import Callable, Collection, Sequence

from app.runtime.database import Database
from app.takes import delivery_rows, take_rows, voice_rows
from app.takes.deliveries import Delivery
from app.takes.pages import storable
from app.takes.store import Page
from app.takes.take import Take
from app.takes.voice import Voice


class SqlStore:
    """`app.takes.store.Store` on a database that is migrated. Raises and is cancelled as `Database`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add_takes(self, takes: Sequence[Take], *, maker: str, deliveries: Sequence[Delivery] = ()) -> None:
        """Keep new takes, all or none."""
        await self._database.write(lambda connection: take_rows.add(connection, takes, maker, deliveries))

    async def save_take(self, take: Take, *, deliveries: Sequence[Delivery] = ()) -> bool:
        """Keep what the making changes of a take; False if it is done or deleted."""
        return await self._database.write(lambda connection: take_rows.save(connection, take, deliveries))

    async def find_take(self, owner: str, take_id: str) -> Take | None:
        """Return an account's take."""
        if not storable(take_id):
            return None
        return await self._database.read(lambda connection: take_rows.find(connection, owner, take_id))

    async def list_takes(self, owner: str, page: Page) -> list[Take]:
        """Return an account's takes, newest first."""
        return await self._database.read(lambda connection: take_rows.page(connection, owner, page))

    async def delete_take(self, owner: str, take_id: str) -> bool:
        """Forget a take; returns whether there was one."""
        if not storable(take_id):
            return False
        return await self._database.write(lambda connection: take_rows.remove(connection, owner, take_id))

    async def known_takes(self, take_ids: Collection[str]) -> frozenset[str]:
        """Return those of the ids that takes have."""
        return await self._database.read(lambda connection: take_rows.known(connection, take_ids))

    async def unfinished_takes(self, maker: str, *, limit: int, after: str = "") -> list[Take]:
        """Return takes of a server that are not done, oldest first by id."""
        return await self._database.read(lambda connection: take_rows.unfinished(connection, maker, limit, after))

    async def overdue_takes(self, *, before_ms: int, limit: int) -> list[Take]:
        """Return takes that were asked for before a time and are not done, oldest first."""
        return await self._database.read(lambda connection: take_rows.overdue(connection, before_ms, limit))

    async def add_voice(self, voice: Voice, *, maker: str = "", deliveries: Sequence[Delivery] = ()) -> None:
        """Keep a new voice; one of this id that is there already stays as it is."""
        await self._database.write(lambda connection: voice_rows.add(connection, voice, maker, deliveries))

    async def save_voice(self, voice: Voice, *, deliveries: Sequence[Delivery] = ()) -> bool:
        """Keep what the making changes of a voice; False if it is done or deleted."""
        return await self._database.write(lambda connection: voice_rows.save(connection, voice, deliveries))

    async def change_voice(self, owner: str, voice_id: str, change: Callable[[Voice], Voice]) -> Voice | None:
        """Change what was asked for of an account's voice, and its design."""
        if not storable(voice_id):
            return None
        return await self._database.write(lambda connection: voice_rows.change(connection, owner, voice_id, change))

    async def find_voice(self, owner: str, voice_id: str) -> Voice | None:
        """Return a voice of the account or of everybody."""
        if not storable(voice_id):
            return None
        return await self._database.read(lambda connection: voice_rows.find(connection, owner, voice_id))

    async def list_voices(self, owner: str, page: Page) -> list[Voice]:
        """Return the voices of the account and of everybody, newest first."""
        return await self._database.read(lambda connection: voice_rows.page(connection, owner, page))

    async def delete_voice(self, owner: str, voice_id: str) -> bool:
        """Forget a voice of the account; returns whether there was one."""
        if not storable(voice_id):
            return False
        return await self._database.write(lambda connection: voice_rows.remove(connection, owner, voice_id))

    async def unfinished_voices(self, maker: str) -> list[Voice]:
        """Return the voices of a server that are not done, oldest first by id."""
        return await self._database.read(lambda connection: voice_rows.unfinished(connection, maker))


class SqlDeliveries:
    """`app.takes.deliveries.Deliveries` on a database that is migrated. Raises and is cancelled as `Database`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, deliveries: Sequence[Delivery]) -> None:
        """Owe calls, all or none."""
        await self._database.write(lambda connection: delivery_rows.add(connection, deliveries))

    async def claim(self, *, now_ms: int, until_ms: int, limit: int, busy: Collection[str] = ()) -> list[Delivery]:
        """Take calls that are due and nobody else has."""
        return await self._database.write(
            lambda connection: delivery_rows.claim(connection, now_ms, until_ms, limit, busy)
        )

    async def settle(
        self, delivery: Delivery, *, timestamp_ms: int, status_code: int | None, retry_ms: int | None = None
    ) -> bool:
        """Write down how a claimed call went; False if another server has it now."""
        return await self._database.write(
            lambda connection: delivery_rows.settle(connection, delivery, timestamp_ms, status_code, retry_ms)
        )

    async def give_back(self, delivery: Delivery) -> None:
        """Let a claimed call that was not made be claimed again."""
        await self._database.write(lambda connection: delivery_rows.give_back(connection, delivery))

    async def next_ms(self, *, busy: Collection[str] = ()) -> int | None:
        """Return when the next call is due."""
        return await self._database.read(lambda connection: delivery_rows.next_ms(connection, busy))
