"""`app.accounts.store.Store` in memory."""

from collections.abc import Callable, Mapping
from dataclasses import replace

import anyio

from app.accounts.account import Account
from app.accounts.api_key import ApiKey
from app.accounts.session import Renewal, Session
from app.errors import Taken, Unavailable


class FakeStore:
    """Answers at once, counts what it is asked, and can be out of order."""

    def __init__(self) -> None:
        self.accounts: dict[str, Account] = {}
        self.sessions: dict[str, Session] = {}
        self.keys: dict[str, ApiKey] = {}
        self.asked = 0
        self.is_out = False

    async def _answer(self) -> None:
        self.asked += 1
        await anyio.lowlevel.checkpoint()
        if self.is_out:
            raise Unavailable("the store does not answer")

    def _check_free(self, account: Account) -> None:
        for other in self.accounts.values():
            if other.id != account.id and (other.email_key == account.email_key or other.name_key == account.name_key):
                raise Taken("the user name or the email address is already registered")

    async def add_account(self, account: Account) -> None:
        await self._answer()
        self._check_free(account)
        self.accounts[account.id] = account

    async def find_account(self, id: str) -> Account | None:
        await self._answer()
        return self.accounts.get(id)

    async def find_login(self, key: str) -> Account | None:
        await self._answer()
        return next((a for a in self.accounts.values() if key in (a.email_key, a.name_key)), None)

    async def list_accounts(self) -> list[Account]:
        await self._answer()
        return sorted(self.accounts.values(), key=lambda account: (account.created_at, account.id))

    async def change_account(
        self,
        id: str,
        change: Callable[[Account], Account],
        *,
        ends_sessions: bool = False,
        spare: str | None = None,
    ) -> Account | None:
        await self._answer()
        if id not in self.accounts:
            return None
        changed = change(self.accounts[id])
        self._check_free(changed)
        self.accounts[id] = changed
        if ends_sessions:
            self._keep_sessions(lambda session: session.account_id != id or session.id == spare)
        return changed

    async def delete_account(self, id: str) -> bool:
        await self._answer()
        self._keep_sessions(lambda session: session.account_id != id)
        self.keys = {key.id: key for key in self.keys.values() if key.account_id != id}
        return self.accounts.pop(id, None) is not None

    async def add_session(self, session: Session, *, password_set_at: float, keep: int) -> bool:
        await self._answer()
        account = self.accounts.get(session.account_id)
        if account is None or not account.is_active or account.password_set_at != password_set_at:
            return False
        self.sessions[session.id] = session
        self.accounts[account.id] = replace(account, last_login_at=session.created_at)
        own = [one for one in self.sessions.values() if one.account_id == account.id]
        newest = {one.id for one in sorted(own, key=lambda one: (-one.created_at, one.id))[:keep]}
        self._keep_sessions(lambda one: one.account_id != account.id or one.id in newest)
        return True

    async def find_session(self, id: str) -> tuple[Session, Account] | None:
        await self._answer()
        session = self.sessions.get(id)
        return (session, self.accounts[session.account_id]) if session else None

    async def renew_session(self, id: str, judge: Callable[[Session], Renewal]) -> tuple[Renewal, Account] | None:
        await self._answer()
        session = self.sessions.get(id)
        if session is None:
            return None
        renewal = judge(session)
        del self.sessions[id]
        if renewal.session is not None:
            self.sessions[id] = renewal.session
        return renewal, self.accounts[session.account_id]

    async def end_session(self, id: str) -> None:
        await self._answer()
        self.sessions.pop(id, None)

    async def end_expired(self, now: float) -> int:
        await self._answer()
        before = len(self.sessions)
        self._keep_sessions(lambda session: session.expires_at >= now)
        return before - len(self.sessions)

    async def add_key(self, key: ApiKey, *, at_most: int) -> bool:
        await self._answer()
        own = [one for one in self.keys.values() if one.account_id == key.account_id]
        if key.account_id not in self.accounts or len(own) >= at_most:
            return False
        self.keys[key.id] = key
        return True

    async def list_keys(self, account_id: str) -> list[ApiKey]:
        await self._answer()
        own = [key for key in self.keys.values() if key.account_id == account_id]
        return sorted(own, key=lambda key: (key.created_at, key.id))

    async def find_key(self, key_hash: bytes) -> tuple[ApiKey, Account] | None:
        await self._answer()
        key = next((key for key in self.keys.values() if key.key_hash == key_hash), None)
        return (key, self.accounts[key.account_id]) if key else None

    async def delete_key(self, account_id: str, id: str) -> bool:
        await self._answer()
        if id not in self.keys or self.keys[id].account_id != account_id:
            return False
        del self.keys[id]
        return True

    async def note_uses(self, moments: Mapping[str, float]) -> None:
        await self._answer()
        for id, moment in moments.items():
            if id in self.keys:
                latest = max(moment, self.keys[id].last_used_at or 0.0)
                self.keys[id] = replace(self.keys[id], last_used_at=latest)

    def _keep_sessions(self, keep: Callable[[Session], bool]) -> None:
        self.sessions = {session.id: session for session in self.sessions.values() if keep(session)}
