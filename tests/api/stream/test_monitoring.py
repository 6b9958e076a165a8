import httpx
import pytest

from tests.api.stream.door import HOP, Door, door
from tests.fingerprint.fake_recognizer import MUSIC, sound

pytestmark = pytest.mark.anyio

STREAMS = "/api/v1/monitoring/live-streams"


async def ask(
    live: Door, path: str = STREAMS, *, method: str = "GET", roles: tuple[str, ...] = ("admin",)
) -> httpx.Response:
    headers = {"Authorization": f"Bearer {live.token('root', *roles)}"}
    async with httpx.AsyncClient(base_url=live.url) as client:
        return await client.request(method, path, headers=headers)


async def test_nobody_streams():
    async with door() as live:
        assert (await ask(live)).json() == {"total_streams": 0, "streams": []}


async def test_streams_are_listed_as_far_as_they_are():
    async with door() as live, live.client("a") as first, live.client("b") as second:
        await first.begin()
        await second.begin()
        await first.send(sound(HOP, MUSIC))
        await first.receive()
        await first.receive()
        told = (await ask(live)).json()
    a, b = told["streams"]
    assert told["total_streams"] == 2
    assert (a["client_id"], a["has_processor"], a["samples_processed"]) == ("a", True, HOP)
    assert (a["buffer_size"], a["buffer_capacity"], a["total_matches"], a["duration_seconds"]) == (HOP, 66_150, 1, 0.5)
    assert a["connection_duration_seconds"] > 0
    assert (b["client_id"], b["has_processor"], "samples_processed" in b) == ("b", False, False)
    assert b["duration_seconds"] == b["connection_duration_seconds"]


async def test_one_stream_is_shown_as_it_is_listed():
    async with door() as live, live.client("手机 1") as client:
        await client.begin()
        told = (await ask(live, f"{STREAMS}/手机 1")).json()
    assert (told["client_id"], told["has_processor"]) == ("手机 1", False)


@pytest.mark.parametrize("client_id", ["a", "room/1"])
async def test_a_stream_is_really_disconnected(client_id):
    async with door() as live, live.client(client_id) as client:
        await client.begin()
        answer = await ask(live, f"{STREAMS}/{client_id}", method="DELETE")
        assert (answer.status_code, answer.json()) == (200, {"message": f"Disconnected stream {client_id}"})
        told, code, reason = await client.ending()
        assert told == [{"type": "status", "message": "Connection terminated by administrator"}]
        assert (code, reason) == (1008, "terminated by administrator")
        await live.live.emptied()
        assert (await ask(live, f"{STREAMS}/{client_id}")).status_code == 404


@pytest.mark.parametrize("method", ["GET", "DELETE"])
async def test_who_is_not_there_is_not_found(method):
    async with door() as live:
        answer = await ask(live, f"{STREAMS}/x", method=method)
    assert (answer.status_code, answer.json()) == (404, {"detail": "Stream x not found"})


@pytest.mark.parametrize(("method", "path"), [("GET", ""), ("GET", "/a"), ("DELETE", "/a")])
async def test_only_administrators_may(method, path):
    async with door() as live, live.client("a") as client:
        await client.begin()
        assert (await ask(live, STREAMS + path, method=method, roles=())).status_code == 403
        async with httpx.AsyncClient(base_url=live.url) as stranger:
            answer = await stranger.request(method, STREAMS + path)
        assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
        assert answer.json() == {"detail": "Could not validate credentials"}
        await client.send(sound(HOP))
        assert (await client.receive())["type"] == "status"
