"""The tables of accounts, and what is asked of them."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from typing import Any

from sqlalchemy import (
    Boolean,
    Column,
    ColumnElement,
    Connection,
    Double,
    ForeignKey,
    LargeBinary,
    Row,
    Select,
    Table,
    Text,
    bindparam,
    delete,
    func,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError

from app.accounts.account import Account
from app.accounts.api_key import ApiKey
from app.accounts.session import Renewal, Session, pack_links, unpack_links
from app.errors import Taken
from app.runtime.database import Database
from app.runtime.schema import metadata

accounts = Table(
    "accounts",
    metadata,
    Column("id", Text, primary_key=True),
    Column("email", Text, nullable=False),
    Column("email_key", Text, nullable=False, unique=True),
    Column("name", Text, nullable=False),
    Column("name_key", Text, nullable=False, unique=True),
    Column("full_name", Text),
    Column("password_hash", Text, nullable=False),
    Column("password_set_at", Double, nullable=False),
    Column("roles", Text, nullable=False),
    Column("is_active", Boolean, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("last_login_at", Double),
)
"""Roles are separated by blanks. Times of all three tables are seconds since 1970."""

sessions = Table(
    "account_sessions",
    metadata,
    Column("id", Text, primary_key=True),
    Column("account_id", Text, ForeignKey("accounts.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("token_hash", LargeBinary, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("expires_at", Double, nullable=False, index=True),
    Column("links", LargeBinary, nullable=False),
)
"""One row for each login that lives."""

keys = Table(
    "api_keys",
    metadata,
    Column("id", Text, primary_key=True),
    Column("account_id", Text, ForeignKey("accounts.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("name", Text, nullable=False),
    Column("prefix", Text, nullable=False),
    Column("key_hash", LargeBinary, nullable=False, unique=True),
    Column("created_at", Double, nullable=False),
    Column("expires_at", Double),
    Column("last_used_at", Double),
)


class AccountTables:
    """`app.accounts.store.Store` in the one durable store."""

    def __init__(self, database: Database) -> None:
        """Take a database that is migrated."""
        self._database = database

    async def add_account(self, account: Account) -> None:
        """See `Store`."""
        with _telling_what_is_taken():
            await self._database.write(lambda c: c.execute(insert(accounts), _to_values(account)))

    async def find_account(self, id: str) -> Account | None:
        """See `Store`."""
        return await self._database.read(lambda c: _account(c, select(accounts).where(accounts.c.id == id)))

    async def find_login(self, key: str) -> Account | None:
        """See `Store`."""
        wanted = select(accounts).where(or_(accounts.c.email_key == key, accounts.c.name_key == key))
        return await self._database.read(lambda c: _account(c, wanted))

    async def list_accounts(self) -> list[Account]:
        """See `Store`."""
        wanted = select(accounts).order_by(accounts.c.created_at, accounts.c.id)
        return await self._database.read(lambda c: [_to_account(row) for row in c.execute(wanted)])

    async def change_account(
        self,
        id: str,
        change: Callable[[Account], Account],
        *,
        ends_sessions: bool = False,
        spare: str | None = None,
    ) -> Account | None:
        """See `Store`."""
        with _telling_what_is_taken():
            return await self._database.write(
                partial(_change_account, id=id, change=change, ends_sessions=ends_sessions, spare=spare)
            )

    async def delete_account(self, id: str) -> bool:
        """See `Store`."""
        return await self._database.write(lambda c: _delete(c, accounts, accounts.c.id == id)) > 0

    async def add_session(self, session: Session, *, password_set_at: float, keep: int) -> bool:
        """See `Store`."""
        return await self._database.write(
            partial(_add_session, session=session, password_set_at=password_set_at, keep=keep)
        )

    async def find_session(self, id: str) -> tuple[Session, Account] | None:
        """See `Store`."""
        return await self._database.read(lambda c: _find_session(c, id))

    async def renew_session(self, id: str, judge: Callable[[Session], Renewal]) -> tuple[Renewal, Account] | None:
        """See `Store`."""
        return await self._database.write(lambda c: _renew_session(c, id, judge))

    async def end_session(self, id: str) -> None:
        """See `Store`."""
        await self._database.write(lambda c: _delete(c, sessions, sessions.c.id == id))

    async def end_expired(self, now: float) -> int:
        """See `Store`."""
        return await self._database.write(lambda c: _delete(c, sessions, sessions.c.expires_at < now))

    async def add_key(self, key: ApiKey, *, at_most: int) -> bool:
        """See `Store`."""
        return await self._database.write(lambda c: _add_key(c, key, at_most))

    async def list_keys(self, account_id: str) -> list[ApiKey]:
        """See `Store`."""
        wanted = select(keys).where(keys.c.account_id == account_id).order_by(keys.c.created_at, keys.c.id)
        return await self._database.read(lambda c: [ApiKey(**row._mapping) for row in c.execute(wanted)])

    async def find_key(self, key_hash: bytes) -> tuple[ApiKey, Account] | None:
        """See `Store`."""
        return await self._database.read(lambda c: _find_key(c, key_hash))

    async def delete_key(self, account_id: str, id: str) -> bool:
        """See `Store`."""
        own = (keys.c.id == id) & (keys.c.account_id == account_id)
        return await self._database.write(lambda c: _delete(c, keys, own)) > 0

    async def note_uses(self, moments: Mapping[str, float]) -> None:
        """See `Store`."""
        if moments:
            await self._database.write(lambda c: _note_uses(c, moments))


@contextmanager
def _telling_what_is_taken() -> Iterator[None]:
    try:
        yield
    except IntegrityError:
        raise Taken("the user name or the email address is already registered") from None


def _change_account(
    connection: Connection, *, id: str, change: Callable[[Account], Account], ends_sessions: bool, spare: str | None
) -> Account | None:
    account = _account(connection, select(accounts).where(accounts.c.id == id).with_for_update())
    if account is None:
        return None
    changed = change(account)
    connection.execute(update(accounts).where(accounts.c.id == id), _to_values(changed))
    if ends_sessions:
        _delete(connection, sessions, (sessions.c.account_id == id) & (sessions.c.id != (spare or "")))
    return changed


def _add_session(connection: Connection, *, session: Session, password_set_at: float, keep: int) -> bool:
    own = accounts.c.id == session.account_id
    account = _account(connection, select(accounts).where(own).with_for_update())
    if account is None or not account.is_active or account.password_set_at != password_set_at:
        return False
    connection.execute(insert(sessions), _to_row(session))
    connection.execute(update(accounts).where(own), {"last_login_at": session.created_at})
    of_account = sessions.c.account_id == session.account_id
    newest = select(sessions.c.id).where(of_account).order_by(sessions.c.created_at.desc(), sessions.c.id).limit(keep)
    _delete(connection, sessions, of_account & sessions.c.id.not_in(newest))
    return True


def _find_session(connection: Connection, id: str) -> tuple[Session, Account] | None:
    row = connection.execute(select(sessions).where(sessions.c.id == id)).one_or_none()
    account = _account(connection, select(accounts).where(accounts.c.id == row.account_id)) if row else None
    return (_to_session(row), account) if row and account else None


def _renew_session(
    connection: Connection, id: str, judge: Callable[[Session], Renewal]
) -> tuple[Renewal, Account] | None:
    row = connection.execute(select(sessions).where(sessions.c.id == id).with_for_update()).one_or_none()
    if row is None:
        return None
    renewal = judge(_to_session(row))
    if renewal.session is None:
        _delete(connection, sessions, sessions.c.id == id)
    else:
        connection.execute(update(sessions).where(sessions.c.id == id), _to_row(renewal.session))
    account = _account(connection, select(accounts).where(accounts.c.id == row.account_id))
    return (renewal, account) if account else None


def _add_key(connection: Connection, key: ApiKey, at_most: int) -> bool:
    # The lock on the account is what makes the count true for two that add at once.
    owner = connection.execute(select(accounts.c.id).where(accounts.c.id == key.account_id).with_for_update())
    if owner.one_or_none() is None:
        return False
    count = select(func.count()).select_from(keys).where(keys.c.account_id == key.account_id)
    if connection.execute(count).scalar_one() >= at_most:
        return False
    connection.execute(insert(keys), asdict(key))
    return True


def _find_key(connection: Connection, key_hash: bytes) -> tuple[ApiKey, Account] | None:
    row = connection.execute(select(keys).where(keys.c.key_hash == key_hash)).one_or_none()
    account = _account(connection, select(accounts).where(accounts.c.id == row.account_id)) if row else None
    return (ApiKey(**row._mapping), account) if row and account else None


def _note_uses(connection: Connection, moments: Mapping[str, float]) -> None:
    is_later = or_(keys.c.last_used_at.is_(None), keys.c.last_used_at < bindparam("moment"))
    noted = update(keys).where((keys.c.id == bindparam("key")) & is_later).values(last_used_at=bindparam("moment"))
    # In one order, so that servers that write at the same time wait for each other and never in a circle.
    connection.execute(noted, [{"key": key, "moment": moment} for key, moment in sorted(moments.items())])


def _account(connection: Connection, wanted: Select[Any]) -> Account | None:
    row = connection.execute(wanted).one_or_none()
    return _to_account(row) if row else None


def _delete(connection: Connection, table: Table, rows: ColumnElement[bool]) -> int:
    return connection.execute(delete(table).where(rows)).rowcount


def _to_account(row: Row[Any]) -> Account:
    return Account(
        id=row.id,
        email=row.email,
        name=row.name,
        password_hash=row.password_hash,
        password_set_at=row.password_set_at,
        created_at=row.created_at,
        roles=frozenset(row.roles.split()),
        is_active=row.is_active,
        full_name=row.full_name,
        last_login_at=row.last_login_at,
    )


def _to_session(row: Row[Any]) -> Session:
    return Session(
        id=row.id,
        account_id=row.account_id,
        token_hash=row.token_hash,
        created_at=row.created_at,
        expires_at=row.expires_at,
        links=unpack_links(row.links),
    )


def _to_row(session: Session) -> dict[str, Any]:
    return asdict(session) | {"links": pack_links(session.links)}


def _to_values(account: Account) -> dict[str, Any]:
    keyed = {"email_key": account.email_key, "name_key": account.name_key}
    return asdict(account) | keyed | {"roles": " ".join(sorted(account.roles))}
