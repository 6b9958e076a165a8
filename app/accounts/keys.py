"""Permanent API keys: made, listed, revoked."""

import secrets
import time
from collections.abc import Callable
from typing import Final

from app.accounts.api_key import PREFIX_CHARACTERS, ApiKey, parse_key_name
from app.accounts.standings import Standings
from app.accounts.store import Store
from app.errors import InvalidInput, NotFound
from app.runtime.auth import hash_key, new_key

MAX_KEYS: Final = 100
"""Of one account."""

MAX_LIFETIME_DAYS: Final = 3650
SECONDS_PER_DAY: Final = 86_400.0


class Keys:
    """The keys of all accounts.

    Args:
        store: where they are.
        standings: told when a key is revoked.
        clock: seconds since 1970.
    """

    def __init__(self, store: Store, *, standings: Standings, clock: Callable[[], float] = time.time) -> None:
        self._store = store
        self._standings = standings
        self._clock = clock

    async def create(self, account_id: str, name: str, *, days: float | None = None) -> tuple[ApiKey, str]:
        """Make a key; returns what is kept of it and the key itself, which nobody can tell again.

        Args:
            account_id: whose it is; it opens what its owner may open.
            name: what its owner calls it; need not be unique.
            days: after which it expires; None: never.

        Raises:
            InvalidInput: the name or the days break a rule, or the account has `MAX_KEYS` keys or is gone.
            Unavailable: the store cannot answer now.
        """
        if days is not None and not 0 < days <= MAX_LIFETIME_DAYS:
            raise InvalidInput(f"a key expires after up to {MAX_LIFETIME_DAYS} days, or never", field="days")
        key, now = new_key(), self._clock()
        kept = ApiKey(
            id=secrets.token_hex(16),
            account_id=account_id,
            name=parse_key_name(name),
            prefix=key[:PREFIX_CHARACTERS],
            key_hash=hash_key(key),
            created_at=now,
            expires_at=None if days is None else now + days * SECONDS_PER_DAY,
        )
        if not await self._store.add_key(kept, at_most=MAX_KEYS):
            raise InvalidInput(f"an account may have {MAX_KEYS} keys: revoke one first")
        return kept, key

    async def list(self, account_id: str) -> list[ApiKey]:
        """Return an account's keys, oldest first, expired ones too.

        Raises:
            Unavailable: the store cannot answer now.
        """
        return await self._store.list_keys(account_id)

    async def revoke(self, account_id: str, id: str) -> None:
        """Forget a key; it opens nothing any more.

        Raises:
            NotFound: the account has no such key.
            Unavailable: the store cannot answer now.
        """
        if not id.isalnum() or not await self._store.delete_key(account_id, id):
            raise NotFound("there is no such API key")
        self._standings.forget(account_id)
