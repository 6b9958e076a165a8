import asyncio
from collections.abc import AsyncIterator

import pytest

from app.sdk.speak import Denied, NotConnected, ServerFailed, SpeakClient
from tests.eventually import eventually
from tests.sdk.fake_speak import EMAIL, PASSWORD, FakeSpeak, fake_speak

pytestmark = pytest.mark.anyio


@pytest.fixture
async def server() -> AsyncIterator[FakeSpeak]:
    async with fake_speak() as server:
        yield server


async def test_it_signs_in_when_it_has_to_and_signs_out_in_the_end(server: FakeSpeak) -> None:
    async with SpeakClient(server.url, email=EMAIL, password=PASSWORD) as client:
        assert not server.asked
        await asyncio.gather(client.models(), client.takes(), client.voices())
        assert server.count("/auth/login") == 1 and server.refresh_tokens

    assert not server.refresh_tokens


async def test_a_wrong_password_is_told(server: FakeSpeak) -> None:
    async with SpeakClient(server.url, email=EMAIL, password="wrong") as client:
        with pytest.raises(Denied, match="Wrong email or password"):
            await client.sign_in()


async def test_a_key_is_all_that_is_needed(server: FakeSpeak) -> None:
    server.tokens = {"key"}
    async with SpeakClient(server.url, token="key") as client:
        assert await client.models()

    assert [path for _, path, _ in server.asked] == ["/v1/speak/models"]


@pytest.mark.parametrize("token", ["wrong", None])
async def test_without_anything_to_renew_a_refusal_is_final(server: FakeSpeak, token: str | None) -> None:
    async with SpeakClient(server.url, token=token) as client:
        with pytest.raises(Denied, match="Not authenticated"):
            await client.models()
        with pytest.raises(Denied, match="Not authenticated"):
            await client.audio_bytes("t1")

    assert len(server.asked) == 2


async def test_an_expired_token_is_renewed_once_for_all(server: FakeSpeak) -> None:
    told: list[tuple[str | None, str | None]] = []
    async with SpeakClient(
        server.url, email=EMAIL, password=PASSWORD, on_tokens=lambda *tokens: told.append(tokens)
    ) as client:
        await client.models()
        server.expire()
        await asyncio.gather(*[client.models() for _ in range(10)])

    assert (server.count("/auth/login"), server.count("/auth/refresh")) == (1, 1)
    assert len(set(told)) == 3 and told[-1] == (None, None)


async def test_an_expired_token_is_renewed_for_audio_and_streams(server: FakeSpeak) -> None:
    server.audio["t1/wav"] = b"RIFF..."
    async with SpeakClient(server.url, email=EMAIL, password=PASSWORD) as client:
        await client.sign_in()
        server.expire()
        assert await client.audio_bytes("t1") == b"RIFF..."
        server.expire()
        async with client.stream(model="tone") as stream:
            assert stream.is_connected

    assert server.count("/auth/refresh") == 2


async def test_cancelling_who_renews_does_not_lose_the_new_tokens(server: FakeSpeak) -> None:
    async with SpeakClient(server.url, email=EMAIL, password=PASSWORD) as client:
        await client.sign_in()
        server.expire()
        server.answering.clear()
        async with asyncio.TaskGroup() as group:
            impatient = group.create_task(client.models())
            await eventually(lambda: server.count("/auth/refresh") == 1)
            impatient.cancel()
            patient = group.create_task(client.models())
            server.answering.set()

    assert impatient.cancelled() and patient.result()
    assert (server.count("/auth/login"), server.count("/auth/refresh")) == (1, 1)


async def test_a_refused_refresh_is_followed_by_the_password(server: FakeSpeak) -> None:
    async with SpeakClient(server.url, email=EMAIL, password=PASSWORD) as client:
        await client.sign_in()
        server.expire()
        server.refresh_tokens.clear()
        assert await client.models()

    assert (server.count("/auth/refresh"), server.count("/auth/login")) == (1, 2)


async def test_without_a_password_a_refused_refresh_is_the_end(server: FakeSpeak) -> None:
    async with SpeakClient(server.url, token="old", refresh_token="spent") as client:
        with pytest.raises(Denied, match="cannot be renewed"):
            await client.models()


async def test_a_refresh_token_alone_is_enough_and_is_not_given_up(server: FakeSpeak) -> None:
    server.refresh_tokens = {"kept"}
    kept: list[str | None] = []
    async with SpeakClient(
        server.url, email=EMAIL, refresh_token="kept", on_tokens=lambda _, refresh: kept.append(refresh)
    ) as client:
        assert await client.models()

    assert server.asked[0] == ("POST", "/auth/refresh", {"refresh_token": "kept", "email": EMAIL})
    assert server.refresh_tokens == set(kept)


async def test_after_signing_out_it_signs_in_again(server: FakeSpeak) -> None:
    async with SpeakClient(server.url, email=EMAIL, password=PASSWORD) as client:
        await client.models()
        await client.sign_out()
        assert not server.refresh_tokens
        assert await client.models()

    assert server.count("/auth/login") == 2


async def test_a_server_that_is_gone_does_not_hold_up_the_end() -> None:
    async with fake_speak() as server:
        client = SpeakClient(server.url, email=EMAIL, password=PASSWORD)
        await client.__aenter__()
        await client.sign_in()

    await client.__aexit__(None, None, None)


async def test_failures_of_the_server_are_not_taken_for_refusals(
    server: FakeSpeak, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with SpeakClient(server.url, token="old", refresh_token="good") as client:
        server.refresh_tokens = {"good"}
        with monkeypatch.context() as patched:
            patched.setattr(server, "_issue", lambda: 1 / 0)
            with pytest.raises(ServerFailed):
                await client.models()
        server.refresh_tokens = {"good"}
        assert await client.models()


async def test_a_server_that_is_not_there_is_told() -> None:
    async with SpeakClient("http://127.0.0.1:1", email=EMAIL, password=PASSWORD) as client:
        with pytest.raises(NotConnected):
            await client.sign_in()


async def test_the_accounts_may_be_elsewhere(server: FakeSpeak) -> None:
    async with SpeakClient("http://127.0.0.1:1", auth_url=server.url + "/", email=EMAIL, password=PASSWORD) as client:
        await client.sign_in()

    assert [path for _, path, _ in server.asked] == ["/auth/login", "/auth/logout"]


async def test_an_error_in_the_block_stays_what_it_is(server: FakeSpeak) -> None:
    with pytest.raises(KeyError):
        async with SpeakClient(server.url, email=EMAIL, password=PASSWORD) as client:
            await client.sign_in()
            raise KeyError("mine")

    assert not server.refresh_tokens
