import logging
import threading
from dataclasses import replace

import anyio
import pytest
from argon2 import PasswordHasher

from app.accounts import logins
from app.accounts.accounts import Terms
from app.accounts.session import GRACE_SECONDS
from app.errors import InvalidCredential, Overloaded, RateLimited, Unavailable
from tests.accounts.engine import HERE, PASSWORD, Engine
from tests.accounts.quick import quick_passwords

pytestmark = pytest.mark.anyio


@pytest.fixture
async def engine() -> Engine:
    engine = Engine(terms=Terms(access_seconds=60, refresh_seconds=1000))
    await engine.ann()
    return engine


async def fails(attempt, error: type[Exception] = InvalidCredential) -> Exception:
    with pytest.raises(error) as caught:
        await attempt
    return caught.value


@pytest.mark.parametrize("login", ["ann@example.org", "ANN@Example.ORG", "ann", "Ann", "ａｎｎ"])
async def test_email_and_name_are_as_good_in_any_case(engine, login):
    tokens = await engine.log_in(login)
    identity = await engine.identify(tokens.access)
    assert identity.subject == (await engine.accounts.find("ann")).id
    assert tokens.expires_in == 60
    assert (await engine.accounts.find("ann")).last_login_at == engine.clock.now


@pytest.mark.parametrize(
    ("login", "password"),
    [
        ("ann", "wrong horse"),
        ("ann", ""),
        ("eve", PASSWORD),
        ("", PASSWORD),
        ("an\0n", PASSWORD),
        ("x" * 999, "\ud800"),
    ],
)
async def test_whatever_is_wrong_has_one_answer(engine, login, password):
    told = await fails(engine.log_in(login, password))
    assert str(told) == "the name or the password is wrong, or the account is disabled"


async def test_a_disabled_account_is_out_and_its_tokens_with_it(engine):
    tokens, account = await engine.log_in(), await engine.accounts.find("ann")
    await engine.accounts.set_active(account.id, False)
    await fails(engine.log_in())
    await fails(engine.identify(tokens.access))
    await fails(engine.logins.refresh(tokens.refresh))
    await engine.accounts.set_active(account.id, True)
    await fails(engine.logins.refresh(tokens.refresh))
    await engine.log_in()


async def test_tokens_are_in_no_repr(engine):
    tokens = await engine.log_in()
    assert tokens.access not in repr(tokens)
    assert tokens.refresh not in repr(tokens)


async def test_an_access_token_expires_and_a_refresh_token_brings_another(engine):
    tokens = await engine.log_in()
    engine.clock.now += 60
    await fails(engine.identify(tokens.access))
    renewed = await engine.logins.refresh(tokens.refresh)
    assert renewed.refresh != tokens.refresh
    assert await engine.identify(renewed.access)


async def test_tokens_of_one_moment_differ(engine):
    tokens = await engine.log_in()
    renewed = await engine.logins.refresh(tokens.refresh)
    repeated = await engine.logins.refresh(tokens.refresh)
    assert len({tokens.access, renewed.access, repeated.access}) == 3
    assert renewed.refresh == repeated.refresh


async def test_a_session_lives_as_long_as_it_is_renewed(engine):
    refresh = (await engine.log_in()).refresh
    for _ in range(3):
        engine.clock.now += 999
        refresh = (await engine.logins.refresh(refresh)).refresh
    engine.clock.now += 1000
    await fails(engine.logins.refresh(refresh))
    assert engine.store.sessions == {}


async def test_a_refresh_token_used_twice_ends_all_of_its_session_and_nothing_else(engine, caplog):
    tokens, other = await engine.log_in(), await engine.log_in()
    renewed = await engine.logins.refresh(tokens.refresh)
    await engine.identify(renewed.access)
    engine.clock.now += GRACE_SECONDS + 1
    await fails(engine.logins.refresh(tokens.refresh))
    await fails(engine.logins.refresh(renewed.refresh))
    await fails(engine.identify(renewed.access))
    assert await engine.identify(other.access)
    assert await engine.logins.refresh(other.refresh)
    assert "used twice" in caplog.text
    assert tokens.refresh not in caplog.text


async def test_two_refreshes_at_once_get_the_same_token(engine):
    tokens, renewed = await engine.log_in(), []

    async def refresh() -> None:
        renewed.append(await engine.logins.refresh(tokens.refresh))

    async with anyio.create_task_group() as group:
        for _ in range(8):
            group.start_soon(refresh)
    assert len({one.refresh for one in renewed}) == 1
    engine.clock.now += 30
    assert await engine.logins.refresh(renewed[0].refresh)


@pytest.mark.parametrize("token", ["", "wrong", "rt_" + "A" * 64, "x" * 67, "rt_" + "é" * 64])
async def test_an_unknown_refresh_token_writes_nothing(engine, token, monkeypatch):
    monkeypatch.setattr(engine.store, "renew_session", None)
    monkeypatch.setattr(engine.store, "end_session", None)
    await fails(engine.logins.refresh(token))
    await engine.logins.log_out(token)


async def test_a_logout_ends_the_session(engine):
    tokens = await engine.log_in()
    await engine.identify(tokens.access)
    await engine.logins.log_out(tokens.refresh)
    await engine.logins.log_out(tokens.refresh)
    await fails(engine.identify(tokens.access))
    await fails(engine.logins.refresh(tokens.refresh))


