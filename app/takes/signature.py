"""How a call to a webhook proves who sent it, after Standard Webhooks 1.0 (github.com/standard-webhooks).

A receiver that knows the secret computes the same HMAC-SHA-256 over `{id}.{timestamp}.{body}`, refuses timestamps that
are long ago, and forgets ids that it has had.
"""

import base64
import binascii
import hashlib
import hmac
from typing import Final

from app.errors import InvalidInput

PREFIX: Final = "whsec_"
"""What a secret begins with that is written in base64."""

MIN_BYTES, MAX_BYTES = 24, 64
"""Of a secret, as the specification has them."""


def parse_secret(text: str) -> bytes:
    """Return the bytes of a secret: base64 behind `whsec_`, or else the text itself.

    Raises:
        InvalidInput: it is no base64, or its length is none that a secret may have.
    """
    try:
        secret = (
            base64.b64decode(text.removeprefix(PREFIX), validate=True) if text.startswith(PREFIX) else text.encode()
        )
    except binascii.Error as error:
        raise InvalidInput(f"a secret that begins with {PREFIX} must go on in base64", field="secret") from error
    if not MIN_BYTES <= len(secret) <= MAX_BYTES:
        raise InvalidInput(
            f"a secret of webhooks has {MIN_BYTES} to {MAX_BYTES} bytes, not {len(secret)}", field="secret"
        )
    return secret


def sign(secret: bytes, *, id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """Return the headers of a call; `timestamp` is in seconds since the epoch."""
    signed = b"%b.%d.%b" % (id.encode("ascii"), timestamp, body)
    code = base64.b64encode(hmac.digest(secret, signed, hashlib.sha256)).decode("ascii")
    return {"webhook-id": id, "webhook-timestamp": str(timestamp), "webhook-signature": f"v1,{code}"}
