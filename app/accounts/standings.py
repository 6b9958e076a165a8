"""Whether a key or a session still opens doors: asked of the store, and remembered for a few seconds.

What this process changes (`forget`) counts at once. What another process changes, such as the command line or a second
server, counts after `REMEMBER_SECONDS`. A key or a session that is not known is asked for each time.
"""

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, Protocol

from app.accounts.account import Account
from app.accounts.api_key import ApiKey
from app.accounts.session import Session
from app.errors import InvalidCredential
from app.runtime.auth import SESSION_CLAIM, Identity

REMEMBER_SECONDS: Final = 5.0
MAX_REMEMBERED: Final = 4096
"""Keys and sessions; beyond them, the one that was asked for longest ago is forgotten early."""


class Store(Protocol):
    """What is asked here of `app.accounts.store.Store`."""

    async def find_session(self, id: str) -> tuple[Session, Account] | None:
        """Return a session and whose it is."""

    async def find_key(self, key_hash: bytes) -> tuple[ApiKey, Account] | None:
        """Return a key by its hash, and whose it is."""


@dataclass(frozen=True, slots=True)
class _Standing:
    account: Account
    asked_at: float
    """Of the monotonic clock."""
    expires_at: float
    """Of the wall clock."""
    key_id: str | None = None


class Standings:
    """The key store and the session store of `app.runtime.auth.Authority`.

    Args:
        store: knows.
        clock: seconds since 1970.
        monotonic: seconds.
    """

    def __init__(
        self,
        store: Store,
        *,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._clock = clock
        self._monotonic = monotonic
        self._remembered: OrderedDict[bytes | str, _Standing] = OrderedDict()
        self._changes = 0
        self._uses: dict[str, float] = {}

    async def find(self, key_hash: bytes) -> Identity | None:
        """Return the owner of an API key; see `KeyStore`."""
        standing = self._recall(key_hash) or await self._ask_for_key(key_hash)
        if standing is None or standing.key_id is None or not self._is_good(standing):
            return None
        self._uses[standing.key_id] = self._clock()
        return Identity(standing.account.id, standing.account.roles)

    async def confirm(self, identity: Identity) -> Identity:
        """Return who a session's token speaks for now; see `SessionStore`."""
        session_id = str(identity.claims[SESSION_CLAIM])
        standing = self._recall(session_id) or await self._ask_for_session(session_id)
        if standing is None or standing.account.id != identity.subject or not self._is_good(standing):
            raise InvalidCredential("the session has ended: log in again")
        return replace(identity, roles=standing.account.roles)

    def forget(self, account_id: str) -> None:
        """Ask the store again about everything of this account."""
        self._changes += 1
        of_account = [name for name, standing in self._remembered.items() if standing.account.id == account_id]
        for name in of_account:
            del self._remembered[name]

    def take_uses(self) -> dict[str, float]:
        """Return when keys were last used, by their ids, since this was last asked; at most one a key there is."""
        uses, self._uses = self._uses, {}
        return uses

    def _recall(self, name: bytes | str) -> _Standing | None:
        standing = self._remembered.get(name)
        if standing is None or self._monotonic() - standing.asked_at >= REMEMBER_SECONDS:
            return None
        return standing

    async def _ask_for_key(self, key_hash: bytes) -> _Standing | None:
        changes, asked_at = self._changes, self._monotonic()
        found = await self._store.find_key(key_hash)
        if found is None:
            return None
        key, account = found
        expires_at = float("inf") if key.expires_at is None else key.expires_at
        return self._remember(key_hash, _Standing(account, asked_at, expires_at, key.id), changes)

    async def _ask_for_session(self, session_id: str) -> _Standing | None:
        changes, asked_at = self._changes, self._monotonic()
        found = await self._store.find_session(session_id)
        if found is None:
            return None
        session, account = found
        return self._remember(session_id, _Standing(account, asked_at, session.expires_at), changes)

    def _remember(self, name: bytes | str, standing: _Standing, changes: int) -> _Standing:
        if changes == self._changes:  # else it may be older than a change that was made meanwhile
            self._remembered[name] = standing
            self._remembered.move_to_end(name)
            if len(self._remembered) > MAX_REMEMBERED:
                self._remembered.popitem(last=False)
        return standing

    def _is_good(self, standing: _Standing) -> bool:
        return standing.account.is_active and self._clock() < standing.expires_at
