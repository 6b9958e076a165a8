"""The accounts of an installation: who there is, and what may be changed about it. Doors open onto this."""

import secrets
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from typing import Final

from app.accounts.account import ROLES, Account
from app.accounts.keys import Keys
from app.accounts.logins import Logins
from app.accounts.names import login_key, parse_email, parse_full_name, parse_name, suggest_name
from app.accounts.passwords import Passwords, parse_password
from app.accounts.standings import Standings
from app.accounts.store import Store
from app.accounts.throttle import LoginThrottle
from app.accounts.upkeep import Upkeep
from app.errors import Denied, InvalidInput, NotFound, RateLimited, Taken
from app.runtime.auth import Authority
from app.runtime.limits import RateWindow

SECONDS_PER_HOUR: Final = 3600.0

_SUGGESTIONS: Final = 8
"""User names that are tried for somebody who chose none."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What an operator decides."""

    access_seconds: float = 1800.0
    """How long an access token is good for."""
    refresh_seconds: float = 604_800.0
    """How long a session lives without being renewed."""
    login_attempts: int = 5
    """Wrong passwords of an account from an address before there is a wait; 0: there never is one."""
    registration_open: bool = False
    """Whether strangers may make themselves accounts."""
    registrations_per_hour: int = 10
    """From one address; 0: no limit."""


