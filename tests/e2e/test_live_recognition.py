"""Music that plays, over real sockets to a server with a real catalogue, by real clients."""

import json
import math
import urllib.request
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import numpy as np
import pytest
from websockets.asyncio.client import ClientConnection, connect

from app.audio.pcm import Samples
from app.sdk.stream import Event, Matched, StreamClient
from tests.audio.sound_files import write_sound
from tests.e2e.served import Served, served
from tests.e2e.test_tracks import SECRET, Administrator, app, song
from tests.fingerprint.music import tune
from tests.sdk.node import run_node

RATE = 22_050
HOP_SECONDS = 0.5
SONGS = 3
NEAR = 0.15
"""Seconds by which a place in a track may be off."""
PLAYER = Path(__file__).parent / "clients" / "run_stream_document_client.mjs"

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server that knows songs 0, 1 and 2, and takes whatever comes at once."""
    folder = tmp_path_factory.mktemp("live")
    for number in range(SONGS):
        song(folder / "songs", number)
    app(folder, "ingest", str(folder / "songs"))
    names = ("STREAM_MAX_ATTEMPTS_PER_MINUTE", "STREAM_MAX_BYTES_PER_SECOND", "STREAM_MAX_MESSAGES_PER_MINUTE")
    with served(folder, AUTH_SECRET=SECRET, **dict.fromkeys(names, "0")) as running:
        Administrator(running, folder).wait_until_found(SONGS, within=60)
        yield running


def played(number: int, start: float, end: float, *, rate: int = RATE) -> Samples:
    """Return a stretch of a song, in seconds."""
    return tune(number, sample_rate=rate)[round(start * rate) : round(end * rate)]


def unknown(seconds: float) -> Samples:
    return tune(77, sample_rate=RATE)[: round(seconds * RATE)]


@asynccontextmanager
async def stream(server: Served, client_id: str, query: str = "") -> AsyncIterator[ClientConnection]:
    async with connect(f"{server.ws_url}/stream/{client_id}{query}", compression=None) as socket:
        yield socket


async def told(socket: ClientConnection, type: str) -> dict[str, Any]:
    """Return the next message of a type."""
    with anyio.fail_after(60):
        while (message := json.loads(await socket.recv()))["type"] != type:
            pass
    return message


def is_at(match: dict[str, Any], heard_seconds: float, begin: float) -> bool:
    """Tell whether a match is where the track is, of which `begin` played first, at a hop of what was heard."""
    heard = match["end_time"] - begin
    hops = round(heard / HOP_SECONDS)
    return 0 < heard < heard_seconds + NEAR and math.isclose(heard, hops * HOP_SECONDS, abs_tol=NEAR)


@pytest.mark.node
async def test_the_documents_client_is_told_what_plays_and_what_follows_it(server: Served, tmp_path: Path) -> None:
    sound = np.concatenate((played(0, 3, 9), played(2, 10, 16)))
    (tmp_path / "sound.f32").write_bytes(sound.astype("<f4").tobytes())

    url = f"{server.ws_url}/stream/my-unique-id"
    answer = json.loads(await run_node(PLAYER, "play", url, tmp_path / "sound.f32"))

    assert answer["told"][:3] == [
        "Connected",
        "Connected to SoundHash streaming service",
        "Streaming processor initialized",
    ] and not [line for line in answer["told"] if line.startswith("error")]
    titles = [[match["title"] for match in one["found"]] for one in answer["matches"]]
    assert titles[0] == ["0"] and titles[-1] == ["2"] and {title for one in titles for title in one} == {"0", "2"}
    for one in answer["matches"]:
        heard = one["stats"]["duration_seconds"]
        for match in one["found"]:
            begin = 3 if match["title"] == "0" else 10 - 6
            assert is_at(match, heard, begin), (match, heard)
            assert set(match) == {
                *("video_id", "title", "url", "thumbnail_url", "start_time", "end_time"),
                *("similarity_score", "confidence"),
            }
    first = answer["matches"][0]["stats"]["duration_seconds"]
    assert first <= 4  # the document: 3.5 to 4 s from the start of the audio to the notification


async def test_our_client_is_told_what_plays_what_follows_and_when_it_stops(server: Served) -> None:
    sound = np.concatenate((played(1, 5, 10), played(0, 2, 7), unknown(4.5)))
    events: list[Event] = []
    async with StreamClient(server.url) as client, aclosing(client.follow(sound)) as follow:
        async for event in follow:
            events.append(event)

    matched = [event for event in events if isinstance(event, Matched)]
    assert [matched[0].matches[0].title, matched[-1].matches[0].title] == ["1", "0"]
    assert {match.title for event in matched for match in event.matches} == {"0", "1"}
    assert getattr(events[-1], "event", None) == "lost"
    assert matched[-1].stats.duration_seconds < 5 + 5 + 2  # what is over is not told on and on


@pytest.mark.parametrize("rate", [8000, 16_000, 44_100, 48_000, 96_000])
@pytest.mark.parametrize("encoding", ["f32", "s16"])
async def test_sound_of_another_rate_or_form_is_recognized(server: Served, rate: int, encoding: str) -> None:
    sound = played(1, 4, 9, rate=rate)
    data = (sound * 32_767).astype("<i2") if encoding == "s16" else sound.astype("<f4")
    async with stream(server, f"{rate}-{encoding}", f"?sample_rate={rate}&encoding={encoding}") as socket:
        for start in range(0, len(data), rate // 10):
            await socket.send(data[start : start + rate // 10].tobytes())
        match = (await told(socket, "match"))["data"]
    assert [one["title"] for one in match["matches"]] == ["1"]
    assert match["stats"]["buffer_capacity"] == 3 * rate
    assert is_at(match["matches"][0], match["stats"]["duration_seconds"], 4)


@pytest.mark.parametrize("samples", [64, 441, 4096, 65_536])
async def test_sound_may_be_cut_in_any_way(server: Served, samples: int) -> None:
    data = played(2, 6, 11).astype("<f4")
    async with stream(server, f"cut-{samples}") as socket:
        for start in range(0, len(data), samples):
            await socket.send(data[start : start + samples].tobytes())
        match = (await told(socket, "match"))["data"]
    assert [one["title"] for one in match["matches"]] == ["2"]
    assert is_at(match["matches"][0], match["stats"]["duration_seconds"], 6)


async def test_what_is_no_sound_harms_nothing(server: Served) -> None:
    data = played(0, 4, 9).astype("<f4")
    async with stream(server, "wrong") as socket:
        for wrong in ("text", b"123", np.full(4096, np.nan, "<f4").tobytes(), b"", np.float32(1e30).tobytes()):
            await socket.send(wrong)
        for start in range(0, len(data), 4096):
            await socket.send(data[start : start + 4096].tobytes())
        errors = [await told(socket, "error") for _ in range(4)]
        match = (await told(socket, "match"))["data"]
    assert {one["message"] for one in errors} == {"Processing error: Invalid audio format"}
    assert is_at(match["matches"][0], match["stats"]["duration_seconds"], 4)


async def test_what_nobody_knows_is_not_told(server: Served) -> None:
    rng = np.random.default_rng(1)
    quiet = np.zeros(3 * RATE, np.float32)
    hum = 0.3 * np.sin(2 * np.pi * 50 * np.arange(3 * RATE) / RATE)
    hiss = 0.1 * rng.standard_normal(3 * RATE)
    async with stream(server, "unknown") as socket:
        for sound in (quiet, hum, hiss, unknown(6.0)):
            for second in np.split(sound.astype("<f4"), range(RATE, len(sound), RATE)):
                await socket.send(second.tobytes())
            await anyio.sleep(0.5)  # more than 6 s behind is given up
        await socket.send(played(0, 4, 9).astype("<f4").tobytes()[:250_000])
        await socket.send(played(0, 4, 9).astype("<f4").tobytes()[250_000:])
        match = (await told(socket, "match"))["data"]
    assert [one["title"] for one in match["matches"]] == ["0"] and match["stats"]["total_matches"] == 1


def test_a_mix_gives_a_cue_sheet(server: Served, tmp_path: Path) -> None:
    fade = RATE
    mix = np.zeros(0, np.float32)
    for number, start, end in ((0, 2, 12), (2, 5, 17), (1, 3, 13)):
        part = np.array(played(number, start, end))
        part[:fade] *= np.linspace(0, 1, fade, dtype=np.float32)
        part[-fade:] *= np.linspace(1, 0, fade, dtype=np.float32)
        overlap = mix[-fade:] + part[:fade] if len(mix) else part[:fade]
        mix = np.concatenate((mix[:-fade], overlap, part[fade:]))
    data = write_sound(tmp_path / "mix.mp3", mix, sample_rate=RATE, codec="mp3").read_bytes()

    def recognized(query: str = "") -> str:
        address = f"{server.url}/api/v1/recognize{query}"
        request = urllib.request.Request(address, data, {"Content-Type": "audio/mpeg"})
        with urllib.request.urlopen(request, timeout=60) as reply:
            return reply.read().decode()

    found = json.loads(recognized())["matches"]
    assert [one["title"] for one in found] == ["0", "2", "1"]
    for one, (begin, end, in_track) in zip(found, ((0, 9.5, 2), (9.5, 20.5, 5.5), (20.5, 30, 3.5)), strict=True):
        assert abs(one["recording_start"] - begin) < 1 and abs(one["recording_end"] - end) < 1
        moved = one["recording_start"] - begin
        assert math.isclose(one["start_time"] - moved, in_track, abs_tol=NEAR)
    cue = recognized("?format=cue")
    assert [line.split('"')[1] for line in cue.splitlines() if "TITLE" in line] == ["0", "2", "1"]
    times = [line.split()[-1].split(":") for line in cue.splitlines() if "INDEX 01" in line]
    seconds = [60 * int(minute) + int(second) + int(frame) / 75 for minute, second, frame in times]
    assert seconds == pytest.approx([one["recording_start"] for one in found], abs=0.02)


@pytest.mark.slow
@pytest.mark.timeout(400)
async def test_who_comes_right_after_an_installation_waits_and_is_told(tmp_path: Path) -> None:
    song(tmp_path / "songs", 1)
    app(tmp_path, "ingest", str(tmp_path / "songs"))
    data = played(1, 4, 9).astype("<f4").tobytes()
    settings = {"NUMBA_CACHE_DIR": str(tmp_path / "kernels"), "STREAM_MAX_BYTES_PER_SECOND": "0"}
    with served(tmp_path, **settings) as server:
        assert server.get("/health")[0] == 200
        async with stream(server, "early") as socket:
            for start in range(0, len(data), 16_384):
                await socket.send(data[start : start + 16_384])
            with anyio.fail_after(300):
                came = [json.loads(await socket.recv()) for _ in range(4)]
    assert [one.get("message", "").partition(":")[0] for one in came] == [
        "Connected to SoundHash streaming service",
        "Recognition is being prepared",
        "Streaming processor initialized",
        "",
    ]
    assert came[3]["data"]["matches"][0]["title"] == "1"
    forgotten = 6 * 4096 / RATE  # of the five seconds four are kept, in whole frames
    assert is_at(came[3]["data"]["matches"][0], came[3]["data"]["stats"]["duration_seconds"], 4 + forgotten)
