"""What the vendor's client sees of a server that ends, and of the one that comes after it."""

import anyio
import httpx
import httpx_ws
import pytest
from daisys.v1.speak import Status, VoiceGender

from tests.e2e.daisys_server import api, daisys_server
from tests.e2e.webhook_receiver import webhook_receiver

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.filterwarnings("ignore:The `json` method is deprecated"),  # the client's own
]

LONG_TEXT = " ".join(f"This is sentence {number} of very many, and no one listens to it." for number in range(250))


async def begin(speak, socket, voice_id: str, **hooks: str) -> str:
    """Begin a long take and read no more than its beginning, so that the rest is not made; return when that is kept."""
    told = []

    async def status(request_id, take) -> None:
        told.append(take)

    await socket.generate_take(voice_id, LONG_TEXT, status_callback=status, **hooks)
    while not told or told[-1].status is not Status.STARTED:
        await socket.update()
    while (await speak.get_take(told[-1].take_id)).status is Status.WAITING:  # noqa: ASYNC110 nobody tells of it
        await anyio.sleep(0.01)
    return told[-1].take_id


async def test_a_take_of_a_killed_server_ends_as_an_error_and_says_so_once(tmp_path):
    with webhook_receiver() as receiver:
        with daisys_server(tmp_path, receiver) as server:
            async with api(server) as speak:
                voice = await speak.generate_voice("Deborah", "espeak", VoiceGender.FEMALE)
                finished = await speak.generate_take(voice.voice_id, "Hello.")
                speak.auto_logout = False
                with pytest.raises(httpx_ws.WebSocketNetworkError):
                    async with speak.websocket(model="espeak") as socket:
                        take_id = await begin(speak, socket, voice.voice_id, done_webhook=f"{receiver.url}/done")
                        server.process.kill()
                        server.process.wait()
                        while True:
                            await socket.update()
        with daisys_server(tmp_path, receiver) as server:
            async with api(server) as speak:
                take = await speak.wait_for_takes(take_id, raise_on_error=False)
                assert take.status is Status.ERROR
                with pytest.raises(httpx.HTTPStatusError, match="409"):
                    await speak.get_take_audio(take_id)
                assert await speak.get_take(finished.take_id) == finished
                assert len(await speak.get_take_audio(finished.take_id)) == 44 + 2 * finished.info.duration
                assert await speak.get_voice(voice.voice_id) == voice
            (told,) = await anyio.to_thread.run_sync(receiver.wait_for, "/done")
            assert (told["take_id"], told["status"]) == (take_id, "error")
        assert len(receiver.told("/done")) == 1


async def test_the_client_goes_on_with_the_server_that_comes_back(tmp_path):
    with daisys_server(tmp_path) as server:
        port = int(server.url.rpartition(":")[2])
        speak = api(server).get_async_client()
        voice = await speak.generate_voice("Deborah", "espeak", VoiceGender.FEMALE)
        socket = await speak.websocket(model="espeak").__aenter__()
        await anyio.to_thread.run_sync(server.stop)
    with daisys_server(tmp_path, port=port):
        await socket.update()
        request_id = await socket.generate_take(voice.voice_id, "Hello again.")
        statuses = [take.status async for _, take, _, _ in socket.iter_request(request_id) if take]
        await socket.disconnect()
        await speak.close()
    assert statuses[-1] is Status.READY
