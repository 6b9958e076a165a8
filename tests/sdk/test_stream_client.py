import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable
from contextlib import aclosing
from http import HTTPStatus
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from websockets.exceptions import InvalidURI

from app.sdk.stream import (
    Backoff,
    ConnectionLost,
    Event,
    Matched,
    NotConnected,
    Problem,
    Refused,
    Samples,
    SoundHashClient,
    SourceFailed,
    Status,
    StreamClient,
)
from app.sdk.stream_client import stream_url
from tests.eventually import eventually
from tests.sdk.fake_server import Naps
from tests.sdk.fake_stream import LOST, MATCH, FakeStreams, error, fake_streams, match, status
from tests.sdk.test_stream_file import sine, write_wav

RATE = 22050
FRAME = 2205
SOUND = np.linspace(-1, 1, 3 * FRAME + 100, dtype=np.float32)

pytestmark = pytest.mark.anyio


@pytest.fixture
async def server() -> AsyncIterator[FakeStreams]:
    async with fake_streams() as server:
        yield server


class Live:
    """A source that is live and gives what the test puts in."""

    is_live = True

    def __init__(self) -> None:
        self.blocks_given: asyncio.Queue[bytes] = asyncio.Queue()
        self.is_closed = False

    async def blocks(self, sample_rate: int) -> AsyncGenerator[bytes, None]:
        try:
            while block := await self.blocks_given.get():
                yield block
        finally:
            self.is_closed = True


async def _failure_of(awaitable: Awaitable[object]) -> Exception:
    with pytest.raises(Exception) as failure:
        await awaitable
    return failure.value


async def test_the_arguments_of_the_document_say_where_and_who(server: FakeStreams) -> None:
    async with SoundHashClient(server.url, "your-api-key", "client-123", 22050):
        peer = await server.accept()

    assert peer.path == "/ws/stream/client-123?sample_rate=22050&events=1"
    assert peer.authorization == "Bearer your-api-key"


async def test_an_id_that_is_not_given_is_made_up(server: FakeStreams) -> None:
    async with StreamClient(server.url) as one, StreamClient(server.url) as other:
        path = (await server.accept()).path

    assert path.startswith(f"/ws/stream/{one.client_id}?") and len(one.client_id) == 32
    assert one.client_id != other.client_id


@pytest.mark.parametrize(
    ("url", "address"),
    [
        (
            "https://example.com/chorus/?v=1",
            "wss://example.com/chorus/ws/stream/a%2Fb%3Fc?v=1&sample_rate=48000&events=1",
        ),
        ("http://localhost:8000", "ws://localhost:8000/ws/stream/a%2Fb%3Fc?sample_rate=48000&events=1"),
    ],
)
def test_an_address_may_be_of_http_and_have_a_prefix(url: str, address: str) -> None:
    assert stream_url(url, "a/b?c", 48000) == address


async def test_an_address_that_is_none_is_refused_at_once() -> None:
    with pytest.raises(InvalidURI):
        StreamClient("ftp://localhost")


async def test_samples_are_sent_at_once_in_frames(server: FakeStreams) -> None:
    naps = Naps()
    async with StreamClient(server.url, sleep=naps) as client:
        peer = await server.accept()
        await client.send(SOUND)
        await client.send(np.array([16384], np.int16))
        lengths = [await peer.frame() for _ in range(5)]

    assert [len(frame) for frame in lengths] == [FRAME, FRAME, FRAME, 100, 1]
    assert np.array_equal(np.concatenate(lengths), np.append(SOUND, np.float32(0.5))) and naps.taken == []


async def test_another_rate_has_frames_of_the_same_length(server: FakeStreams) -> None:
    async with StreamClient(server.url, sample_rate=48000) as client:
        peer = await server.accept()
        await client.send(np.zeros(4800, np.float32))
        frame = await peer.frame()

    assert len(frame) == 4800 and parse_qs(urlsplit(peer.path).query)["sample_rate"] == ["48000"]


async def test_wrong_samples_are_refused_and_nothing_is_sent(server: FakeStreams) -> None:
    async with StreamClient(server.url) as client:
        peer = await server.accept()
        with pytest.raises(ValueError, match="one channel"):
            await client.send(np.zeros((2, 4410), np.float32))
        with pytest.raises(TypeError):
            await client.send([0.0, 0.1])  # type: ignore[arg-type]
        await client.send(SOUND[:7])

        assert np.array_equal(await peer.frame(), SOUND[:7])


async def test_a_file_goes_out_as_fast_as_it_is_heard(server: FakeStreams, tmp_path: Path) -> None:
    path, naps = write_wav(tmp_path / "a.wav", sine(RATE, 0.55)), Naps()
    async with StreamClient(server.url, sleep=naps, clock=lambda: sum(naps.taken)) as client:
        peer = await server.accept()
        await client.play(path)
        heard = await peer.frames(6)

    assert np.allclose(heard, sine(RATE, 0.55), atol=1 / 32768)
    assert naps.taken == pytest.approx([0.1] * 5 + [1.0])  # and a second to hear of the last of it


