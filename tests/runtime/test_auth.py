import base64
import json
import math
import time

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import InvalidCredential, InvalidInput
from app.runtime.auth import Authority, Credential, Identity, StaticKeys, hash_key, new_key

pytestmark = pytest.mark.anyio

SECRET = b"s" * 32
KEY = "sk_0123456789abcdef"
OWNER = Identity("robot", frozenset({"admin"}))


class Clock:
    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def authority(clock: Clock) -> Authority:
    return Authority(SECRET, key_stores=[StaticKeys({}), StaticKeys({KEY: OWNER})], clock=clock)


def forge(clock: Clock, secret: bytes = SECRET, algorithm: str = "HS256", **changes: object) -> str:
    claims = {"sub": "ann", "aud": "chorus", "exp": clock.now + 60, **changes}
    return jwt.encode({k: v for k, v in claims.items() if v is not None}, secret, algorithm=algorithm)


def test_token_names_its_subject_roles_and_claims(authority: Authority) -> None:
    token = authority.issue("ann", expires_in=60, roles={"admin", "editor"}, jti="7")
    identity = authority.verify(token)
    assert identity.subject == "ann"
    assert identity.roles == {"admin", "editor"}
    assert identity.claims["jti"] == "7"


def test_claims_cannot_displace_what_the_authority_says(authority: Authority, clock: Clock) -> None:
    token = authority.issue("ann", expires_in=60, sub="eve", exp=math.inf)
    assert authority.verify(token).subject == "ann"
    clock.now += 61
    with pytest.raises(InvalidCredential):
        authority.verify(token)


def test_token_expires(authority: Authority, clock: Clock) -> None:
    token = authority.issue("ann", expires_in=60)
    clock.now += 59
    authority.verify(token)
    clock.now += 1
    with pytest.raises(InvalidCredential, match="expired"):
        authority.verify(token)


def test_token_of_one_audience_opens_no_other(authority: Authority) -> None:
    refresh = authority.issue("ann", expires_in=60, audience="refresh")
    assert authority.verify(refresh, audience="refresh").subject == "ann"
    with pytest.raises(InvalidCredential):
        authority.verify(refresh)


@pytest.mark.parametrize(
    "changes",
    [
        {"sub": None},
        {"aud": None},
        {"exp": None},
        {"aud": "elsewhere"},
        {"sub": 7},
        {"exp": "tomorrow"},
        {"exp": math.nan},
        {"nbf": 1_900_000_000},
        {"nbf": "now"},
        {"nbf": math.nan},
        {"roles": "admin"},
        {"roles": [1]},
        {"secret": b"x" * 32},
        {"algorithm": "HS512", "secret": b"s" * 64},
        {"algorithm": "none", "secret": None},
    ],
)
def test_forged_tokens_are_refused(authority: Authority, clock: Clock, changes: dict[str, object]) -> None:
    secret = changes.pop("secret", SECRET)
    algorithm = changes.pop("algorithm", "HS256")
    # PyJWT refuses to make some of these, so the claims are signed as they are.
    claims = {"sub": "ann", "aud": "chorus", "exp": clock.now + 60, **changes}
    payload = json.dumps({k: v for k, v in claims.items() if v is not None}).encode()
    token = jwt.api_jws.encode(payload, secret, algorithm=algorithm)  # type: ignore[arg-type]
    with pytest.raises(InvalidCredential) as caught:
        authority.verify(token)
    assert token not in str(caught.value)


def test_token_not_valid_before_now_is_accepted(authority: Authority, clock: Clock) -> None:
    assert authority.verify(forge(clock, nbf=clock.now)).subject == "ann"


@given(st.text())
def test_law_no_text_is_a_token(text: str) -> None:
    with pytest.raises(InvalidCredential):
        Authority(SECRET).verify(text)


def test_header_of_nested_brackets_is_refused(authority: Authority) -> None:
    header = base64.urlsafe_b64encode(b"[" * 100_000).decode()
    with pytest.raises(InvalidCredential):
        authority.verify(f"{header}.e30.e30")


def test_signed_url_opens_its_path_and_tells_its_claims(authority: Authority) -> None:
    value = authority.sign_url("/v1/takes/1/wav", subject="ann", expires_in=60, model="歌", part=3)
    identity = authority.verify_url("/v1/takes/1/wav", value)
    assert identity == Identity("ann", claims={"model": "歌", "part": 3})
    assert identity.roles == frozenset()


def test_signed_url_is_small_and_url_safe(authority: Authority) -> None:
    value = authority.sign_url("/v1/takes/1/wav", subject="ann", expires_in=60)
    assert len(value) <= 60
    assert set(value) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.")


def test_signed_url_opens_no_other_path(authority: Authority) -> None:
    value = authority.sign_url("/v1/takes/1/wav", subject="ann", expires_in=60)
    with pytest.raises(InvalidCredential, match="another path"):
        authority.verify_url("/v1/takes/2/wav", value)


