"""Accounts and the judge of credentials, built out of settings."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from app.accounts.accounts import Accounts, Terms
from app.accounts.passwords import PASSWORD_POOL, Passwords
from app.accounts.sql import AccountTables
from app.accounts.standings import Standings
from app.assembly.storage import database_url
from app.runtime.auth import Authority, Identity, StaticKeys
from app.runtime.database import READ_POOL, WRITE_POOL, Database
from app.runtime.secret import load_secret
from app.runtime.workers import Workers
from app.settings import Settings


@asynccontextmanager
async def open_accounts(settings: Settings) -> AsyncIterator[Accounts]:
    """Open the accounts alone, on a database that may be a running server's.

    Raises:
        InvalidInput: a setting is wrong.
        Unavailable: the database does not answer.
    """
    workers = Workers({READ_POOL: 1, WRITE_POOL: 1, PASSWORD_POOL: 1})
    async with Database(database_url(settings), workers) as database:
        await database.migrate()
        yield build_accounts(settings, database, workers)[0]


def build_accounts(settings: Settings, database: Database, workers: Workers) -> tuple[Accounts, Authority]:
    """Return the accounts and the judge of their credentials."""
    tables = AccountTables(database)
    standings = Standings(tables)
    keys = {key: Identity(f"key {n}") for n, key in enumerate(settings.api_keys, 1)}
    authority = Authority(_secret(settings), key_stores=[StaticKeys(keys), standings], sessions=standings)
    terms = Terms(
        access_seconds=settings.access_token_seconds,
        refresh_seconds=settings.refresh_token_seconds,
        login_attempts=settings.login_attempts,
        registration_open=settings.registration_open,
        registrations_per_hour=settings.registrations_per_hour,
    )
    accounts = Accounts(tables, passwords=Passwords(workers), authority=authority, standings=standings, terms=terms)
    return accounts, authority


def _secret(settings: Settings) -> bytes:
    return settings.auth_secret.encode() if settings.auth_secret else load_secret(settings.data_dir / "auth.secret")