async def test_samples_can_be_played_too(server: FakeStreams) -> None:
    naps = Naps()
    async with StreamClient(server.url, sleep=naps, clock=lambda: sum(naps.taken)) as client:
        peer = await server.accept()
        await client.play(SOUND, linger=0)

        assert np.array_equal(await peer.frames(4), SOUND)
    assert naps.taken == pytest.approx([0.1, 0.1, 0.1, 0])


async def test_what_is_live_is_not_held_back(server: FakeStreams) -> None:
    live, naps = Live(), Naps()
    async with StreamClient(server.url, sleep=naps) as client, asyncio.TaskGroup() as group:
        peer = await server.accept()
        playing = group.create_task(client.play(live))
        live.blocks_given.put_nowait(SOUND.tobytes())
        assert np.array_equal(await peer.frames(3), SOUND[: 3 * FRAME])
        playing.cancel()

    assert live.is_closed and naps.taken == []


async def test_callbacks_are_told_what_the_server_tells(server: FakeStreams) -> None:
    told: list[Event] = []

    async def on_match(event: Matched) -> None:
        await asyncio.sleep(0)
        told.append(event)

    async with StreamClient(server.url, on_match=on_match, on_status=told.append, on_error=told.append):
        peer = await server.accept()
        for message in (status(), match(), "no JSON", LOST, error()):
            await peer.say(message)
        await eventually(lambda: len(told) == 4)

    assert [type(event) for event in told] == [Status, Matched, Status, Problem]
    assert isinstance(told[1], Matched) and told[1].matches[0].title == MATCH["title"]


async def test_a_callback_that_fails_ends_nothing(server: FakeStreams, caplog: pytest.LogCaptureFixture) -> None:
    def on_status(event: Status) -> None:
        raise KeyError("mine")

    told: list[Event] = []
    async with StreamClient(server.url, on_status=on_status, on_match=told.append):
        peer = await server.accept()
        await peer.say(status())
        await peer.say(match())
        await eventually(lambda: bool(told))

    assert "KeyError: 'mine'" in caplog.text


async def test_events_are_iterated_over_until_the_block_is_left(server: FakeStreams) -> None:
    events: list[Event] = []

    async def collect(client: StreamClient) -> None:
        async for event in client:
            events.append(event)

    async with asyncio.TaskGroup() as group, StreamClient(server.url) as client:
        peer = await server.accept()
        await peer.say(status())  # before anybody asks
        group.create_task(collect(client))
        await peer.say(match())
        await eventually(lambda: len(events) == 2)

    assert [type(event) for event in events] == [Status, Matched]


async def test_following_a_sound_yields_what_is_told_of_it(server: FakeStreams) -> None:
    async def answer() -> None:
        peer = await server.accept()
        await peer.samples(len(SOUND))
        await peer.say(match())

    linger = asyncio.Event()

    async def sleep(seconds: float) -> None:
        if seconds == 7:
            await linger.wait()

    events: list[Event] = []
    async with StreamClient(server.url, sleep=sleep) as client, asyncio.TaskGroup() as group:
        group.create_task(answer())
        async for event in client.follow(SOUND, linger=7):
            events.append(event)
            linger.set()

    assert [type(event) for event in events] == [Matched]


async def test_following_ends_with_what_went_wrong(server: FakeStreams, tmp_path: Path) -> None:
    async with StreamClient(server.url) as client:
        with pytest.raises(SourceFailed, match="No such file"):
            async for _ in client.follow(tmp_path / "gone.mp3"):
                pass
        with pytest.raises(ValueError, match="one channel"):
            await anext(client.follow(np.zeros((2, 9), np.float32)))


async def test_ceasing_to_follow_ends_the_sound(server: FakeStreams) -> None:
    live = Live()
    async with StreamClient(server.url) as client:
        peer = await server.accept()
        async with aclosing(client.follow(live)) as events:
            await peer.say(status())
            assert isinstance(await anext(events), Status)
        await eventually(lambda: live.is_closed)


async def test_leaving_the_block_ends_everything(server: FakeStreams) -> None:
    live, before = Live(), asyncio.all_tasks()
    async with StreamClient(server.url) as client:
        peer = await server.accept()
        await peer.say(status())
        events = client.follow(live)
        await anext(events)

    assert live.is_closed and [event async for event in events] == []
    assert await peer.end() == (1000, "")
    assert isinstance(await _failure_of(client.send(SOUND)), NotConnected)
    assert not [task for task in asyncio.all_tasks() - before if "app/sdk" in repr(task)]