async def test_a_token_that_was_used_still_logs_out(engine):
    tokens = await engine.log_in()
    renewed = await engine.logins.refresh(tokens.refresh)
    await engine.logins.log_out(tokens.refresh)
    await fails(engine.logins.refresh(renewed.refresh))


async def test_too_many_sessions_end_the_oldest(engine, monkeypatch):
    monkeypatch.setattr(logins, "MAX_SESSIONS", 2)
    tokens = []
    for _ in range(3):
        tokens.append(await engine.log_in())
        engine.clock.now += 1
    await fails(engine.logins.refresh(tokens[0].refresh))
    assert await engine.logins.refresh(tokens[1].refresh)


async def test_a_password_that_is_changed_while_it_is_checked_opens_nothing(engine, monkeypatch):
    account = await engine.accounts.find("ann")
    verify = engine.passwords.verify

    async def verify_slowly(known, password):
        result = await verify(known, password)
        engine.clock.now += 1
        await engine.accounts.change(account.id, password="another horse")
        return result

    monkeypatch.setattr(engine.passwords, "verify", verify_slowly)
    await fails(engine.log_in())


async def test_a_dated_hash_is_replaced_at_the_next_login(engine):
    engine.passwords = quick_passwords(PasswordHasher(2, 16, 1))
    stronger = engine.second()
    first = await stronger.log_in()
    assert "m=16,t=2" in (await engine.accounts.find("ann")).password_hash
    replaced = (await engine.accounts.find("ann")).password_hash
    await stronger.log_in()
    assert (await engine.accounts.find("ann")).password_hash == replaced
    assert await stronger.identify(first.access), "a new hash is not a new password"


async def test_a_dated_hash_stays_while_there_is_no_time_for_another(engine, monkeypatch):
    engine.passwords = quick_passwords(PasswordHasher(2, 16, 1))
    stronger, before = engine.second(), (await engine.accounts.find("ann")).password_hash

    async def hash_nothing(password):
        raise Overloaded("too many")

    monkeypatch.setattr(stronger.passwords, "hash", hash_nothing)
    assert await stronger.log_in()
    assert (await engine.accounts.find("ann")).password_hash == before


async def test_a_new_hash_never_displaces_a_new_password(engine):
    engine.passwords = quick_passwords(PasswordHasher(2, 16, 1))
    stronger, account = engine.second(), await engine.accounts.find("ann")
    hash, engine.clock.now = stronger.passwords.hash, engine.clock.now + 1

    async def hash_slowly(password):
        await engine.accounts.change(account.id, password="another horse")
        stronger.passwords.hash = hash
        return await hash(password)

    stronger.passwords.hash = hash_slowly
    await fails(stronger.log_in())
    assert await engine.log_in(password="another horse")


async def test_wrong_passwords_make_wait_and_the_right_one_starts_anew(engine):
    for _ in range(5):
        await fails(engine.log_in(password="wrong horse"))
    told = await fails(engine.log_in(), RateLimited)
    assert told.retry_after == 1
    engine.clock.now += 1
    await engine.log_in()
    for _ in range(4):
        await fails(engine.log_in(password="wrong horse"))
    await engine.log_in()


async def test_somebody_who_does_not_exist_is_slowed_as_well(engine):
    for _ in range(5):
        await fails(engine.log_in("nobody"))
    await fails(engine.log_in("nobody"), RateLimited)


class Waiting(PasswordHasher):
    """Compares when the gate is open, and counts."""

    def __init__(self) -> None:
        super().__init__(1, 8, 1)
        self.gate, self.count = threading.Event(), 0

    def verify(self, hash, password):
        assert self.gate.wait(30)
        self.count += 1
        return super().verify(hash, password)


async def test_guesses_at_once_are_no_more_than_guesses_in_a_row(engine):
    hasher, refused = Waiting(), []
    guessed = replace(engine, passwords=quick_passwords(hasher))

    async def guess() -> None:
        try:
            await guessed.log_in(password="wrong horse")
        except (InvalidCredential, RateLimited) as error:
            refused.append(type(error))

    async with anyio.create_task_group() as group:
        for _ in range(40):
            group.start_soon(guess)
        await anyio.wait_all_tasks_blocked()
        hasher.gate.set()
    assert hasher.count == 5
    assert refused.count(InvalidCredential) == 5
    assert refused.count(RateLimited) == 35


async def test_many_that_log_in_rightly_at_once_all_come_in(engine):
    tokens = []

    async def log_in() -> None:
        tokens.append(await engine.log_in())

    async with anyio.create_task_group() as group:
        for _ in range(20):
            group.start_soon(log_in)
    assert len({one.refresh for one in tokens}) == 20


async def test_an_outage_counts_as_no_wrong_password(engine):
    engine.store.is_out = True
    for _ in range(9):
        await fails(engine.log_in(), Unavailable)
    engine.store.is_out = False
    await engine.log_in()


async def test_a_refused_login_is_told_with_its_address_and_without_its_name(engine, caplog):
    caplog.set_level(logging.INFO)
    await fails(engine.log_in("somebody", "wrong horse"))
    (record,) = [record for record in caplog.records if "refused" in record.getMessage()]
    assert record.fields == {"client": HERE}
    assert "somebody" not in caplog.text and "horse" not in caplog.text
