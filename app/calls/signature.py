"""How a report of the call platform proves who sent it: signed webhooks of Vonage.

It carries a JWT in `Authorization: Bearer`, HS256 with the signature secret of the account, whose `payload_hash` is the
SHA-256 of what is sent: the body, or for a request without one the JSON of its query. Source: developer.vonage.com,
"Webhooks", signed webhooks; api.support.vonage.com 19033783342876 on the payload.

A report that comes twice under the same `jti` is taken twice: its sender repeats what was not answered in time, and it
may have been kept. An old one is refused by its age.
"""

import hashlib
import hmac
import time
from collections.abc import Callable
from typing import Any, Final

import jwt
import msgspec
from jwt.algorithms import HMACAlgorithm

from app.calls.callback import object_of, pairs_of
from app.errors import InvalidCredential, MissingCredential

ISSUER: Final = "Vonage"
MAX_SKEW_SECONDS: Final = 300.0
"""Between its clock and ours, and of the way."""
MAX_TOKEN_CHARACTERS: Final = 4096

_ALGORITHM: Final = "HS256"


class Signature:
    """Judges reports.

    Args:
        secret: of the account; the platform does not ask for a length.
        clock: seconds since the epoch.
    """

    def __init__(self, secret: str, *, clock: Callable[[], float] = time.time) -> None:
        self._secret = secret.encode()
        self._clock = clock
        self._tokens = jwt.PyJWS(algorithms=[])
        self._tokens.register_algorithm(_ALGORITHM, _AnyLength(HMACAlgorithm.SHA256))

    def verify(self, authorization: str | None, *, query: bytes, body: bytes) -> None:
        """Return if the platform sent this, a moment ago.

        Args:
            authorization: the header.
            query: as it stands in the URL.
            body: all of it.

        Raises:
            MissingCredential: there is no signature.
            InvalidCredential: it is not of the platform, not of this, or not of now.
        """
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise MissingCredential("the callback is not signed")
        claims = self._claims(token.strip())
        if claims.get("iss") != ISSUER:
            raise InvalidCredential("the signature is of another issuer")
        issued_at = claims.get("iat")
        if not isinstance(issued_at, int | float) or not abs(self._clock() - issued_at) <= MAX_SKEW_SECONDS:
            raise InvalidCredential(f"the signature is not of the last {MAX_SKEW_SECONDS:g} s")
        told = str(claims.get("payload_hash", "")).lower()
        if not hmac.compare_digest(told.encode(), payload_hash(query, body).encode()):
            raise InvalidCredential("the signature is of something else")

    def _claims(self, token: str) -> dict[str, Any]:
        # PyJWT parses the header before it checks the signature, so a stranger's token can be anything.
        try:
            if len(token) > MAX_TOKEN_CHARACTERS:
                raise ValueError(f"a token may have {MAX_TOKEN_CHARACTERS} characters")
            payload = self._tokens.decode(token, self._secret, algorithms=[_ALGORITHM])
            return msgspec.json.decode(payload, type=dict[str, Any])
        except (jwt.InvalidTokenError, ValueError, RecursionError):
            raise InvalidCredential("the signature is damaged or of another secret") from None


def payload_hash(query: bytes, body: bytes) -> str:
    """Return the hash of what was sent, in hexadecimal digits; a query counts as JSON without spaces, in its order."""
    return hashlib.sha256(body or msgspec.json.encode(object_of(pairs_of(query)))).hexdigest()


class _AnyLength(HMACAlgorithm):
    """An HMAC that does not warn of short keys: this one was chosen elsewhere."""

    def check_key_length(self, key: bytes) -> str | None:
        return None
