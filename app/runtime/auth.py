"""Who is asking: bearer tokens, API keys and signed URLs, each turned into an `Identity`.

Three rules hold here. What is compared with a secret is compared in constant time. No error, no `repr` and no
message carries a credential. A key serves one purpose: signed URLs have a key derived from the secret, and a
token made for one audience is refused by every other.
"""

import base64
import hashlib
import hmac
import json
import math
import secrets
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, Protocol

import jwt

from app.errors import InvalidCredential, InvalidInput
from app.runtime.secret import SECRET_BYTES

MAX_CREDENTIAL_LENGTH: Final = 4096
"""Characters. Longer ones are refused before anything is computed from them."""

SESSION_CLAIM: Final = "sid"
"""The claim of tokens that are good only while their session lives (OpenID Connect Front-Channel Logout 1.0, 3)."""

_ALGORITHM: Final = "HS256"
_SIGNATURE_BYTES: Final = 16
"""RFC 2104, 5: a truncated HMAC keeps at least half of its hash."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Who asks, and as what."""

    subject: str
    """Name of the account, or of the API key."""

    roles: frozenset[str] = frozenset()

    claims: Mapping[str, Any] = field(default_factory=dict, hash=False)
    """What else the token or the URL says: `model`, `client_id`, `jti`. Verified; empty for API keys."""


@dataclass(frozen=True, slots=True)
class Credential:
    """What a caller presented, not yet judged; its value is in no `repr`."""

    kind: Literal["token", "signature"]
    """`token` is a bearer token or an API key; `signature` the query value of a signed URL."""

    value: str = field(repr=False)


class KeyStore(Protocol):
    """Where API keys are kept, by their hash alone."""

    async def find(self, key_hash: bytes) -> Identity | None:
        """Return the owner of the key with this `hash_key`, None if there is none or it has expired.

        Raises:
            Unavailable: the store cannot answer now.
        """


class SessionStore(Protocol):
    """Where sessions are kept: what begins with a login and may end before its tokens do."""

    async def confirm(self, identity: Identity) -> Identity:
        """Return who `identity`, verified and with the claim `SESSION_CLAIM`, is now: its roles may have changed.

        Raises:
            InvalidCredential: the session has ended.
            Unavailable: the store cannot answer now.
        """


def hash_key(key: str) -> bytes:
    """Return the 32 bytes under which an API key is stored.

    A plain SHA-256 is enough only because keys are random and long (`new_key`): there is nothing to guess.
    """
    return hashlib.sha256(key.encode()).digest()


def new_key() -> str:
    """Return a fresh API key of 256 random bits, to be shown once."""
    return f"sk_{secrets.token_urlsafe(32)}"


class StaticKeys:
    """A key store for the few keys that stand in the settings.

    Args:
        keys: from key to owner. A key has 16 characters or more and, unlike a bearer token, not two dots.

    Raises:
        InvalidInput: a key breaks that rule.
    """

    def __init__(self, keys: Mapping[str, Identity]) -> None:
        for key, owner in keys.items():
            if len(key) < 16 or _looks_like_jwt(key):
                raise InvalidInput(f"the API key of '{owner.subject}' must have 16 characters and not two dots")
        self._owners = [(hash_key(key), owner) for key, owner in keys.items()]

    async def find(self, key_hash: bytes) -> Identity | None:
        """Compare with every key, each in constant time."""
        found = None
        for known, owner in self._owners:
            if hmac.compare_digest(known, key_hash):
                found = owner
        return found


