import base64
import hashlib
import hmac
import json
from typing import Any

import jwt
import pytest
from vonage_jwt import verify_signature

from app.calls.signature import MAX_SKEW_SECONDS, Signature
from app.errors import InvalidCredential, MissingCredential

SECRET = "XsA09z2MhHbYC8JJLuDCoZTE"  # of 24 characters, as accounts have
NOW = 1_763_650_000.0
BODY = b'{"status":"answered","uuid":"63f61863-4a51-4f6b-86e1-46edebcf9356"}'


def signed(secret: str = SECRET, *, body: bytes = BODY, **changes: Any) -> str:
    """Return the header as the platform makes it (RFC 7515, 3.1)."""
    claims = {
        "iat": int(NOW), "jti": "c5ba8f24-1a14-4c10-bfdf-3fbe8ce511b5", "iss": "Vonage",
        "payload_hash": hashlib.sha256(body).hexdigest(), "api_key": "a1b2c3d4",
        "application_id": "aaaaaaaa-bbbb-cccc-dddd-0123456789ab",
    } | changes  # fmt: skip
    claims = {name: value for name, value in claims.items() if value is not None}
    content = f"{_base64({'typ': 'JWT', 'alg': 'HS256'})}.{_base64(claims)}"
    return f"Bearer {content}.{_base64(hmac.digest(secret.encode(), content.encode(), 'sha256'))}"


def _base64(content: dict[str, Any] | bytes) -> str:
    data = content if isinstance(content, bytes) else json.dumps(content).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


@pytest.fixture
def signature() -> Signature:
    return Signature(SECRET, clock=lambda: NOW)


def test_what_the_platform_signed_is_its_own(signature):
    header = signed()

    signature.verify(header, query=b"", body=BODY)
    signature.verify(header.replace("Bearer", "bearer"), query=b"x=1", body=BODY)
    signature.verify(header, query=b"", body=BODY)  # it may come again


@pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")
def test_the_vendor_says_so_too():
    token = signed(iat=None).removeprefix("Bearer ")

    assert verify_signature(token, SECRET) and not verify_signature(token, "another secret of the account")


def test_a_long_secret_is_one_too():
    secret = "x" * 64

    Signature(secret, clock=lambda: NOW).verify(signed(secret), query=b"", body=BODY)


def test_without_a_body_the_query_is_signed(signature):
    content = b'{"status":"answered","to":"+44 77","tag":["a","b"],"name":"\xc3\xa9"}'

    header = signed(body=content)

    signature.verify(header, query=b"status=answered&to=%2B44+77&tag=a&tag=b&name=%C3%A9", body=b"")
    with pytest.raises(InvalidCredential, match="of something else"):
        signature.verify(header, query=b"status=completed&to=%2B44+77&tag=a&tag=b&name=%C3%A9", body=b"")


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer ", "Basic abc", "abc"])
def test_what_is_not_signed_is_refused(signature, header):
    with pytest.raises(MissingCredential):
        signature.verify(header, query=b"", body=BODY)


@pytest.mark.parametrize(
    "header",
    [
        signed("another secret"),
        signed(iss="Acme"),
        signed(iss=None),
        signed(payload_hash=None),
        signed(payload_hash=7),
        signed(payload_hash="é"),
        signed(body=BODY + b" "),
        signed(iat=None),
        signed(iat="now"),
        signed(iat=1e300),
        "Bearer a.b.c",
        "Bearer é.é.é",
        "Bearer " + "a" * 100_000,
        f"Bearer {jwt.encode({'iss': 'Vonage', 'iat': NOW}, key=None, algorithm='none')}",
        f"Bearer {jwt.encode({'iss': 'Vonage', 'iat': NOW}, SECRET * 4, algorithm='HS512')}",
    ],
)
def test_what_is_signed_otherwise_is_refused(signature, header):
    with pytest.raises(InvalidCredential) as caught:
        signature.verify(header, query=b"", body=BODY)
    assert SECRET not in str(caught.value) and header[7:] not in str(caught.value)


@pytest.mark.parametrize("age, is_good", [(0, True), (299, True), (-299, True), (301, False), (-301, False)])
def test_an_old_signature_is_refused(age, is_good):
    signature = Signature(SECRET, clock=lambda: NOW + age)
    assert MAX_SKEW_SECONDS == 300

    if is_good:
        signature.verify(signed(), query=b"", body=BODY)
    else:
        with pytest.raises(InvalidCredential, match="not of the last 300 s"):
            signature.verify(signed(), query=b"", body=BODY)
