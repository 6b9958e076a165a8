"""The clients of the API document of live speech, unchanged: only host, voice and backend are given to them."""

import base64
import io
import json
import wave
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.e2e.clients.danmu_document_client import DanmuTTSWebSocketClient
from tests.e2e.served import Served, served
from tests.sdk.node import run_node

CLIENTS = Path(__file__).parent / "clients"

VOICE, BACKEND = "cmn+f2", "espeak"

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("data"), DANMU_HEARTBEAT_SECONDS="0.2") as running:
        yield running


@pytest.fixture(scope="module")
def quiet_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("data")) as running:
        yield running


async def test_the_python_client_lists_voices_and_saves_speech(quiet_server: Served, tmp_path: Path) -> None:
    client = DanmuTTSWebSocketClient(quiet_server.ws_url)
    await client.connect()
    try:
        voices_response = await client.get_voices(language="zh-CN")
        result = await client.synthesize(text="你好，这是WebSocket测试", voice=VOICE, backend=BACKEND)
    finally:
        await client.disconnect()

    voices = voices_response["data"]["voices"]
    assert VOICE in {voice["id"] for voice in voices} and {voice["language"] for voice in voices} == {"zh-CN"}
    assert result["status"] == "success"
    (tmp_path / "output.wav").write_bytes(base64.b64decode(result["data"]["audio_data"]))
    assert_is_speech(tmp_path / "output.wav", result["data"]["metadata"])


async def test_the_python_client_may_name_nothing_but_the_text(quiet_server: Served) -> None:
    client = DanmuTTSWebSocketClient(quiet_server.ws_url)
    await client.connect()
    try:
        everything = await client.get_voices()
        result = await client.synthesize("Hello, world!")
    finally:
        await client.disconnect()

    assert len(everything["data"]["voices"]) > 10
    assert_is_speech(io.BytesIO(base64.b64decode(result["data"]["audio_data"])), result["data"]["metadata"])


async def test_the_python_client_is_told_that_its_backend_is_absent(quiet_server: Served) -> None:
    client = DanmuTTSWebSocketClient(quiet_server.ws_url)
    await client.connect()
    try:
        result = await client.synthesize(text="你好，这是WebSocket测试", voice="zh-CN-XiaoxiaoNeural", backend="edge")
        after = await client.synthesize("Hello, world!")
    finally:
        await client.disconnect()

    assert (result["status"], result["error"]["code"]) == ("error", "BACKEND_UNAVAILABLE")
    assert result["error"]["details"] == {"backend": "edge", "available_backends": ["espeak"]}
    assert after["status"] == "success"


@pytest.mark.node
async def test_the_javascript_client_lists_voices_and_speaks(server: Served) -> None:
    told = await run_client(server, "speak", VOICE, BACKEND)

    assert VOICE in {voice["id"] for voice in told["voices"]}
    assert told["result"]["status"] == "success"
    audio = base64.b64decode(told["result"]["data"]["audio_data"])
    assert_is_speech(io.BytesIO(audio), told["result"]["data"]["metadata"])


@pytest.mark.node
async def test_the_javascript_client_is_told_that_its_backend_is_absent(server: Served) -> None:
    told = await run_client(server, "speak", "zh-CN-XiaoxiaoNeural", "edge")

    assert "edge" in told["rejected"] and "unavailable" in told["rejected"]


@pytest.mark.node
async def test_the_javascript_client_answers_heartbeats_and_speaks_on(server: Served) -> None:
    told = await run_client(server, "heartbeat", VOICE, BACKEND)

    assert told["acknowledged"]["type"] == "heartbeat_ack" and told["acknowledged"]["timestamp"].endswith("Z")
    assert told["result"]["status"] == "success"


@pytest.mark.node
async def test_the_danmu_processor_plays_every_line_in_turn(server: Served) -> None:
    told = await run_client(server, "process", VOICE, BACKEND)

    assert [file["type"] for file in told["played"]] == ["audio/wav", "audio/wav"]
    for file in told["played"]:
        assert_is_speech(io.BytesIO(base64.b64decode(file["audio"])), {"sample_rate": 22050})


async def run_client(server: Served, scene: str, voice: str, backend: str) -> dict[str, Any]:
    """Let the JavaScript client play a scene of `run_danmu_document_client.mjs`; returns what it tells in the end."""
    printed = await run_node(CLIENTS / "run_danmu_document_client.mjs", scene, server.ws_url, voice, backend)
    told: dict[str, Any] = json.loads(printed)
    return told


def assert_is_speech(file: Path | io.BytesIO, metadata: dict[str, Any]) -> None:
    """It is a mono 16-bit WAV at the rate and of the length that its metadata tell, and it is not silent."""
    with wave.open(str(file) if isinstance(file, Path) else file) as audio:
        samples = np.frombuffer(audio.readframes(audio.getnframes()), np.int16)
        form = (audio.getnchannels(), audio.getsampwidth(), audio.getframerate())
    assert form == (1, 2, metadata["sample_rate"])
    seconds = len(samples) / metadata["sample_rate"]
    assert 0.5 < seconds < 10 and seconds == pytest.approx(metadata.get("duration", seconds), abs=0.001)
    assert np.sqrt(np.mean((samples / 32768) ** 2)) > 0.02
