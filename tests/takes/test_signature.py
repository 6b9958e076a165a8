import base64

import pytest

from app.errors import InvalidInput
from app.takes.signature import parse_secret, sign

# The example of the specification and its libraries: github.com/standard-webhooks, libraries/python/tests.
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
ID, TIMESTAMP, BODY = "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}'
SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_a_call_is_signed_as_the_specification_has_it():
    assert sign(parse_secret(SECRET), id=ID, timestamp=TIMESTAMP, body=BODY) == {
        "webhook-id": ID,
        "webhook-timestamp": str(TIMESTAMP),
        "webhook-signature": SIGNATURE,
    }


def test_whatever_is_signed_changes_the_signature():
    secret = parse_secret(SECRET)
    changed = [
        sign(b"x" * 24, id=ID, timestamp=TIMESTAMP, body=BODY),
        sign(secret, id="msg_2", timestamp=TIMESTAMP, body=BODY),
        sign(secret, id=ID, timestamp=TIMESTAMP + 1, body=BODY),
        sign(secret, id=ID, timestamp=TIMESTAMP, body=BODY + b" "),
    ]
    assert len({SIGNATURE, *(headers["webhook-signature"] for headers in changed)}) == 5


def test_a_secret_may_be_written_in_base64_or_as_it_is():
    assert parse_secret("whsec_" + base64.b64encode(b"s" * 24).decode()) == parse_secret("s" * 24) == b"s" * 24


@pytest.mark.parametrize("text", ["short", "s" * 65, "whsec_", "whsec_c2hvcnQ=", "whsec_not base64 at all!!!!!!!"])
def test_a_secret_that_is_none_is_refused(text):
    with pytest.raises(InvalidInput):
        parse_secret(text)