async def test_an_error_in_the_block_stays_what_it_is(server: FakeStreams) -> None:
    with pytest.raises(KeyError):
        async with StreamClient(server.url):
            raise KeyError("mine")


async def test_sound_waits_for_the_next_connection(server: FakeStreams) -> None:
    naps = Naps()
    async with StreamClient(server.url, sleep=naps, rng=lambda: 0.0) as client, asyncio.TaskGroup() as group:
        await (await server.accept()).hang_up(1012)
        await eventually(lambda: not client.is_connected or server.attempts == 2)
        group.create_task(client.send(SOUND))
        peer = await server.accept()

        assert np.array_equal(await peer.frames(4), SOUND)
    assert naps.taken == [1]


async def test_no_more_is_sent_than_the_network_takes(server: FakeStreams) -> None:
    second = np.zeros(RATE, np.float32)
    sent = 0

    async def send() -> None:
        nonlocal sent
        while True:
            await client.send(second)
            sent += 1

    async with StreamClient(server.url) as client, asyncio.TaskGroup() as group:
        peer = await server.accept()
        peer.fall_silent()
        sending = group.create_task(send())
        seen = -1
        while seen < sent:
            seen = sent
            await asyncio.sleep(0.2)
        sending.cancel()
        peer.cut()

    assert sent < 600  # 50 MB would be 600 seconds; what the two sockets hold is a few MB


@pytest.mark.parametrize(("code", "reason"), [(4009, "replaced"), (1008, "terminated by administrator")])
async def test_what_ended_it_on_purpose_is_not_asked_again(server: FakeStreams, code: int, reason: str) -> None:
    naps = Naps()
    async with StreamClient(server.url, sleep=naps) as client:
        peer = await server.accept()
        await peer.say(error("Connection terminated"))
        await peer.hang_up(code, reason)
        events: list[Event] = []
        with pytest.raises(ConnectionLost, match=f"{code} {reason}"):
            async for event in client:
                events.append(event)
        assert isinstance(await _failure_of(client.play(SOUND)), ConnectionLost)

    assert [type(event) for event in events] == [Problem]
    assert (server.attempts, naps.taken) == (1, [])


@pytest.mark.parametrize("code", [1001, 1006, 1011, 1012, 1013])
async def test_what_may_pass_is_asked_again_later_and_later(server: FakeStreams, code: int) -> None:
    naps = Naps()
    async with StreamClient(server.url, sleep=naps, rng=lambda: 0.0, clock=lambda: 0.0):
        for _ in range(3):
            peer = await server.accept()
            peer.cut() if code == 1006 else await peer.hang_up(code)
        await server.accept()

    assert naps.taken == [1, 2, 4]


async def test_after_a_pause_it_connects_when_there_is_sound(server: FakeStreams) -> None:
    naps = Naps()
    async with StreamClient(server.url, sleep=naps) as client, asyncio.TaskGroup() as group:
        peer = await server.accept()
        await client.send(SOUND[:5])
        await peer.frame()
        await peer.hang_up(1000, "idle timeout")
        await eventually(lambda: not client.is_connected)
        for _ in range(10):  # turns in which it would have begun
            await asyncio.sleep(0)
        assert naps.taken == []
        group.create_task(client.send(SOUND[:7]))
        peer = await server.accept()

        assert np.array_equal(await peer.frame(), SOUND[:7])


@pytest.mark.parametrize("refusal", [HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.UNPROCESSABLE_ENTITY])
async def test_a_refusal_is_not_asked_again(server: FakeStreams, refusal: HTTPStatus) -> None:
    server.refusals = [(refusal, {})]

    with pytest.raises(Refused) as refused:
        async with StreamClient(server.url, "wrong", wait_for_server=True, sleep=Naps()):
            pass

    assert (refused.value.status, server.attempts) == (refusal, 1)


async def test_too_many_attempts_are_waited_out(server: FakeStreams) -> None:
    server.refusals = [(HTTPStatus.TOO_MANY_REQUESTS, {"Retry-After": "20"}), (HTTPStatus.SERVICE_UNAVAILABLE, {})]
    naps = Naps()

    async with StreamClient(server.url, wait_for_server=True, sleep=naps, rng=lambda: 0.0) as client:
        assert client.is_connected

    assert naps.taken == [20, 2]


async def test_attempts_can_be_bounded(server: FakeStreams) -> None:
    async with StreamClient(server.url, sleep=Naps(), backoff=Backoff(attempts=0)) as client:
        await (await server.accept()).hang_up()

        assert isinstance(await _failure_of(client.play(Samples(SOUND))), ConnectionLost)


async def test_outside_its_block_it_says_so() -> None:
    client = StreamClient("ws://127.0.0.1:1")

    assert isinstance(await _failure_of(client.play(SOUND)), NotConnected)
    assert isinstance(await _failure_of(anext(client.events())), NotConnected)
