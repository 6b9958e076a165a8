"""The suite of every store: the fake one, SQLite and PostgreSQL."""

from dataclasses import replace

import anyio
import pytest

from app.accounts.account import ADMIN, Account
from app.accounts.api_key import ApiKey
from app.accounts.session import Link, Outcome, Renewal, Session
from app.accounts.sql import AccountTables
from app.accounts.store import Store
from app.errors import Taken, Unavailable
from tests.accounts.stores import connect, store

__all__ = ["store"]

pytestmark = pytest.mark.anyio

ANN = Account("a1", "Ann@Example.org", "Ann", "hash-1", password_set_at=5.5, created_at=10.25)
BOB = Account("b2", "bob@example.org", "bob", "hash-2", password_set_at=6.5, created_at=11.0, roles=frozenset({ADMIN}))
LOGIN = Session("s1", "a1", b"t" * 32, created_at=20.0, expires_at=100.0)
LINKS = (Link(b"\0" * 32, b"\xff" * 16, 20.5), Link(b"1" * 32, b"2" * 16, 21.25))
KEY = ApiKey("k1", "a1", "overlay", "sk_abc", b"h" * 32, created_at=30.0)


async def with_ann(store: Store) -> None:
    await store.add_account(ANN)
    assert await store.add_session(LOGIN, password_set_at=ANN.password_set_at, keep=9)


async def test_an_account_is_kept_whole(store):
    whole = replace(ANN, roles=frozenset({ADMIN, "other"}), full_name="Ann 安", last_login_at=12.125, is_active=False)
    await store.add_account(whole)
    assert await store.find_account("a1") == whole
    assert await store.find_account("nobody") is None


async def test_an_account_is_found_by_its_names_in_any_case(store):
    await store.add_account(ANN)
    for key in ("ann@example.org", "ann"):
        assert await store.find_login(key) == ANN
    for key in ("", "example.org", "Ann", "%", "a1"):
        assert await store.find_login(key) is None


async def test_accounts_are_listed_oldest_first(store):
    await store.add_account(BOB)
    await store.add_account(ANN)
    assert await store.list_accounts() == [ANN, BOB]


@pytest.mark.parametrize("other", [{"email": "ANN@EXAMPLE.ORG", "name": "x"}, {"name": "aNN", "email": "x@y"}])
async def test_names_are_unique_in_any_case(store, other):
    await store.add_account(ANN)
    with pytest.raises(Taken, match="already registered"):
        await store.add_account(replace(BOB, **other))
    await store.add_account(BOB)
    with pytest.raises(Taken):
        await store.change_account("b2", lambda account: replace(account, **other))
    assert await store.find_account("b2") == BOB


async def test_two_that_want_one_name_at_once_do_not_both_get_it(store):
    taken = []

    async def add(number: int) -> None:
        try:
            await store.add_account(replace(ANN, id=f"n{number}", email=f"{number}@example.org"))
        except Taken:
            taken.append(number)

    async with anyio.create_task_group() as group:
        for number in range(8):
            group.start_soon(add, number)
    assert len(taken) == 7
    assert len(await store.list_accounts()) == 1


async def test_changes_made_at_once_are_all_kept(store):
    await store.add_account(ANN)

    async def count() -> None:
        await store.change_account("a1", lambda account: replace(account, created_at=account.created_at + 1))

    async with anyio.create_task_group() as group:
        for _ in range(12):
            group.start_soon(count)
    assert (await store.find_account("a1")).created_at == ANN.created_at + 12


async def test_a_change_of_nobody_is_none(store):
    assert await store.change_account("a1", lambda account: account) is None


async def test_a_change_may_end_all_sessions_but_one(store):
    await with_ann(store)
    for name in ("s2", "s3"):
        await store.add_session(replace(LOGIN, id=name), password_set_at=5.5, keep=9)
    changed = await store.change_account(
        "a1", lambda account: replace(account, full_name="x"), ends_sessions=True, spare="s2"
    )
    assert changed.full_name == "x"
    assert [await store.find_session(name) is None for name in ("s1", "s2", "s3")] == [True, False, True]
    await store.change_account("a1", lambda account: account)
    assert await store.find_session("s2")
    await store.change_account("a1", lambda account: account, ends_sessions=True)
    assert await store.find_session("s2") is None


async def test_with_an_account_its_sessions_and_keys_go(store):
    await with_ann(store)
    await store.add_key(KEY, at_most=9)
    assert await store.delete_account("a1")
    assert not await store.delete_account("a1")
    assert await store.find_session("s1") is None
    assert await store.find_key(KEY.key_hash) is None
    await store.add_account(ANN)
    assert await store.list_keys("a1") == []


async def test_a_session_is_kept_whole_and_is_the_last_login(store):
    await with_ann(store)
    session, account = await store.find_session("s1")
    assert session == LOGIN
    assert account == replace(ANN, last_login_at=LOGIN.created_at)
    assert await store.find_session("s2") is None


