"""The door of live recognition at a server that is set up otherwise: who may come in, and who watches."""

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import anyio
import numpy as np
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.e2e.served import Served, served
from tests.e2e.test_accounts import ADMINISTRATOR, EMAIL, PASSWORD, post, users
from tests.e2e.test_tracks import SECRET, Administrator, app, song
from tests.fingerprint.music import tune

RATE = 16_000
SETTINGS = {
    "AUTH_SECRET": SECRET,
    "AUTH_REQUIRED": "true",
    "FINGERPRINT_SAMPLE_RATE": str(RATE),
    "STREAMING_BUFFER_DURATION": "2",
    "STREAMING_HOP_DURATION": "0.25",
    "WEBSOCKET_MAX_CONNECTIONS": "2",
    "STREAM_MAX_ATTEMPTS_PER_MINUTE": "0",
    **ADMINISTRATOR,
}
STREAMS = "/api/v1/monitoring/live-streams"

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("door")


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[Served]:
    """A server that knows song 1, and lets nobody in who does not say who he is."""
    app(folder, "ingest", str(song(folder / "songs", 1)))
    with served(folder, **SETTINGS) as running:
        Administrator(running, folder).wait_until_found(1, within=60)
        yield running


@pytest.fixture(scope="module")
def key(server: Served, folder: Path) -> str:
    """An API key of somebody who is no administrator."""
    users(folder, "add", "ann@example.org", "--password-stdin", pipe=PASSWORD)
    return users(folder, "keys", "add", "ann", "overlay")


@pytest.fixture(scope="module")
def token(server: Served) -> str:
    """An access token of an administrator."""
    return str(post(server, "/auth/login", {"email": EMAIL, "password": PASSWORD})[1]["access_token"])


def stream(server: Served, path: str, **headers: str) -> AbstractAsyncContextManager[ClientConnection]:
    return connect(f"{server.ws_url}/stream/{path}", compression=None, additional_headers=headers)


async def message(socket: ClientConnection) -> dict[str, Any]:
    with anyio.fail_after(60):
        return json.loads(await socket.recv())


def ask(server: Served, path: str, method: str, credential: str) -> tuple[int, dict[str, Any]]:
    request = urllib.request.Request(
        server.url + path, method=method, headers={"Authorization": f"Bearer {credential}"}
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as reply:
            return reply.status, json.loads(reply.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


@pytest.mark.parametrize("where", ["token", "api_key", "bearer", "header"])
@pytest.mark.parametrize("what", ["key", "token"])
async def test_a_key_and_a_token_open_the_door_from_any_place(
    server: Served, request: pytest.FixtureRequest, where: str, what: str
) -> None:
    credential = request.getfixturevalue(what)
    headers = {"bearer": {"Authorization": f"Bearer {credential}"}, "header": {"X-API-Key": credential}}.get(where, {})
    query = f"?{where}={credential}" if not headers else ""
    async with stream(server, f"{where}-{what}{query}", **headers) as socket:
        assert (await message(socket))["message"] == "Connected to SoundHash streaming service"
    assert credential not in server.log


@pytest.mark.parametrize("query", ["", "?token=sk_wrong"])
async def test_strangers_stay_outside(server: Served, query: str) -> None:
    with pytest.raises(InvalidStatus) as refused:
        async with stream(server, f"stranger{query}"):
            pass
    assert refused.value.response.status_code == 401


async def test_settings_hold_and_an_administrator_sees_and_ends_a_stream(server: Served, key: str, token: str) -> None:
    music = tune(1, sample_rate=RATE)[4 * RATE : 8 * RATE].astype("<f4").tobytes()
    async with stream(server, f"watched?token={key}") as socket:
        await message(socket)
        for start in range(0, len(music), 16_384):
            await socket.send(music[start : start + 16_384])
        while (told := await message(socket))["type"] != "match":
            assert told["type"] == "status"
        assert told["data"]["matches"][0]["title"] == "1"
        assert told["data"]["stats"]["buffer_capacity"] == 2 * RATE

        async with stream(server, f"second?token={key}"), stream(server, f"third?token={key}") as third:
            assert "Connection limit exceeded" in (await message(third))["message"]
            with pytest.raises(ConnectionClosed) as closed:
                await third.recv()
            assert closed.value.rcvd is not None and closed.value.rcvd.code == 1013

        await anyio.sleep(0.1)
        assert ask(server, STREAMS, "GET", key)[0] == 403
        status, listed = ask(server, STREAMS, "GET", token)
        [one] = [one for one in listed["streams"] if one["client_id"] == "watched"]
        assert status == 200 and one["has_processor"] and one["buffer_capacity"] == 2 * RATE
        assert ask(server, f"{STREAMS}/watched", "DELETE", token) == (200, {"message": "Disconnected stream watched"})
        with anyio.fail_after(30), pytest.raises(ConnectionClosed) as ended:
            while True:
                last = json.loads(await socket.recv())
        assert last == {"type": "status", "message": "Connection terminated by administrator"}
        assert ended.value.rcvd is not None and ended.value.rcvd.code == 1008


async def test_the_limits_of_a_stream_are_those_of_the_document(server: Served, key: str) -> None:
    second = np.zeros(RATE, "<f4").tobytes()
    async with stream(server, f"greedy?token={key}") as socket:
        with anyio.fail_after(30), pytest.raises(ConnectionClosed) as closed:
            for _ in range(20):
                await socket.send(second)
            while True:
                last = json.loads(await socket.recv())
        assert last["message"] == "Rate limit exceeded: more than 204800 bytes of audio a second"
        assert closed.value.rcvd is not None and closed.value.rcvd.code == 1008
