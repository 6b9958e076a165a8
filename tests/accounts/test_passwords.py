import threading

import anyio
import pytest
from argon2 import PasswordHasher
from hypothesis import given
from hypothesis import strategies as st

from app.accounts import passwords
from app.accounts.passwords import HASHER, PASSWORD_POOL, Passwords, parse_password
from app.errors import InvalidInput, Overloaded
from app.runtime.workers import Workers
from tests.accounts.quick import quick_passwords
from tests.eventually import eventually

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("text", ["", "7 chars", "x" * 257, "half a pair: \ud800"])
def test_a_password_has_enough_characters_and_not_endless_ones(text):
    with pytest.raises(InvalidInput, match="a password has 8 to 256 characters"):
        parse_password(text)


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=16, max_size=128))
def test_law_nothing_else_is_asked_of_a_password(text):
    assert parse_password(text)


async def test_the_right_password_is_told_from_wrong_ones():
    known = await quick_passwords().hash("correct horse")
    assert await quick_passwords().verify(known, "correct horse")
    for wrong in ("correct horsf", "", "correct horse ", "x" * 10_000, "\ud800"):
        assert not await quick_passwords().verify(known, wrong)


async def test_a_password_may_be_typed_on_another_keyboard():
    known = await quick_passwords().hash("café au lait")
    assert await quick_passwords().verify(known, "cafe\u0301 au lait")


async def test_two_hashes_of_one_password_differ_and_do_not_tell_it():
    one, other = await quick_passwords().hash("correct horse"), await quick_passwords().hash("correct horse")
    assert one != other
    assert one.startswith("$argon2id$v=19$m=8,t=1,p=1$")
    assert "horse" not in one


@pytest.mark.parametrize("candidate", ["correct horse", "the password of nobody", ""])
async def test_nobody_has_no_password(candidate):
    assert not await quick_passwords().verify(None, candidate)


@pytest.mark.parametrize("known", ["", "plain", "$2b$12$abc", "$argon2id$v=19$m=8,t=1,p=1$!!$!!"])
async def test_what_is_no_hash_matches_nothing(known):
    assert not await quick_passwords().verify(known, "correct horse")


class Recording(PasswordHasher):
    """Remembers which hashes it compared with."""

    def __init__(self) -> None:
        super().__init__(1, 8, 1)
        self.compared: list[str] = []

    def verify(self, hash, password):
        self.compared.append(hash)
        return super().verify(hash, password)


async def test_nobody_costs_as_much_as_somebody():
    hasher = Recording()
    checked = quick_passwords(hasher)
    known = await checked.hash("correct horse")
    await checked.verify(known, "wrong horse")
    await checked.verify(None, "wrong horse")
    await checked.verify(None, "x" * 1000)
    assert len(hasher.compared) == 3
    assert {hash.rpartition("p=1$")[0] for hash in hasher.compared} == {"$argon2id$v=19$m=8,t=1,"}


async def test_a_hash_of_other_parameters_is_dated():
    known = await quick_passwords().hash("correct horse")
    assert not quick_passwords().is_dated(known)
    stronger = Passwords(Workers({PASSWORD_POOL: 1}), hasher=PasswordHasher(2, 8, 1))
    assert stronger.is_dated(known)
    assert await stronger.verify(known, "correct horse")


def test_the_work_is_what_the_rfc_recommends():
    assert (HASHER.time_cost, HASHER.memory_cost, HASHER.type.name) == (3, 65_536, "ID")


class Halting(PasswordHasher):
    """Hashes when the gate is open."""

    def __init__(self) -> None:
        super().__init__(1, 8, 1)
        self.gate = threading.Event()

    def verify(self, hash, password):
        assert self.gate.wait(30)
        return super().verify(hash, password)


async def test_work_is_done_in_its_own_threads_and_the_waiting_is_bounded(monkeypatch):
    monkeypatch.setattr(passwords, "MAX_WAITING", 2)
    hasher, workers = Halting(), Workers({PASSWORD_POOL: 1})
    checked, results = Passwords(workers, hasher=hasher), []
    known = await checked.hash("correct horse")

    async def verify() -> None:
        results.append(await checked.verify(known, "correct horse"))

    async with anyio.create_task_group() as group:
        for _ in range(3):
            group.start_soon(verify)
        await eventually(lambda: workers.waiting(PASSWORD_POOL) == 2)
        with pytest.raises(Overloaded) as refused:
            await checked.verify(known, "correct horse")
        hasher.gate.set()
    assert results == [True] * 3
    assert refused.value.retry_after