async def test_no_session_begins_after_what_ends_them(store):
    await store.add_account(ANN)
    assert not await store.add_session(LOGIN, password_set_at=5.0, keep=9)
    await store.change_account("a1", lambda account: replace(account, is_active=False))
    assert not await store.add_session(LOGIN, password_set_at=5.5, keep=9)
    await store.delete_account("a1")
    assert not await store.add_session(LOGIN, password_set_at=5.5, keep=9)
    assert await store.find_session("s1") is None


async def test_only_the_newest_sessions_of_an_account_remain(store):
    await store.add_account(BOB)
    await store.add_session(replace(LOGIN, id="b", account_id="b2"), password_set_at=6.5, keep=2)
    await store.add_account(ANN)
    for number in range(4):
        session = replace(LOGIN, id=f"s{number}", created_at=20.0 + number)
        await store.add_session(session, password_set_at=5.5, keep=2)
    assert [await store.find_session(f"s{n}") is not None for n in range(4)] == [False, False, True, True]
    assert await store.find_session("b")


async def test_a_session_goes_on_as_it_is_judged(store):
    await with_ann(store)
    renewed = replace(LOGIN, token_hash=b"2" * 32, links=LINKS, expires_at=200.0)
    renewal = Renewal(Outcome.RENEWED, renewed, None)
    assert await store.renew_session("s1", lambda session: renewal) == (
        renewal,
        replace(ANN, last_login_at=LOGIN.created_at),
    )
    assert (await store.find_session("s1"))[0] == renewed
    ended, _ = await store.renew_session("s1", lambda session: Renewal(Outcome.REUSED, None, None))
    assert ended.session is None
    assert await store.find_session("s1") is None
    assert await store.renew_session("s1", lambda session: renewal) is None


async def test_renewals_at_once_see_each_other(store):
    await with_ann(store)

    def judge(session: Session) -> Renewal:
        return Renewal(Outcome.RENEWED, replace(session, expires_at=session.expires_at + 1), None)

    async with anyio.create_task_group() as group:
        for _ in range(12):
            group.start_soon(store.renew_session, "s1", judge)
    assert (await store.find_session("s1"))[0].expires_at == LOGIN.expires_at + 12


async def test_a_session_ends(store):
    await with_ann(store)
    await store.end_session("s1")
    await store.end_session("s1")
    assert await store.find_session("s1") is None


async def test_expired_sessions_are_forgotten_and_no_others(store):
    await with_ann(store)
    await store.add_session(replace(LOGIN, id="s2", expires_at=200.0), password_set_at=5.5, keep=9)
    assert await store.end_expired(99.0) == 0
    assert await store.end_expired(150.0) == 1
    assert await store.find_session("s1") is None
    assert await store.find_session("s2")


async def test_a_key_is_kept_whole(store):
    await store.add_account(ANN)
    whole = replace(KEY, expires_at=50.5, last_used_at=40.5)
    assert await store.add_key(whole, at_most=1)
    assert await store.find_key(KEY.key_hash) == (whole, ANN)
    assert await store.find_key(b"x" * 32) is None


async def test_keys_are_listed_oldest_first_and_by_account(store):
    await store.add_account(ANN)
    await store.add_account(BOB)
    younger = replace(KEY, id="k0", key_hash=b"2", created_at=31.0)
    for key in (younger, KEY, replace(KEY, id="k9", account_id="b2", key_hash=b"3")):
        assert await store.add_key(key, at_most=2)
    assert await store.list_keys("a1") == [KEY, younger]
    assert await store.list_keys("nobody") == []


async def test_keys_are_bounded_also_when_many_are_added_at_once(store):
    await store.add_account(ANN)
    added = []

    async def add(number: int) -> None:
        key = replace(KEY, id=f"k{number}", key_hash=bytes([number]))
        added.append(await store.add_key(key, at_most=3))

    async with anyio.create_task_group() as group:
        for number in range(9):
            group.start_soon(add, number)
    assert sorted(added) == [False] * 6 + [True] * 3
    assert not await store.add_key(replace(KEY, account_id="nobody"), at_most=3)


async def test_a_key_is_deleted_by_its_owner_alone(store):
    await store.add_account(ANN)
    await store.add_key(KEY, at_most=9)
    assert not await store.delete_key("b2", "k1")
    assert await store.delete_key("a1", "k1")
    assert not await store.delete_key("a1", "k1")
    assert await store.find_key(KEY.key_hash) is None


async def test_the_latest_use_of_a_key_is_noted(store):
    await store.add_account(ANN)
    await store.add_key(KEY, at_most=9)
    await store.note_uses({})
    for moments in ({"k1": 50.5, "gone": 1.0}, {"k1": 40.0}):
        await store.note_uses(moments)
    assert (await store.list_keys("a1"))[0].last_used_at == 50.5


async def test_an_outage_is_said():
    async with connect("postgresql://ann@127.0.0.1:1/none") as database:
        with pytest.raises(Unavailable):
            await AccountTables(database).find_login("ann")
