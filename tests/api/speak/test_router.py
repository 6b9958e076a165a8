import json

import anyio
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from app.api.speak.framing import Frame, unpack
from app.runtime.connections import AdmissionLimits
from app.runtime.session import SERVICE_RESTART
from tests.api.speak.door import door
from tests.api.speak.examples import golden
from tests.api.speak.fake_studio import FakeStudio
from tests.eventually import eventually

pytestmark = pytest.mark.anyio

STEPS = ["waiting", "started", 0, 1, 2, "ready"]


async def ask(socket, request_id=1) -> None:
    await socket.send(json.dumps(golden("take_generate") | {"request_id": request_id}))


async def answered(socket) -> list[object]:
    """Statuses and numbers of parts, up to the last status."""
    steps: list[object] = []
    while not steps or steps[-1] not in ("ready", "error"):
        message = await socket.recv()
        steps.append(unpack(message).part_id if isinstance(message, bytes) else json.loads(message)["data"]["status"])
    return steps


async def refused(opened, url) -> int:
    with pytest.raises(InvalidStatus) as caught:
        async with opened.socket(url):
            pass
    assert json.loads(caught.value.response.body)["detail"]
    return caught.value.response.status_code


async def test_a_take_is_spoken_to_whoever_has_the_url(tmp_path):
    async with door(tmp_path) as opened, opened.socket() as socket:
        await ask(socket)
        assert await answered(socket) == STEPS
        assert [owner for owner, _ in opened.studio.asked] == ["ann"]


async def test_a_url_is_good_for_many_connections_within_the_hour(tmp_path):
    async with door(tmp_path) as opened:
        url = await opened.socket_url()
        opened.clock.now += 3599
        async with opened.socket(url), opened.socket(url) as socket:
            await ask(socket)
            assert await answered(socket) == STEPS


async def test_an_expired_url_is_refused_and_an_open_connection_survives_it(tmp_path):
    async with door(tmp_path) as opened:
        url = await opened.socket_url()
        async with opened.socket(url) as socket:
            opened.clock.now += 3601
            assert await refused(opened, url) == 401
            await ask(socket)
            assert await answered(socket) == STEPS


async def test_a_url_of_another_model_is_refused(tmp_path):
    async with door(tmp_path) as opened:
        url = await opened.socket_url()
        assert await refused(opened, url.replace("espeak", "piper")) == 401


async def test_nobody_comes_in_without_a_credential(tmp_path):
    async with door(tmp_path) as opened:
        url = await opened.socket_url()
        assert await refused(opened, url.partition("?")[0]) == 401


async def test_a_token_opens_the_models_that_there_are(tmp_path):
    async with door(tmp_path) as opened:
        base = f"{opened.live.ws_url}/v1/speak/ws"
        async with opened.socket(f"{base}/espeak?token={opened.token('bob')}") as socket:
            await ask(socket)
            await answered(socket)
        assert await refused(opened, f"{base}/shakespeare?token={opened.token()}") == 404
        assert [owner for owner, _ in opened.studio.asked] == ["bob"]


async def test_an_account_has_so_many_connections(tmp_path):
    async with door(tmp_path, admission=AdmissionLimits(per_client=1)) as opened, opened.socket():
        assert await refused(opened, await opened.socket_url()) == 429
        async with opened.socket(f"{opened.live.ws_url}/v1/speak/ws/espeak?token={opened.token('bob')}"):
            pass


async def test_a_server_that_stops_ends_what_runs_and_closes_as_restarting(tmp_path):
    release = anyio.Event()
    async with door(tmp_path, FakeStudio(pace=release.wait)) as opened, opened.socket() as socket:
        await ask(socket)
        await eventually(lambda: bool(opened.studio.asked))
        opened.live.server.stop()
        await eventually(lambda: opened.connections.is_draining)
        release.set()
        assert await answered(socket) == STEPS
        with pytest.raises(ConnectionClosed):
            await socket.recv()
        assert socket.close_code == SERVICE_RESTART


async def test_a_message_that_is_too_large_closes_the_connection(tmp_path):
    async with door(tmp_path) as opened, opened.socket() as socket:
        await socket.send("x" * (1024 * 1024 + 1))
        with pytest.raises(ConnectionClosed):
            await socket.recv()
        assert socket.close_code == 1009


async def test_who_leaves_leaves_nothing_behind(tmp_path):
    async with door(tmp_path, FakeStudio(pace=anyio.sleep_forever)) as opened:
        async with opened.socket() as socket:
            await ask(socket)
            await eventually(lambda: bool(opened.studio.asked))
        await eventually(lambda: opened.studio.left == 1 and not len(opened.connections))


async def test_fifty_connections_are_served_at_once(tmp_path):
    async with door(tmp_path) as opened, anyio.create_task_group() as group:
        url = await opened.socket_url()

        async def speak(number: int) -> None:
            async with opened.socket(url) as socket:
                await ask(socket, number)
                first = json.loads(await socket.recv())
                assert first["request_id"] == number
                assert await answered(socket) == STEPS[1:]

        for number in range(50):
            group.start_soon(speak, number)
    assert len(set(opened.studio.clients)) == 50


async def test_a_refusal_is_told_over_the_wire(tmp_path):
    async with door(tmp_path) as opened, opened.socket() as socket:
        await socket.send('{"command": "/takes/generate", "request_id": "a", "data": {}}')
        told = json.loads(await socket.recv())
        assert (told["status"], told["request_id"]) == ("error", "a")
        assert unpack(await socket.recv()) == Frame("a", None, 0, None, b"")