class Authority:
    """Issues credentials and judges them.

    Args:
        secret: 32 bytes or more, the same in every process of the installation.
        key_stores: asked for an API key in this order.
        sessions: asked about tokens that belong to a session; None: such a token is good until it expires.
        audience: the `aud` of tokens that open the doors.
        clock: seconds since the epoch.
    """

    def __init__(
        self,
        secret: bytes,
        *,
        key_stores: Sequence[KeyStore] = (),
        sessions: SessionStore | None = None,
        audience: str = "chorus",
        clock: Callable[[], float] = time.time,
    ) -> None:
        if len(secret) < SECRET_BYTES:
            raise InvalidInput(f"the secret has {len(secret)} bytes and must have {SECRET_BYTES} or more")
        self._secret = secret
        self._url_key = hmac.digest(secret, b"chorus signed url", "sha256")
        self._key_stores = tuple(key_stores)
        self._sessions = sessions
        self._audience = audience
        self._clock = clock

    def issue(
        self,
        subject: str,
        *,
        expires_in: float,
        roles: Collection[str] = (),
        audience: str | None = None,
        **claims: Any,
    ) -> str:
        """Return a bearer token (JWT, HS256) that is good for `expires_in` seconds.

        `audience` other than the default makes a token for one purpose, such as refreshing, that opens no door.
        """
        now = self._clock()
        registered = {
            "sub": subject,
            "aud": audience or self._audience,
            "iat": int(now),
            "exp": math.ceil(now + expires_in),
            "roles": sorted(roles),
        }
        return jwt.encode({**claims, **registered}, self._secret, algorithm=_ALGORITHM)

    def verify(self, token: str, *, audience: str | None = None) -> Identity:
        """Return who a bearer token speaks for.

        Raises:
            InvalidCredential: it is damaged, forged, expired, not valid yet, or made for another audience.
        """
        claims = self._decode(token, audience or self._audience)
        self._check_time(claims.pop("exp"), claims.pop("nbf", 0))
        roles = claims.pop("roles", [])
        if not isinstance(roles, list) or not all(isinstance(role, str) for role in roles):
            raise InvalidCredential("the token's roles must be a list of names")
        return Identity(claims.pop("sub"), frozenset(roles), claims)

    def _decode(self, token: str, audience: str) -> dict[str, Any]:
        # The times are checked against our own clock, by _check_time. PyJWT parses the header before it checks
        # the signature, so a stranger's token can be anything: nested JSON raises RecursionError.
        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                self._secret,
                algorithms=[_ALGORITHM],
                audience=audience,
                options={
                    "require": ["exp", "sub", "aud"],
                    "verify_exp": False,
                    "verify_nbf": False,
                    "verify_iat": False,
                },
            )
        except (jwt.InvalidTokenError, ValueError, RecursionError):
            raise InvalidCredential("the token is damaged or was not made here") from None
        return claims

    def _check_time(self, expires_at: object, not_before: object) -> None:
        if not isinstance(expires_at, int | float) or not isinstance(not_before, int | float):
            raise InvalidCredential("the token's times must be numbers")
        now = self._clock()
        if not now < expires_at:  # NaN, which JSON parsers of Python accept, is not later than now
            raise InvalidCredential("the token has expired")
        if not not_before <= now:
            raise InvalidCredential("the token is not valid yet")

    def sign_url(self, path: str, *, subject: str, expires_in: float, **claims: Any) -> str:
        """Return the value of the query parameter `sig` that opens `path` for `expires_in` seconds.

        It may be used any number of times until then, and an open connection survives it. `path` is what the
        router sees: decoded and without a proxy's prefix. It carries no roles: it opens this path, no more.
        """
        expires_at = math.ceil(self._clock() + expires_in)
        content = json.dumps([subject, expires_at, claims], separators=(",", ":"), ensure_ascii=False)
        payload = _to_base64(content.encode())
        return f"{payload}.{self._url_signature(payload, path)}"

    def verify_url(self, path: str, value: str) -> Identity:
        """Return whom the value of `sig` lets into `path`.

        Raises:
            InvalidCredential: it is damaged, forged, expired or made for another path.
        """
        payload, _, signature = value.partition(".")
        expected = self._url_signature(payload, path)
        if not hmac.compare_digest(expected.encode(), signature.encode()):
            raise InvalidCredential("the signed URL is damaged or was made for another path")
        subject, expires_at, claims = json.loads(_from_base64(payload))
        if self._clock() >= expires_at:
            raise InvalidCredential("the signed URL has expired")
        return Identity(subject, claims=claims)

    def _url_signature(self, payload: str, path: str) -> str:
        # A payload is base64, so the first dot ends it, and no other pair gives the same text.
        message = f"{payload}.{path}".encode()
        return _to_base64(hmac.digest(self._url_key, message, "sha256")[:_SIGNATURE_BYTES])

    async def identify(self, credential: Credential, *, path: str) -> Identity:
        """Return who presents `credential` for `path`. Cancelling it is safe.

        Raises:
            InvalidCredential: it is wrong or has expired, or its session has ended.
            Unavailable: a key store or the sessions cannot answer now.
        """
        value = credential.value
        if len(value) > MAX_CREDENTIAL_LENGTH:
            raise InvalidCredential(f"a credential may have {MAX_CREDENTIAL_LENGTH} characters")
        if credential.kind == "signature":
            return self.verify_url(path, value)
        if _looks_like_jwt(value):
            return await self._confirm(self.verify(value))
        key_hash = hash_key(value)
        for store in self._key_stores:
            identity = await store.find(key_hash)
            if identity is not None:
                return identity
        raise InvalidCredential("the API key is not known or has expired")

    async def _confirm(self, identity: Identity) -> Identity:
        if self._sessions is None or SESSION_CLAIM not in identity.claims:
            return identity
        return await self._sessions.confirm(identity)


def _looks_like_jwt(value: str) -> bool:
    return value.count(".") == 2


def _to_base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _from_base64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
