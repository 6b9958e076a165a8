"""The published client of the speak API, unchanged, against `/auth/*`."""

from collections.abc import Callable
from typing import Any

import anyio
import httpx
import pytest
from anyio import to_thread
from daisys import DaisysAPI

from app.accounts.accounts import Terms
from tests.accounts.engine import PASSWORD, Engine
from tests.api.accounts.door import Door, door

pytestmark = pytest.mark.anyio

EMAIL = "ann@example.org"
TERMS = Terms(access_seconds=60, refresh_seconds=1000)
MODELS = "/v1/speak/models"


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def api(opened: Door, **credentials: str) -> DaisysAPI:
    return DaisysAPI("speak", daisys_url=opened.live.url, auth_url=opened.live.url, **credentials)


async def opened_for_ann(opened: Door) -> DaisysAPI:
    await opened.ann()
    return api(opened, email=EMAIL, password=PASSWORD)


async def test_it_logs_in_works_and_logs_out():
    async with door(Engine(terms=TERMS)) as opened:
        async with await opened_for_ann(opened) as speak:
            assert await speak.get_models() == []
            assert opened.engine.store.sessions
        assert opened.engine.store.sessions == {}
        assert opened.asked == ["/auth/login", MODELS, "/auth/logout"]


async def test_a_token_that_expires_in_the_middle_is_renewed_by_refreshing():
    async with door(Engine(terms=TERMS)) as opened:
        async with await opened_for_ann(opened) as speak:
            await speak.get_models()
            for _ in range(3):
                opened.engine.clock.now += 61
                assert await speak.get_models() == []
        assert opened.asked.count("/auth/login") == 1
        assert opened.asked.count("/auth/refresh") == 3
        assert opened.engine.store.sessions == {}


async def test_a_session_that_has_expired_is_begun_anew_with_the_password():
    async with door(Engine(terms=TERMS)) as opened, await opened_for_ann(opened) as speak:
        await speak.get_models()
        opened.engine.clock.now += 1001
        assert await speak.get_models() == []
        assert opened.asked[2:] == ["/auth/refresh", "/auth/login", MODELS]


async def test_tokens_alone_survive_many_calls_at_once():
    async with door(Engine(terms=TERMS)) as opened:
        await opened.ann()
        tokens = await opened.engine.log_in()
        async with api(opened, access_token=tokens.access, refresh_token=tokens.refresh) as speak:
            for _ in range(3):
                opened.engine.clock.now += 61
                async with anyio.create_task_group() as group:
                    for _ in range(12):
                        group.start_soon(speak.get_models)
        assert len(opened.engine.store.sessions) == 1
        assert "/auth/login" not in opened.asked


async def test_an_api_key_is_a_permanent_token():
    async with door(Engine(terms=TERMS)) as opened:
        _, key = await opened.engine.keys.create((await opened.ann()).id, "batch")
        async with api(opened, access_token=key) as speak:
            opened.engine.clock.now += 10_000
            assert await speak.get_models() == []
        assert opened.asked == [MODELS]


@pytest.mark.parametrize("password", ["wrong horse", 'with "quotes" in it'])
async def test_a_wrong_password_is_an_error_of_the_client(password):
    async with door(Engine(terms=TERMS)) as opened:
        await opened.ann()
        with pytest.raises(httpx.HTTPStatusError) as refused:
            async with api(opened, email=EMAIL, password=password) as speak:
                await speak.get_models()
    assert refused.value.response.status_code in (401, 422)  # it does not escape quotes
    assert "detail" in refused.value.response.json()


async def in_thread(work: Callable[[], Any]) -> Any:
    return await to_thread.run_sync(work)


async def test_the_blocking_client_does_the_same():
    async with door(Engine(terms=TERMS)) as opened:
        made = await opened_for_ann(opened)
        speak = await in_thread(made.__enter__)
        assert await in_thread(speak.get_models) == []
        opened.engine.clock.now += 61
        assert await in_thread(speak.get_models) == []
        opened.engine.clock.now += 1001
        assert await in_thread(speak.get_models) == []
        await in_thread(lambda: made.__exit__(None, None, None))
        expected = ["/auth/login", MODELS, "/auth/refresh", MODELS, "/auth/refresh", "/auth/login", MODELS]
        assert opened.asked == [*expected, "/auth/logout"]
        assert opened.engine.store.sessions == {}


async def test_the_documented_body_of_a_refresh_is_taken_too():
    async with door(Engine(terms=TERMS)) as opened:
        await opened.ann()
        tokens = await opened.engine.log_in()
        opened.engine.clock.now += 61
        body = {"email": EMAIL, "refresh_token": tokens.refresh}
        reply = await opened.post("/auth/refresh", body, bearer=tokens.access)
        assert reply.status_code == 200
        assert reply.json().keys() == {"access_token", "refresh_token"}
