"""The engine of accounts on a fake store, with clocks that stand still."""

from dataclasses import dataclass, field, replace

from app.accounts.account import Account
from app.accounts.accounts import Accounts, Terms
from app.accounts.logins import Tokens
from app.accounts.passwords import Passwords
from app.accounts.standings import Standings
from app.accounts.store import Store
from app.runtime.auth import Authority, Credential, Identity
from tests.accounts.clock import Clock
from tests.accounts.fake_store import FakeStore
from tests.accounts.quick import quick_passwords

PASSWORD = "correct horse"
HERE = "192.0.2.1"


@dataclass
class Engine:
    """Everything that works together; `store` is given where two engines share one."""

    store: Store = field(default_factory=FakeStore)
    terms: Terms = field(default_factory=Terms)
    passwords: Passwords = field(default_factory=quick_passwords)
    clock: Clock = field(default_factory=Clock)

    def __post_init__(self) -> None:
        self.standings = Standings(self.store, clock=self.clock, monotonic=self.clock)
        self.authority = Authority(b"s" * 32, key_stores=[self.standings], sessions=self.standings, clock=self.clock)
        self.accounts = Accounts(
            self.store,
            passwords=self.passwords,
            authority=self.authority,
            standings=self.standings,
            terms=self.terms,
            clock=self.clock,
            monotonic=self.clock,
        )
        self.logins, self.keys = self.accounts.logins, self.accounts.keys

    def second(self) -> "Engine":
        """Another server on the same store."""
        return replace(self)

    async def ann(self, **values: object) -> Account:
        return await self.accounts.create(**{"email": "ann@example.org", "password": PASSWORD, **values})

    async def log_in(self, login: str = "ann", password: str = PASSWORD, address: str = HERE) -> Tokens:
        return await self.logins.log_in(login, password, address=address)

    async def identify(self, value: str) -> Identity:
        return await self.authority.identify(Credential("token", value), path="/")
