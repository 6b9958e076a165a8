"""A permanent key: what is kept of it. The key itself is shown once and kept nowhere."""

from dataclasses import dataclass, field
from typing import Final

from app.errors import InvalidInput

MAX_KEY_NAME_CHARACTERS: Final = 100

PREFIX_CHARACTERS: Final = 11
"""`sk_` and 8 more: enough to tell one's keys apart, and 208 random bits short of a key."""


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key of an account. Times are seconds since 1970."""

    id: str
    account_id: str
    name: str
    prefix: str
    """How it begins."""
    key_hash: bytes = field(repr=False)
    created_at: float
    expires_at: float | None = None
    """None: never."""
    last_used_at: float | None = None
    """Within a minute; None: never."""

    def has_expired(self, now: float) -> bool:
        """Tell whether it opens nothing any more."""
        return self.expires_at is not None and now >= self.expires_at


def parse_key_name(text: str) -> str:
    """Return what a key is called, without the blanks around it.

    Raises:
        InvalidInput: it is empty, too long, or has characters that do not print.
    """
    name = text.strip()
    if not 1 <= len(name) <= MAX_KEY_NAME_CHARACTERS or not name.isprintable():
        raise InvalidInput(f"a key's name has 1 to {MAX_KEY_NAME_CHARACTERS} printable characters", field="name")
    return name
