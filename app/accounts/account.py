"""A user: who it is, what it may do, and the hash of its password."""

from dataclasses import dataclass, field
from typing import Final

from app.accounts.names import login_key

ADMIN: Final = "admin"
"""May do everything that needs a role."""

ROLES: Final = frozenset({ADMIN})
"""Every role there is; who has none is a plain user."""


@dataclass(frozen=True, slots=True)
class Account:
    """One user. Times are seconds since 1970."""

    id: str
    """For ever; `Identity.subject` of who is logged in."""
    email: str
    name: str
    password_hash: str = field(repr=False)
    password_set_at: float
    """When the password became this one; another hash of the same password is no change."""
    created_at: float
    roles: frozenset[str] = frozenset()
    is_active: bool = True
    """Whether it may come in."""
    full_name: str | None = None
    last_login_at: float | None = None

    @property
    def email_key(self) -> str:
        """What no other account's email has."""
        return login_key(self.email)

    @property
    def name_key(self) -> str:
        """What no other account's name has."""
        return login_key(self.name)
