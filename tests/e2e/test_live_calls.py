"""Music on a phone line, recognized by a server with a real catalogue, in the frames of a call platform."""

import json
from collections.abc import Iterator
from typing import Any

import anyio
import numpy as np
import pytest
from websockets.asyncio.client import connect

from app.audio.pcm import Samples, to_bytes, to_int16
from app.calls.call import RATES
from tests.e2e.served import Served, served
from tests.e2e.test_tracks import SECRET, Administrator, app, song
from tests.fingerprint.music import tune

pytestmark = pytest.mark.anyio

SONGS = 2


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server that knows songs 0 and 1."""
    folder = tmp_path_factory.mktemp("calls")
    for number in range(SONGS):
        song(folder / "songs", number)
    app(folder, "ingest", str(folder / "songs"))
    with served(folder, AUTH_SECRET=SECRET) as running:
        Administrator(running, folder).wait_until_found(SONGS, within=60)
        yield running


def silence(rate: int) -> Samples:
    return np.zeros(6 * rate, np.float32)


async def heard(server: Served, sound: Samples, rate: int) -> list[dict[str, Any]]:
    """Call, play this into the line, and return what is told of it."""
    frame, pcm, told = rate // 25, to_bytes(to_int16(sound)), []
    async with connect(f"{server.ws_url}/echo?processor=recognize", compression=None) as call:
        await call.send(json.dumps({"event": "websocket:connected", "content-type": f"audio/l16;rate={rate}"}))
        with anyio.fail_after(60):
            for start in range(0, len(pcm), 25 * frame):  # half a second at a time, so that it keeps up
                for at in range(start, min(start + 25 * frame, len(pcm)), frame):
                    await call.send(pcm[at : at + frame])
                await anyio.sleep(0.1)
            while not told or told[-1]["event"] != "chorus:lost":
                told.append(json.loads(await call.recv()))
    return told


@pytest.mark.parametrize("rate", RATES)
async def test_music_on_the_line_is_recognized_and_its_end_too(server: Served, rate: int) -> None:
    music = tune(1, sample_rate=rate)[5 * rate : 12 * rate]
    *matches, lost = await heard(server, np.concatenate((music, silence(rate))), rate)
    assert {match["event"] for match in matches} == {"chorus:match"}
    assert {entry["title"] for match in matches for entry in match["matches"]} == {"1"}
    assert lost == {"event": "chorus:lost"}
    first = matches[0]
    assert first["seconds"] <= 4.0
    assert first["matches"][0]["end_time"] == pytest.approx(5 + first["seconds"], abs=0.2)


async def test_other_music_is_not(server: Served) -> None:
    rate = 16_000
    other, known = tune(77, sample_rate=rate)[: 6 * rate], tune(0, sample_rate=rate)[2 * rate : 8 * rate]
    *matches, _ = await heard(server, np.concatenate((other, known, silence(rate))), rate)
    assert {entry["title"] for match in matches for entry in match["matches"]} == {"0"}
    assert matches[0]["seconds"] > 6
