"""What happens to two servers on one database at the same time."""

from collections.abc import Awaitable, Callable

import anyio
import pytest

from app.accounts.accounts import Terms
from app.accounts.session import GRACE_SECONDS
from app.accounts.store import Store
from app.errors import ChorusError, InvalidCredential, Taken
from tests.accounts.engine import HERE, PASSWORD, Engine
from tests.accounts.stores import store

__all__ = ["store"]

pytestmark = pytest.mark.anyio


@pytest.fixture
def servers(store: Store) -> tuple[Engine, Engine]:
    first = Engine(store=store, terms=Terms(registration_open=True))
    return first, first.second()


async def at_once(*works: Callable[[], Awaitable[object]]) -> list[object]:
    """Do all of it side by side; returns what each returned or raised, in order."""
    results: list[object] = [None] * len(works)

    async def do(position: int) -> None:
        try:
            results[position] = await works[position]()
        except ChorusError as error:
            results[position] = type(error)

    async with anyio.create_task_group() as group:
        for position in range(len(works)):
            group.start_soon(do, position)
    return results


async def test_of_two_registrations_of_one_name_one_is_made(servers):
    def register(server: Engine, email: str) -> Callable[[], Awaitable[object]]:
        return lambda: server.accounts.register(email=email, name="Eve", password=PASSWORD, address=HERE)

    results = await at_once(*(register(server, f"{n}@example.org") for n, server in enumerate(servers * 3)))
    assert results.count(Taken) == 5
    assert len(await servers[0].accounts.list()) == 1


async def test_refreshes_of_one_token_get_one_token(servers):
    await servers[0].ann()
    token = (await servers[0].log_in()).refresh
    results = await at_once(*(lambda server=server: server.logins.refresh(token) for server in servers * 4))
    assert len({tokens.refresh for tokens in results}) == 1
    assert len({tokens.access for tokens in results}) == 8
    servers[0].clock.now += 30
    assert await servers[1].logins.refresh(results[0].refresh)


async def test_a_token_that_was_used_ends_the_session_on_all_servers(servers):
    await servers[0].ann()
    token = (await servers[0].log_in()).refresh
    renewed = await servers[1].logins.refresh(token)
    servers[0].clock.now += GRACE_SECONDS + 1
    results = await at_once(*(lambda server=server: server.logins.refresh(token) for server in servers))
    assert results == [InvalidCredential] * 2
    for server in servers:
        with pytest.raises(InvalidCredential):
            await server.identify(renewed.access)
        with pytest.raises(InvalidCredential):
            await server.logins.refresh(renewed.refresh)


async def test_who_is_disabled_while_logging_in_and_refreshing_ends_up_outside(servers):
    account = await servers[0].ann()
    token = (await servers[0].log_in()).refresh
    results = await at_once(
        lambda: servers[0].accounts.set_active(account.id, False),
        *(lambda server=server: server.log_in() for server in servers * 2),
        *(lambda server=server: server.logins.refresh(token) for server in servers * 2),
    )
    for tokens in results[1:]:
        if tokens is not InvalidCredential:
            for server in servers:
                with pytest.raises(InvalidCredential):
                    await server.identify(tokens.access)
    await servers[0].accounts.set_active(account.id, True)
    for tokens in results[1:]:
        if tokens is not InvalidCredential:
            with pytest.raises(InvalidCredential):
                await servers[1].logins.refresh(tokens.refresh)
