"""A session: what begins with a login, lives on refresh tokens, and ends with a logout. Pure.

Rules of this file:

1. A refresh token has two random parts: which session it is of, and a secret that changes with each use. Only hashes
   of the two are kept. Both are long, so a plain SHA-256 is enough: there is nothing to guess.
2. Who presents a secret that was current once but is not now ends the session (RFC 9700, 4.14.2): two have the same
   token, and nobody can tell which of them is the thief. It does not matter how long ago it was current, for whoever
   names the session has held a token of it.
3. Except for a moment: a client that asks several times at once, or asks again because the answer was lost, gets the
   token that is current, never another one. So the tokens of a session are one line; a thief who comes within the
   moment holds the token that its owner holds, and rule 2 finds out when the slower of them uses it. The server does
   not know that token: it computes it from the one that was presented and the nonces that were drawn since.
"""

import base64
import hashlib
import hmac
import re
import secrets
import struct
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final

from app.errors import InvalidCredential

GRACE_SECONDS: Final = 10.0
"""The moment of rule 3; twice the time-out of the clients that are known."""

PREFIX: Final = "rt_"
_SESSION_BYTES: Final = 16
_SECRET_BYTES: Final = 32
_NONCE_BYTES: Final = 16
_MAX_LINKS: Final = 64
"""Refreshes of one moment that can be told apart; with more, the moment is shorter."""

_LINK: Final = struct.Struct(f">32s{_NONCE_BYTES}sd")
"""How a link is kept: hash, nonce, seconds since 1970."""

_TEXT: Final = re.compile(rf"{PREFIX}[A-Za-z0-9_-]{{{(_SESSION_BYTES + _SECRET_BYTES) * 4 // 3}}}")


@dataclass(frozen=True, slots=True)
class RefreshToken:
    """What renews a session once."""

    session: bytes = field(repr=False)
    secret: bytes = field(repr=False)

    @classmethod
    def new(cls) -> "RefreshToken":
        """Return the first token of a session."""
        return cls(secrets.token_bytes(_SESSION_BYTES), secrets.token_bytes(_SECRET_BYTES))

    @classmethod
    def parse(cls, text: str) -> "RefreshToken":
        """Read a token.

        Raises:
            InvalidCredential: it is none.
        """
        if not _TEXT.fullmatch(text):
            raise InvalidCredential("the refresh token is not known")
        content = base64.urlsafe_b64decode(text.removeprefix(PREFIX))
        return cls(content[:_SESSION_BYTES], content[_SESSION_BYTES:])

    @property
    def text(self) -> str:
        """As clients have it: 67 characters without meaning to them."""
        return PREFIX + base64.urlsafe_b64encode(self.session + self.secret).decode()

    @property
    def session_id(self) -> str:
        """Under which name the session is known; it says nothing about the token."""
        return hashlib.sha256(self.session).hexdigest()

    @property
    def hash(self) -> bytes:
        """The 32 bytes under which the secret is kept."""
        return hashlib.sha256(self.secret).digest()

    def next(self, nonce: bytes) -> "RefreshToken":
        """Return the token that follows, which nobody can compute who has not both this one and the nonce."""
        return RefreshToken(self.session, hmac.digest(self.secret, nonce, "sha256"))


@dataclass(frozen=True, slots=True)
class Link:
    """One refresh: what leads from a token to the next."""

    hash: bytes = field(repr=False)
    """Of the token that was used up."""
    nonce: bytes = field(repr=False)
    at: float
    """Seconds since 1970."""


@dataclass(frozen=True, slots=True)
class Session:
    """What is kept of a session. Times are seconds since 1970."""

    id: str
    account_id: str
    token_hash: bytes = field(repr=False)
    """Of the current token."""
    created_at: float
    expires_at: float
    links: tuple[Link, ...] = ()
    """The refreshes of the last moment, oldest first; the last one made the current token."""


class Outcome(StrEnum):
    """What became of a session when a token was presented."""

    RENEWED = "renewed"
    REPEATED = "repeated"
    EXPIRED = "expired"
    REUSED = "reused"


@dataclass(frozen=True, slots=True)
class Renewal:
    """The answer to a token."""

    outcome: Outcome
    session: Session | None
    """As it goes on; None: it has ended."""
    token: RefreshToken | None
    """Which is current now; None: there is none any more."""


def begin(account_id: str, *, now: float, lifetime: float) -> tuple[Session, RefreshToken]:
    """Return a new session and its first token."""
    token = RefreshToken.new()
    return Session(token.session_id, account_id, token.hash, created_at=now, expires_at=now + lifetime), token


def new_nonce() -> bytes:
    """Return what a refresh draws."""
    return secrets.token_bytes(_NONCE_BYTES)


def renew(session: Session, token: RefreshToken, *, now: float, lifetime: float, nonce: bytes) -> Renewal:
    """Judge a token that names this session, by the rules above.

    Args:
        session: as it is kept.
        token: as it was presented.
        now: seconds since 1970.
        lifetime: how long the session lives from now on if the token is good.
        nonce: from `new_nonce`.
    """
    if now >= session.expires_at:
        return Renewal(Outcome.EXPIRED, None, None)
    links = tuple(link for link in session.links if now - link.at <= GRACE_SECONDS)
    if hmac.compare_digest(token.hash, session.token_hash):
        following = token.next(nonce)
        links = (*links, Link(token.hash, nonce, now))[-_MAX_LINKS:]
        renewed = replace(session, token_hash=following.hash, links=links, expires_at=now + lifetime)
        return Renewal(Outcome.RENEWED, renewed, following)
    for position, link in enumerate(links):
        if hmac.compare_digest(token.hash, link.hash):
            return Renewal(Outcome.REPEATED, session, _follow(token, links[position:]))
    return Renewal(Outcome.REUSED, None, None)


def pack_links(links: tuple[Link, ...]) -> bytes:
    """Return links as they are kept, 56 bytes each."""
    return b"".join(_LINK.pack(link.hash, link.nonce, link.at) for link in links)


def unpack_links(data: bytes) -> tuple[Link, ...]:
    """Read what `pack_links` wrote."""
    return tuple(Link(hash, nonce, at) for hash, nonce, at in _LINK.iter_unpack(data))


def _follow(token: RefreshToken, links: tuple[Link, ...]) -> RefreshToken:
    for link in links:
        token = token.next(link.nonce)
    return token
