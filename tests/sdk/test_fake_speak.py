"""The server that these tests play is one that the vendor's own client understands."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from daisys import DaisysAPI
from daisys.v1.speak import DaisysWebsocketGenerateError, StreamMode, StreamOptions

from tests.sdk.fake_speak import FakeSpeak, fake_speak, wav

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.filterwarnings("ignore:The `json` method is deprecated"),  # by which the vendor's client writes
]

EMAIL, PASSWORD = "me@example.com", "password"  # the vendor's client puts them into JSON without escaping


@pytest.fixture
async def server(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[FakeSpeak]:
    monkeypatch.setattr("tests.sdk.fake_speak.PASSWORD", PASSWORD)
    async with fake_speak() as server:
        yield server


def client(server: FakeSpeak) -> DaisysAPI:
    return DaisysAPI("speak", email=EMAIL, password=PASSWORD, daisys_url=server.url, auth_url=server.url)


async def test_over_rest(server: FakeSpeak) -> None:
    async with client(server) as speak:
        [model] = await speak.get_models()
        voice = await speak.generate_voice(name="Ada", model=model.name, gender="female")
        await speak.update_voice(voice.voice_id, name="Eve")
        server.expire()
        take = await speak.generate_take(voice_id=voice.voice_id, text="Hi.")
        server.audio[f"{take.take_id}/wav"] = wav(b"\1\0")

        assert await speak.get_take_audio(take.take_id) == wav(b"\1\0")
        async with speak.stream_take_audio(take.take_id) as chunks:
            assert b"".join([chunk async for chunk in chunks]) == wav(b"\1\0")
        assert [found.take_id for found in await speak.get_takes(length=5)] == [take.take_id]
        assert await speak.delete_voice(voice.voice_id)

    assert server.count("/auth/refresh") == 1 and not server.refresh_tokens


@pytest.mark.parametrize("mode", [StreamMode.PARTS, StreamMode.CHUNKS])
async def test_over_a_websocket(server: FakeSpeak, mode: StreamMode) -> None:
    pcm = bytes(range(256)) * 40

    async def play() -> None:
        peer = await server.accept()
        await peer.perform(await peer.hear(), pcm, pcm)

    async with client(server) as speak, speak.websocket(model="tone") as ws, asyncio.TaskGroup() as group:
        group.create_task(play())
        request_id = await ws.generate_take("v1", "Hi.", stream_options=StreamOptions(mode=mode))
        received = [(take, audio) async for _, take, _, audio in ws.iter_request(request_id)]

    assert [take.status for take, _ in received if take] == ["waiting", "started", "ready"]
    assert b"".join(audio for _, audio in received if audio) == pcm * 2


async def test_an_error_over_a_websocket(server: FakeSpeak) -> None:
    async def play() -> None:
        peer = await server.accept()
        request = await peer.hear()
        await peer.say({"status": "error", "message": "no voice", "request_id": request["request_id"]})

    async with client(server) as speak, speak.websocket(model="tone") as ws, asyncio.TaskGroup() as group:
        group.create_task(play())
        await ws.generate_take("v9", "Hi.")
        with pytest.raises(DaisysWebsocketGenerateError, match="no voice"):
            await ws.update(timeout=None)