class Accounts:
    """Everything about accounts; `logins`, `keys` and `passwords` are its other rooms.

    Args:
        store: where they are.
        passwords: hashes.
        authority: issues access tokens, and asks `standings` whether they are still good.
        standings: told of every change.
        terms: what the operator decided.
        clock: seconds since 1970.
        monotonic: seconds.
    """

    def __init__(
        self,
        store: Store,
        *,
        passwords: Passwords,
        authority: Authority,
        standings: Standings,
        terms: Terms,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self.passwords = passwords
        self._standings = standings
        self._terms = terms
        self._clock = clock
        self._registrations = RateWindow(terms.registrations_per_hour, SECONDS_PER_HOUR, clock=monotonic)
        self.keys = Keys(store, standings=standings, clock=clock)
        self.logins = Logins(
            store,
            passwords=passwords,
            authority=authority,
            standings=standings,
            throttle=LoginThrottle(terms.login_attempts, clock=monotonic),
            access_seconds=terms.access_seconds,
            refresh_seconds=terms.refresh_seconds,
            clock=clock,
        )

    def upkeep(self) -> Upkeep:
        """Return what is to be open while the server is."""
        return Upkeep(self._store, self._standings, clock=self._clock)

    async def register(
        self, *, email: str, name: str, password: str, full_name: str | None = None, address: str
    ) -> Account:
        """Make an account for a stranger, who has no roles.

        Raises:
            Denied: registration is closed.
            InvalidInput: a value breaks a rule; `Taken`: the email or the name is another's.
            RateLimited: this address has registered too many.
            Overloaded: too many passwords wait to be hashed.
            Unavailable: the store cannot answer now.
        """
        if not self._terms.registration_open:
            raise Denied("registration is closed: ask the administrator of this server for an account")
        # What breaks a rule counts nothing; what is taken does, or it would be a way to ask who is here.
        parse_email(email), parse_name(name), parse_password(password), parse_full_name(full_name or "")
        if not self._registrations.attempt(address):
            raise RateLimited("too many registrations", retry_after=self._registrations.wait_time(address))
        return await self.create(email=email, name=name, password=password, full_name=full_name)

    async def create(
        self,
        *,
        email: str,
        password: str,
        name: str | None = None,
        full_name: str | None = None,
        roles: Collection[str] = (),
    ) -> Account:
        """Make an account; without a name it gets one of its email address.

        Raises:
            InvalidInput: a value breaks a rule; `Taken`: the email or the name is another's.
            Overloaded: too many passwords wait to be hashed.
            Unavailable: the store cannot answer now.
        """
        now = self._clock()
        account = Account(
            id=secrets.token_hex(16),
            email=parse_email(email),
            name=parse_name(name or suggest_name(email)),
            password_hash=await self.passwords.hash(password),
            password_set_at=now,
            created_at=now,
            roles=_parse_roles(roles),
            full_name=parse_full_name(full_name or "") or None,
        )
        return await self._add(account, may_rename=name is None)

    async def account(self, id: str) -> Account:
        """Return an account by its id, as `Identity.subject` has it.

        Raises:
            NotFound: there is none.
            Unavailable: the store cannot answer now.
        """
        account = await self._store.find_account(id) if id.isalnum() else None
        if account is None:
            raise NotFound("there is no such account")
        return account

    async def find(self, who: str) -> Account:
        """Return an account by its email, its name or its id; raises as `account` does."""
        return await self._store.find_login(login_key(who)) or await self.account(who)

    async def list(self) -> list[Account]:
        """Return all accounts, oldest first.

        Raises:
            Unavailable: the store cannot answer now.
        """
        return await self._store.list_accounts()

    async def change(
        self,
        id: str,
        *,
        email: str | None = None,
        full_name: str | None = None,
        password: str | None = None,
        spare: str | None = None,
    ) -> Account:
        """Change what is given, all or nothing; an empty full name removes it.

        A new password ends all sessions but the one with the id `spare`; API keys stay.

        Raises:
            NotFound: there is no such account.
            InvalidInput: a value breaks a rule; `Taken`: the email is another's.
            Overloaded: too many passwords wait to be hashed.
            Unavailable: the store cannot answer now.
        """
        changes: dict[str, object] = {}
        if email is not None:
            changes["email"] = parse_email(email)
        if full_name is not None:
            changes["full_name"] = parse_full_name(full_name) or None
        if password is not None:
            changes["password_hash"] = await self.passwords.hash(password)
            changes["password_set_at"] = self._clock()
        return await self._change(id, changes, ends_sessions=password is not None, spare=spare)

    async def set_roles(self, id: str, roles: Collection[str]) -> Account:
        """Give an account these roles and no others; raises as `change` does."""
        return await self._change(id, {"roles": _parse_roles(roles)})

    async def set_active(self, id: str, is_active: bool) -> Account:
        """Let an account come in, or keep it out: its sessions end, and its keys open nothing meanwhile.

        Raises as `change` does.
        """
        return await self._change(id, {"is_active": is_active}, ends_sessions=not is_active)

    async def delete(self, id: str) -> None:
        """Forget an account, its sessions and its keys.

        Raises:
            NotFound: there is no such account.
            Unavailable: the store cannot answer now.
        """
        if not await self._store.delete_account(id):
            raise NotFound("there is no such account")
        self._standings.forget(id)

    async def _add(self, account: Account, *, may_rename: bool) -> Account:
        for _ in range(_SUGGESTIONS):
            try:
                await self._store.add_account(account)
            except Taken:
                if not may_rename or await self._store.find_login(account.email_key) is not None:
                    raise
                account = replace(account, name=f"{suggest_name(account.email)[:90]}-{secrets.token_hex(3)}")
            else:
                return account
        raise Taken("no user name could be found: choose one")

    async def _change(
        self, id: str, changes: dict[str, object], *, ends_sessions: bool = False, spare: str | None = None
    ) -> Account:
        def apply(account: Account) -> Account:
            return replace(account, **changes)  # type: ignore[arg-type]

        changed = await self._store.change_account(id, apply, ends_sessions=ends_sessions, spare=spare)
        if changed is None:
            raise NotFound("there is no such account")
        self._standings.forget(id)
        return changed


def _parse_roles(roles: Collection[str]) -> frozenset[str]:
    unknown = set(roles) - ROLES
    if unknown:
        raise InvalidInput(f"there is no role '{min(unknown)}', only {', '.join(sorted(ROLES))}", field="roles")
    return frozenset(roles)
