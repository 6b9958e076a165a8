import pytest

from app.accounts import keys
from app.errors import InvalidCredential, InvalidInput, NotFound
from app.runtime.auth import hash_key
from tests.accounts.engine import Engine

pytestmark = pytest.mark.anyio


@pytest.fixture
async def engine() -> Engine:
    engine = Engine()
    await engine.ann()
    return engine


async def test_a_key_is_shown_once_and_kept_as_a_hash(engine):
    account = await engine.accounts.find("ann")
    kept, key = await engine.keys.create(account.id, "  overlay ")
    assert (kept.name, kept.prefix, kept.expires_at, kept.created_at) == ("overlay", key[:11], None, engine.clock.now)
    assert kept.key_hash == hash_key(key)
    assert key not in repr(kept) and str(kept.key_hash) not in repr(kept)
    assert await engine.keys.list(account.id) == [kept]
    assert (await engine.identify(key)).subject == account.id


async def test_a_key_expires_after_its_days(engine):
    account = await engine.accounts.find("ann")
    kept, key = await engine.keys.create(account.id, "overlay", days=2)
    engine.clock.now += 2 * 86_400 - 1
    assert not kept.has_expired(engine.clock.now)
    assert await engine.identify(key)
    engine.clock.now += 1
    assert kept.has_expired(engine.clock.now)
    with pytest.raises(InvalidCredential):
        await engine.identify(key)
    assert await engine.keys.list(account.id) == [kept]


@pytest.mark.parametrize("name", ["", "  ", "x" * 101, "a\nb", "a\0"])
async def test_a_key_has_a_name(engine, name):
    with pytest.raises(InvalidInput, match="1 to 100 printable"):
        await engine.keys.create((await engine.accounts.find("ann")).id, name)


@pytest.mark.parametrize("days", [0, -1, 3651, float("nan")])
async def test_the_days_of_a_key_are_bounded(engine, days):
    with pytest.raises(InvalidInput, match="3650 days"):
        await engine.keys.create((await engine.accounts.find("ann")).id, "overlay", days=days)


async def test_the_keys_of_an_account_are_bounded(engine, monkeypatch):
    monkeypatch.setattr(keys, "MAX_KEYS", 1)
    account = await engine.accounts.find("ann")
    await engine.keys.create(account.id, "one")
    with pytest.raises(InvalidInput, match="revoke one first"):
        await engine.keys.create(account.id, "two")


async def test_a_revoked_key_opens_nothing_at_once(engine):
    account = await engine.accounts.find("ann")
    kept, key = await engine.keys.create(account.id, "overlay")
    await engine.identify(key)
    await engine.keys.revoke(account.id, kept.id)
    with pytest.raises(InvalidCredential):
        await engine.identify(key)
    assert await engine.keys.list(account.id) == []


@pytest.mark.parametrize("id", ["", "unknown", "a\0", "\ud800", "../x"])
async def test_a_key_that_is_not_there_cannot_be_revoked(engine, id):
    with pytest.raises(NotFound):
        await engine.keys.revoke((await engine.accounts.find("ann")).id, id)


async def test_a_key_of_somebody_else_cannot_be_revoked(engine):
    kept, key = await engine.keys.create((await engine.accounts.find("ann")).id, "overlay")
    bob = await engine.accounts.create(email="bob@example.org", password="correct horse")
    with pytest.raises(NotFound):
        await engine.keys.revoke(bob.id, kept.id)
    assert await engine.identify(key)
