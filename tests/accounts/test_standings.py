import anyio
import pytest

from app.accounts import standings
from app.accounts.standings import REMEMBER_SECONDS
from app.errors import InvalidCredential, Unavailable
from tests.accounts.engine import Engine
from tests.accounts.fake_store import FakeStore

pytestmark = pytest.mark.anyio


@pytest.fixture
def engine() -> Engine:
    return Engine()


async def key_of(engine: Engine, **options: object) -> str:
    return (await engine.keys.create((await engine.ann()).id, "overlay", **options))[1]


async def test_a_key_and_a_token_speak_for_their_account(engine):
    key = await key_of(engine)
    account = await engine.accounts.set_roles((await engine.accounts.find("ann")).id, {"admin"})
    token = (await engine.log_in()).access
    for credential in (key, token):
        identity = await engine.identify(credential)
        assert (identity.subject, identity.roles) == (account.id, {"admin"})


async def test_the_store_is_asked_once_in_some_seconds(engine):
    key, token = await key_of(engine), (await engine.log_in()).access
    asked = engine.store.asked
    for _ in range(100):
        await engine.identify(key)
        await engine.identify(token)
    assert engine.store.asked == asked + 2
    engine.clock.now += REMEMBER_SECONDS
    await engine.identify(key)
    assert engine.store.asked == asked + 3


async def test_what_another_server_changes_counts_after_some_seconds(engine):
    key, token, other = await key_of(engine), (await engine.log_in()).access, engine.second()
    await engine.identify(key)
    await engine.identify(token)
    account = await other.accounts.find("ann")
    await other.accounts.set_active(account.id, False)
    assert (await engine.identify(key)).subject == account.id
    engine.clock.now += REMEMBER_SECONDS
    for credential in (key, token):
        with pytest.raises(InvalidCredential):
            await engine.identify(credential)


async def test_what_this_server_changes_counts_at_once(engine):
    key, token = await key_of(engine), (await engine.log_in()).access
    await engine.identify(key)
    await engine.identify(token)
    await engine.accounts.set_active((await engine.accounts.find("ann")).id, False)
    for credential in (key, token):
        with pytest.raises(InvalidCredential):
            await engine.identify(credential)


async def test_an_answer_that_is_older_than_a_change_is_not_remembered():
    engine = Engine(store=SlowStore())
    key = await key_of(engine)
    account, found = await engine.accounts.find("ann"), []

    async def ask() -> None:
        found.append(await engine.identify(key))

    async with anyio.create_task_group() as group:
        group.start_soon(ask)
        await engine.store.answered.wait()
        await engine.accounts.set_active(account.id, False)
        engine.store.gate.set()
    assert found, "it was true when it was asked"
    with pytest.raises(InvalidCredential):
        await engine.identify(key)


class SlowStore(FakeStore):
    """Knows a key at once and says so when the gate is open."""

    def __init__(self) -> None:
        super().__init__()
        self.answered, self.gate = anyio.Event(), anyio.Event()

    async def find_key(self, key_hash):
        found = await super().find_key(key_hash)
        self.answered.set()
        await self.gate.wait()
        return found


async def test_a_remembered_key_expires_in_time(engine):
    key = await key_of(engine, days=1 / 86_400)
    await engine.identify(key)
    engine.clock.now += 1
    with pytest.raises(InvalidCredential):
        await engine.identify(key)


async def test_a_key_without_an_end_lives_for_ever(engine):
    key = await key_of(engine)
    engine.clock.now += 1e9
    assert await engine.identify(key)


async def test_a_token_of_one_session_does_not_open_for_another_account(engine):
    await engine.ann()
    await engine.accounts.create(email="bob@example.org", password="correct horse")
    await engine.log_in()
    session = next(iter(engine.store.sessions))
    bob = await engine.accounts.find("bob")
    with pytest.raises(InvalidCredential):
        await engine.identify(engine.authority.issue(bob.id, expires_in=60, sid=session))


async def test_an_outage_is_not_a_wrong_credential(engine):
    key, token = await key_of(engine), (await engine.log_in()).access
    engine.store.is_out = True
    for credential in (key, token):
        with pytest.raises(Unavailable):
            await engine.identify(credential)


async def test_what_is_remembered_is_bounded(engine, monkeypatch):
    monkeypatch.setattr(standings, "MAX_REMEMBERED", 2)
    await engine.ann()
    for _ in range(5):
        await engine.identify((await engine.log_in()).access)
    assert len(engine.standings._remembered) == 2


async def test_uses_of_keys_are_told_once(engine):
    key = await key_of(engine)
    with pytest.raises(InvalidCredential):
        await engine.identify("sk_unknown")
    assert engine.standings.take_uses() == {}
    await engine.identify(key)
    engine.clock.now += 3
    await engine.identify(key)
    assert engine.standings.take_uses() == {next(iter(engine.store.keys)): engine.clock.now}
    assert engine.standings.take_uses() == {}
