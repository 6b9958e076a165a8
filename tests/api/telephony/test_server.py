"""The door within the whole server."""

import json
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from app.audio.pcm import from_bytes
from app.main import create_app, socket_limits
from app.settings import Settings
from tests.live_server import live_server

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).parents[3]


@asynccontextmanager
async def whole(folder: Path, **settings: object):
    known = {"data_dir": folder, "tts_backends": ("tone",), "audio_files_dir": ROOT / "audio_files"}
    async with live_server(
        create_app(Settings(_env_file=None, **(known | settings))), limits_for=socket_limits
    ) as live:
        yield live


async def test_a_text_is_spoken_into_a_call(tmp_path):
    async with whole(tmp_path) as live, connect(f"{live.ws_url}/ws/echo?processor=speak") as socket:
        await socket.send(json.dumps({"event": "websocket:connected", "content-type": "audio/l16;rate=8000"}))
        await socket.send(json.dumps({"event": "speak", "text": "hello there", "id": "1"}))
        frames = []
        with anyio.fail_after(10):
            while isinstance(message := await socket.recv(), bytes):
                frames.append(message)
        told = json.loads(message)
    assert {len(frame) for frame in frames} == {320}
    assert abs(from_bytes(b"".join(frames)).astype(int)).max() > 1_000
    assert (told["event"], told["id"], told["seconds"]) == ("chorus:spoken", "1", pytest.approx(len(frames) * 0.02))


async def test_a_call_is_listened_to(tmp_path):
    async with whole(tmp_path) as live, connect(f"{live.ws_url}/ws/echo?processor=recognize&rate=8000") as socket:
        for _ in range(100):
            await socket.send(bytes(320))
        await socket.send('{"action":"notify","payload":{"n":1}}')
        with anyio.fail_after(10):
            assert json.loads(await socket.recv()) == {"event": "websocket:notify", "payload": {"n": 1}}


async def test_the_sample_is_there_and_is_played(tmp_path):
    came = []
    async with whole(tmp_path) as live, connect(f"{live.ws_url}/ws/play/welcome.wav") as socket:
        with pytest.raises(ConnectionClosed) as closed:
            while True:
                came.append(await socket.recv())
    assert b"".join(came) == (ROOT / "audio_files" / "welcome.wav").read_bytes()
    assert closed.value.rcvd.code == 1000


async def test_where_credentials_are_needed_calls_need_them_too(tmp_path):
    async with whole(tmp_path, auth_required=True) as live:
        for path in ("/ws/echo", "/ws/play/welcome.wav"):
            with pytest.raises(InvalidStatus) as caught:
                async with connect(live.ws_url + path):
                    pass
            assert caught.value.response.status_code == 401


def test_messages_may_be_as_large_as_the_door_says():
    assert socket_limits("/ws/echo").max_message_bytes == 1024 * 1024
    assert socket_limits("/ws/play/a.mp3").max_message_bytes == 64 * 1024
