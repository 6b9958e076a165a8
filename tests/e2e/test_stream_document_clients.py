"""The examples of the document of live matching, put together and otherwise as they are, at the door."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import websockets

from tests.api.stream.door import door, limited
from tests.fingerprint.fake_recognizer import MUSIC
from tests.sdk.node import run_node

CLIENTS = Path(__file__).parent / "clients"

pytestmark = pytest.mark.anyio


async def play(scene: str, url: str) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(await run_node(CLIENTS / "run_stream_document_client.mjs", scene, url))
    return told


@pytest.mark.node
async def test_the_documents_page_is_told_what_plays() -> None:
    async with door() as live:
        told = await play("match", f"{live.live.ws_url}/ws/stream/my-unique-id")
    assert told["told"][:3] == [
        "Connected",
        "Connected to SoundHash streaming service",
        "Streaming processor initialized",
    ]
    assert [match["title"] for match in told["matches"]] == ["Song Title"]
    assert set(told["message"]["data"]) == {"matches", "timestamp", "stats"}
    assert told["code"] == 1000


@pytest.mark.node
async def test_the_documents_reconnection_backs_off_at_a_full_server() -> None:
    async with door(limits=limited(connections=1, attempts_per_minute=4)) as live, live.client("other"):
        told = await play("reconnect", f"{live.live.ws_url}/ws/stream/client-123")
    # As long as it is let in to be told, it comes back every second; then it is refused and backs off.
    assert told == {"opened": 3, "delays": [1000, 1000, 1000, 2000, 4000, 8000, 16000]}


async def test_the_documents_python_is_told_what_plays() -> None:
    audio_array = np.full(11_025, MUSIC, np.float32)
    async with door() as live, websockets.connect(f"{live.live.ws_url}/ws/stream/my-unique-id") as websocket:
        audio_bytes = audio_array.tobytes()
        await websocket.send(audio_bytes)
        told = [json.loads(await websocket.recv()) for _ in range(3)]
    assert [message["type"] for message in told] == ["status", "status", "match"]
