"""The clients of live recognition against the real door, whose recognizers hear what the samples say."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import httpx
import numpy as np
import pytest
from anyio import to_thread

from app.sdk.stream import (
    ConnectionLost,
    Event,
    Match,
    Matched,
    Problem,
    Refused,
    Status,
    StreamClient,
    SyncStreamClient,
)
from tests.api.stream.door import HOP, Door, door, limited, track
from tests.eventually import eventually
from tests.fingerprint.fake_recognizer import MUSIC, SILENCE, STOPS
from tests.sdk.fake_server import Naps
from tests.sdk.node import run_node

MATCH = Match(
    video_id="abc123",
    title="Song Title",
    url=track().url,
    thumbnail_url=track().thumbnail_url,
    start_time=37.3,
    end_time=40.3,
    similarity_score=0.95,
    confidence=0.92,
)

pytestmark = pytest.mark.anyio


@pytest.fixture
async def live() -> AsyncIterator[Door]:
    async with door() as opened:
        yield opened


def sound(*values: float) -> np.ndarray:
    """A hop of each."""
    return np.repeat(np.array(values, np.float32), HOP)


def told(events: list[Event]) -> list[str]:
    return [event.matches[0].video_id if isinstance(event, Matched) else event.message for event in events]


async def test_what_plays_is_told_and_that_it_stopped(live: Door) -> None:
    events: list[Event] = []
    async with StreamClient(live.live.ws_url, None, "client-123", on_status=events.append) as client:
        await client.send(sound(SILENCE, MUSIC))
        async with asyncio.timeout(10):
            matched = await anext(event async for event in client if isinstance(event, Matched))
            await client.send(sound(STOPS))
            await anext(event async for event in client if isinstance(event, Status) and event.has_stopped)

    assert matched.matches == (MATCH,)
    assert (matched.stats.total_matches, matched.stats.samples_processed) == (1, 2 * HOP)
    assert told(events) == [
        "Connected to SoundHash streaming service",
        "Streaming processor initialized",
        "Music stopped",
    ]


async def test_a_sound_is_followed_in_its_own_time(live: Door) -> None:
    started = anyio.current_time()
    async with StreamClient(live.live.ws_url, sample_rate=16_000) as client:
        events = [event async for event in client.follow(np.full(16_000, MUSIC, np.int16), linger=0.2)]

    assert 0.9 < anyio.current_time() - started < 3
    assert told(events)[:2] == ["Connected to SoundHash streaming service", "Streaming processor initialized"]


async def test_plain_code_is_told_too(live: Door) -> None:
    def follow() -> list[Event]:
        with SyncStreamClient(live.live.ws_url) as client:
            return list(client.follow(sound(SILENCE, MUSIC), linger=0.3))

    assert told(await to_thread.run_sync(follow))[-1] == "abc123"


async def test_what_is_no_audio_is_told_with_its_reason(live: Door) -> None:
    async with StreamClient(live.live.ws_url) as client:
        await client.send(np.array([np.nan] * HOP, np.float32))
        async with asyncio.timeout(10):
            problem = await anext(event async for event in client if isinstance(event, Problem))

    assert problem.message == "Processing error: Invalid audio format" and problem.detail is not None


async def test_the_newest_of_two_clients_stays(live: Door) -> None:
    async with StreamClient(live.live.ws_url, None, "me", sleep=Naps()) as older:
        async with StreamClient(live.live.ws_url, None, "me") as newer:
            with pytest.raises(ConnectionLost) as lost:
                [event async for event in older]
            await newer.send(sound(MUSIC))
            assert newer.is_connected and live.streams
        assert lost.value.code == 4009


async def test_who_is_sent_away_by_an_administrator_does_not_come_back(live: Door) -> None:
    async with StreamClient(live.live.ws_url, None, "me", sleep=Naps()) as client:
        headers = {"Authorization": f"Bearer {live.token('root', 'admin')}"}
        async with httpx.AsyncClient() as http:
            answer = await http.delete(f"{live.url}/api/v1/monitoring/live-streams/me", headers=headers)
        events: list[Event] = []
        with pytest.raises(ConnectionLost, match="1008"):
            async for event in client:
                events.append(event)

    assert answer.status_code == 200 and told(events)[-1] == "Connection terminated by administrator"


async def test_after_a_pause_it_goes_on(live: Door) -> None:
    async with (
        door(limits=limited(idle=0.2)) as impatient,
        StreamClient(impatient.live.ws_url, sleep=Naps()) as client,
    ):
        await eventually(lambda: not client.is_connected)
        await client.send(sound(MUSIC))
        async with asyncio.timeout(10):
            matched = await anext(event async for event in client if isinstance(event, Matched))

    assert matched.stats.total_matches == 1


async def test_a_full_server_is_asked_again_later_and_later() -> None:
    naps = Naps()
    async with (
        door(limits=limited(connections=1)) as full,
        StreamClient(full.live.ws_url),
        StreamClient(full.live.ws_url, sleep=naps, rng=lambda: 0.0) as client,
    ):
        problems = aiter(event async for event in client if isinstance(event, Problem))
        assert (await anext(problems)).message.startswith("Connection limit exceeded")
        await eventually(lambda: len(naps.taken) >= 3)

    assert naps.taken[:3] == [1, 2, 4]


async def test_a_wrong_key_is_refused(live: Door) -> None:
    with pytest.raises(Refused) as refused:
        async with StreamClient(live.live.ws_url, "wrong"):
            pass

    assert refused.value.status == 401 and refused.value.is_final


async def test_a_right_key_says_who_it_is(live: Door) -> None:
    async with StreamClient(live.live.ws_url, live.token("ada"), "mine"):
        with pytest.raises(Refused) as refused:
            async with StreamClient(live.live.ws_url, live.token("eve"), "mine"):
                pass

    assert refused.value.status == 403


@pytest.mark.node
async def test_the_javascript_client(live: Door) -> None:
    program = Path(__file__).parent / "js" / "stream_live.mjs"

    printed = json.loads(await run_node(program, live.live.ws_url, live.token("ada")))

    assert printed["statuses"] == [
        "Connected to SoundHash streaming service",
        "Streaming processor initialized",
        "Music stopped",
    ]
    assert printed["match"] == {name: getattr(MATCH, name) for name in Match.__slots__}
    assert printed["played"] is True and printed["samples"] == 3 * HOP
    assert (printed["replaced"], printed["refused"]) == (4009, "NotConnected")
