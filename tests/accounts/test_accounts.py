from dataclasses import replace

import anyio
import pytest

from app.accounts import accounts
from app.accounts.accounts import Terms
from app.errors import Denied, InvalidCredential, InvalidInput, NotFound, RateLimited, Taken
from tests.accounts.engine import HERE, PASSWORD, Engine

pytestmark = pytest.mark.anyio

STRANGER = {"email": "eve@example.org", "name": "eve", "password": PASSWORD, "address": HERE}


@pytest.fixture
def engine() -> Engine:
    return Engine(terms=Terms(registration_open=True, registrations_per_hour=3))


async def test_an_account_is_made_with_what_is_known_of_it(engine):
    made = await engine.ann(name="Ann_B", full_name=" Ann B ", roles=["admin"])
    assert (made.email, made.name, made.full_name, made.roles) == ("ann@example.org", "Ann_B", "Ann B", {"admin"})
    assert made.is_active and made.created_at == made.password_set_at == engine.clock.now
    assert PASSWORD not in made.password_hash and made.password_hash not in repr(made)
    for who in ("ann@EXAMPLE.org", "ann_b", made.id):
        assert await engine.accounts.find(who) == made
    assert await engine.accounts.account(made.id) == made
    assert await engine.accounts.list() == [made]


async def test_a_name_is_found_where_none_is_given(engine):
    names = [(await engine.accounts.create(email=f"ann@{n}.org", password=PASSWORD)).name for n in range(3)]
    assert names[0] == "ann"
    assert len(set(names)) == 3
    assert all(name.startswith("ann") for name in names)


async def test_where_every_name_is_taken_one_must_be_chosen(engine, monkeypatch):
    await engine.ann(email="ann@other.org")
    await engine.ann(email="other@other.org", name="ann-same")
    monkeypatch.setattr(accounts.secrets, "token_hex", lambda size: "same" if size == 3 else "id")
    with pytest.raises(Taken, match="choose one"):
        await engine.ann()


async def test_a_taken_email_is_told_though_the_name_could_be_another(engine):
    await engine.ann()
    with pytest.raises(Taken):
        await engine.ann()
    with pytest.raises(Taken):
        await engine.ann(email="other@example.org", name="ANN")


@pytest.mark.parametrize(
    ("value", "field"),
    [({"email": "x"}, "email"), ({"name": "x"}, "name"), ({"password": "x"}, "password")]
    + [({"full_name": "a\nb"}, "full_name"), ({"roles": ["god"]}, "roles")],
)
async def test_what_breaks_a_rule_makes_no_account(engine, value, field):
    with pytest.raises(InvalidInput) as refused:
        await engine.ann(**value)
    assert refused.value.field == field
    assert await engine.accounts.list() == []


@pytest.mark.parametrize("who", ["", "nobody", "no@body.org", "\0", "\ud800", "x" * 999])
async def test_nobody_is_not_found(engine, who):
    with pytest.raises(NotFound):
        await engine.accounts.find(who)
    with pytest.raises(NotFound):
        await engine.accounts.account(who)


async def test_a_stranger_registers_without_roles(engine):
    account = await engine.accounts.register(**STRANGER, full_name="Eve")
    assert (account.roles, account.full_name) == (set(), "Eve")
    assert await engine.log_in("eve")


async def test_a_closed_registration_tells_nothing(engine):
    closed = replace(engine, terms=Terms())
    await engine.accounts.register(**STRANGER)
    asked = engine.store.asked
    for email in ("eve@example.org", "new@example.org"):
        with pytest.raises(Denied, match="registration is closed"):
            await closed.accounts.register(**STRANGER | {"email": email})
    assert engine.store.asked == asked


async def test_registrations_of_an_address_are_bounded(engine):
    for _ in range(9):
        with pytest.raises(InvalidInput):
            await engine.accounts.register(**STRANGER | {"password": "short"})
    await engine.accounts.register(**STRANGER)
    for _ in range(2):
        with pytest.raises(Taken):
            await engine.accounts.register(**STRANGER)
    with pytest.raises(RateLimited) as refused:
        await engine.accounts.register(**STRANGER | {"name": "other", "email": "other@example.org"})
    assert refused.value.retry_after == 3600
    await engine.accounts.register(**STRANGER | {"name": "other", "email": "o@example.org", "address": "elsewhere"})


async def test_of_two_registrations_at_once_one_is_made(engine):
    made = []

    async def register() -> None:
        try:
            made.append(await engine.accounts.register(**STRANGER))
        except Taken:
            made.append(None)

    async with anyio.create_task_group() as group:
        for _ in range(2):
            group.start_soon(register)
    assert made.count(None) == 1


async def test_a_new_password_ends_sessions_and_leaves_keys(engine):
    account = await engine.ann()
    one, other = await engine.log_in(), await engine.log_in()
    _, key = await engine.keys.create(account.id, "overlay")
    spared = (await engine.identify(one.access)).claims["sid"]
    engine.clock.now += 1
    await engine.accounts.change(account.id, password="another horse", spare=spared)
    assert await engine.identify(one.access) and await engine.identify(key)
    with pytest.raises(InvalidCredential):
        await engine.identify(other.access)
    with pytest.raises(InvalidCredential):
        await engine.log_in()
    assert await engine.log_in(password="another horse")


async def test_only_what_is_given_changes(engine):
    account = await engine.ann(full_name="Ann")
    tokens = await engine.log_in()
    changed = await engine.accounts.change(account.id, email="new@example.org")
    assert changed == replace(await engine.accounts.account(account.id), email="new@example.org", full_name="Ann")
    assert (await engine.accounts.change(account.id, full_name=" ")).full_name is None
    assert await engine.identify(tokens.access)
    assert await engine.log_in("new@example.org")


async def test_all_changes_are_kept_or_none(engine):
    account = await engine.ann()
    await engine.accounts.create(email="bob@example.org", password=PASSWORD)
    with pytest.raises(Taken):
        await engine.accounts.change(account.id, email="BOB@example.org", full_name="x", password="another horse")
    with pytest.raises(InvalidInput):
        await engine.accounts.change(account.id, email="new@example.org", password="short")
    assert await engine.accounts.account(account.id) == account
    assert await engine.log_in()


async def test_new_roles_count_for_those_who_are_logged_in(engine):
    account = await engine.ann()
    tokens = await engine.log_in()
    assert (await engine.identify(tokens.access)).roles == set()
    await engine.accounts.set_roles(account.id, ["admin"])
    assert (await engine.identify(tokens.access)).roles == {"admin"}
    await engine.accounts.set_roles(account.id, [])
    assert (await engine.identify(tokens.access)).roles == set()
    with pytest.raises(InvalidInput, match="there is no role 'god', only admin"):
        await engine.accounts.set_roles(account.id, ["god"])


async def test_with_an_account_its_credentials_go(engine):
    account = await engine.ann()
    tokens, (_, key) = await engine.log_in(), await engine.keys.create(account.id, "overlay")
    await engine.identify(key)
    await engine.accounts.delete(account.id)
    for credential in (key, tokens.access):
        with pytest.raises(InvalidCredential):
            await engine.identify(credential)
    for change in (engine.accounts.delete, lambda id: engine.accounts.set_active(id, True), engine.accounts.change):
        with pytest.raises(NotFound):
            await change(account.id)
