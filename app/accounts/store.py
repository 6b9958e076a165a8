"""Where accounts, their sessions and their keys are kept: `app.accounts.sql` is the real one."""

from collections.abc import Callable, Mapping
from typing import Protocol

from app.accounts.account import Account
from app.accounts.api_key import ApiKey
from app.accounts.session import Renewal, Session


class Store(Protocol):
    """Durable. Every method is one transaction, and raises `Unavailable` if the store cannot answer now.

    The functions that `change_account` and `renew_session` take are pure, run in a thread, and nobody else changes
    what they were given until their result is kept.
    """

    async def add_account(self, account: Account) -> None:
        """Keep a new account.

        Raises:
            Taken: its email or its name is another's.
        """

    async def find_account(self, id: str) -> Account | None:
        """Return an account by its id."""

    async def find_login(self, key: str) -> Account | None:
        """Return the account whose email or name has this `login_key`."""

    async def list_accounts(self) -> list[Account]:
        """Return all accounts, oldest first."""

    async def change_account(
        self,
        id: str,
        change: Callable[[Account], Account],
        *,
        ends_sessions: bool = False,
        spare: str | None = None,
    ) -> Account | None:
        """Keep what `change` makes of an account; returns it, None if there is no such account.

        With `ends_sessions` all its sessions end too, but for the one with the id `spare`.

        Raises:
            Taken: its new email or name is another's; nothing changed.
        """

    async def delete_account(self, id: str) -> bool:
        """Forget an account, its sessions and its keys; returns whether there was one."""

    async def add_session(self, session: Session, *, password_set_at: float, keep: int) -> bool:
        """Keep a new session, as the last login of its account; returns whether it was kept.

        It is not if meanwhile the account is gone, inactive, or has another password than the one set at that time.
        Of the account's sessions the newest `keep` remain.
        """

    async def find_session(self, id: str) -> tuple[Session, Account] | None:
        """Return a session and whose it is."""

    async def renew_session(self, id: str, judge: Callable[[Session], Renewal]) -> tuple[Renewal, Account] | None:
        """Keep the session of the renewal that `judge` makes, or forget it if that has none.

        Returns the renewal and whose it is, None if there is no such session.
        """

    async def end_session(self, id: str) -> None:
        """Forget a session, if there is one."""

    async def end_expired(self, now: float) -> int:
        """Forget sessions that expired before `now` (seconds since 1970); returns how many."""

    async def add_key(self, key: ApiKey, *, at_most: int) -> bool:
        """Keep a new key; returns whether it was kept: not if the account has `at_most` keys or is gone."""

    async def list_keys(self, account_id: str) -> list[ApiKey]:
        """Return an account's keys, oldest first."""

    async def find_key(self, key_hash: bytes) -> tuple[ApiKey, Account] | None:
        """Return a key by its hash, and whose it is."""

    async def delete_key(self, account_id: str, id: str) -> bool:
        """Forget a key of this account; returns whether there was one."""

    async def note_uses(self, moments: Mapping[str, float]) -> None:
        """Note when keys were last used: from their ids to seconds since 1970. Those that are gone are passed over."""