def test_signed_url_expires(authority: Authority, clock: Clock) -> None:
    value = authority.sign_url("/a", subject="ann", expires_in=60)
    clock.now += 59
    authority.verify_url("/a", value)
    clock.now += 1
    with pytest.raises(InvalidCredential, match="expired"):
        authority.verify_url("/a", value)


def test_bearer_tokens_and_signed_urls_do_not_stand_for_each_other(authority: Authority) -> None:
    with pytest.raises(InvalidCredential):
        authority.verify_url("/a", authority.issue("ann", expires_in=60))
    with pytest.raises(InvalidCredential):
        authority.verify(authority.sign_url("/a", subject="ann", expires_in=60))


@given(subject=st.text(max_size=20), path=st.text(max_size=20), claims=st.dictionaries(st.text(), st.integers()))
def test_law_what_is_signed_verifies(subject: str, path: str, claims: dict[str, int]) -> None:
    authority = Authority(SECRET)
    claims = {key: value for key, value in claims.items() if key not in ("self", "path", "subject", "expires_in")}
    value = authority.sign_url(path, subject=subject, expires_in=60, **claims)
    assert authority.verify_url(path, value) == Identity(subject, claims=claims)


@given(data=st.data())
def test_law_no_changed_character_verifies(data: st.DataObject) -> None:
    authority = Authority(SECRET)
    value = authority.sign_url("/a", subject="ann", expires_in=60)
    place = data.draw(st.integers(0, len(value) - 1))
    changed = value[:place] + data.draw(st.characters()) + value[place + 1 :]
    if changed != value:
        with pytest.raises(InvalidCredential):
            authority.verify_url("/a", changed)


async def test_api_key_is_found_in_any_store(authority: Authority) -> None:
    assert await authority.identify(Credential("token", KEY), path="/") == OWNER


async def test_unknown_api_key_is_refused(authority: Authority) -> None:
    with pytest.raises(InvalidCredential, match="API key"):
        await authority.identify(Credential("token", KEY[:-1]), path="/")


async def test_bearer_token_and_signature_are_told_apart(authority: Authority) -> None:
    token = Credential("token", authority.issue("ann", expires_in=60))
    signature = Credential("signature", authority.sign_url("/a", subject="bob", expires_in=60))
    assert (await authority.identify(token, path="/a")).subject == "ann"
    assert (await authority.identify(signature, path="/a")).subject == "bob"


class Sessions:
    """One session lives."""

    async def confirm(self, identity: Identity) -> Identity:
        if identity.claims["sid"] != "alive":
            raise InvalidCredential("the session has ended")
        return Identity(identity.subject, frozenset({"new"}), identity.claims)


async def test_a_token_of_a_session_is_good_while_that_lives(clock: Clock) -> None:
    asked, unasked = Authority(SECRET, sessions=Sessions(), clock=clock), Authority(SECRET, clock=clock)
    alive, ended = (asked.issue("ann", expires_in=60, sid=session) for session in ("alive", "ended"))
    assert (await asked.identify(Credential("token", alive), path="/")).roles == {"new"}
    with pytest.raises(InvalidCredential, match="ended"):
        await asked.identify(Credential("token", ended), path="/")
    assert (await unasked.identify(Credential("token", ended), path="/")).subject == "ann"
    without = asked.issue("ann", expires_in=60, roles={"admin"})
    assert (await asked.identify(Credential("token", without), path="/")).roles == {"admin"}


async def test_endless_credentials_are_refused_unread(authority: Authority) -> None:
    with pytest.raises(InvalidCredential, match="4096"):
        await authority.identify(Credential("token", "a" * 4097), path="/")


def test_credential_is_in_no_repr() -> None:
    assert "hush" not in repr(Credential("token", "hush"))


def test_fresh_keys_differ_and_are_fit_for_a_store() -> None:
    first, second = new_key(), new_key()
    assert first != second
    StaticKeys({first: OWNER, second: OWNER})
    assert len(hash_key(first)) == 32


@pytest.mark.parametrize("key", ["short", "looks.like.a-bearer-token"])
def test_static_keys_must_be_keys(key: str) -> None:
    with pytest.raises(InvalidInput, match="'robot'") as caught:
        StaticKeys({key: OWNER})
    assert key not in str(caught.value)


def test_short_secrets_are_refused() -> None:
    with pytest.raises(InvalidInput, match="31 bytes"):
        Authority(b"s" * 31)


def test_default_clock_is_the_wall() -> None:
    authority = Authority(SECRET)
    token = authority.issue("ann", expires_in=60)
    claims = jwt.decode(token, SECRET, algorithms=["HS256"], audience="chorus")
    assert claims["exp"] - time.time() == pytest.approx(60, abs=5)
