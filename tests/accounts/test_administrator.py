import logging

import anyio
import pytest

from app.accounts.administrator import Administrator, appoint
from app.errors import InvalidInput
from tests.accounts.engine import PASSWORD, Engine

pytestmark = pytest.mark.anyio

ROOT = Administrator("root@example.org", PASSWORD)


@pytest.fixture
def engine(caplog) -> Engine:
    caplog.set_level(logging.INFO)
    return Engine()


async def start(engine: Engine, administrator: Administrator = ROOT) -> None:
    await appoint(administrator, engine.accounts)


def test_both_settings_or_none():
    assert Administrator.parse("", "") is None
    assert Administrator.parse("root@example.org", PASSWORD) == ROOT
    for email, password in (("root@example.org", ""), ("", PASSWORD), ("root", PASSWORD), ("root@x.org", "short")):
        with pytest.raises(InvalidInput):
            Administrator.parse(email, password)
    assert PASSWORD not in repr(ROOT)


async def test_an_administrator_is_made_once(engine, caplog):
    await start(engine)
    await start(engine)
    (made,) = await engine.accounts.list()
    assert (made.email, made.name, made.roles) == ("root@example.org", "root", {"admin"})
    assert caplog.text.count("made the administrator root@example.org") == 1
    assert PASSWORD not in caplog.text


async def test_two_servers_that_start_at_once_make_one(engine):
    async with anyio.create_task_group() as group:
        group.start_soon(start, engine)
        group.start_soon(start, engine.second())
    assert len(await engine.accounts.list()) == 1


async def test_another_password_in_the_settings_is_said_and_not_applied(engine, caplog):
    await start(engine)
    await start(engine, Administrator("root@example.org", "another horse"))
    assert "ADMIN_PASSWORD is not the password of root@example.org and was not applied" in caplog.text
    assert "no administrator" not in caplog.text
    assert await engine.log_in("root")


async def test_an_account_with_the_password_becomes_administrator(engine):
    await engine.accounts.create(email="root@example.org", password=PASSWORD)
    await start(engine)
    assert (await engine.accounts.find("root")).roles == {"admin"}


async def test_a_stranger_who_has_the_address_does_not(engine, caplog):
    await engine.accounts.create(email="root@example.org", password="a stranger's")
    await start(engine)
    assert (await engine.accounts.find("root")).roles == set()
    assert "the account is no administrator" in caplog.text


async def test_who_was_disabled_stays_so_and_it_is_said(engine, caplog):
    await start(engine)
    await engine.accounts.set_active((await engine.accounts.find("root")).id, False)
    await start(engine)
    assert not (await engine.accounts.find("root")).is_active
    assert "the administrator root@example.org is disabled" in caplog.text
