import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable
from contextlib import aclosing
from typing import Any

import pytest
from websockets.exceptions import InvalidURI

from app.sdk.speak import (
    Audio,
    Backoff,
    BrokenReply,
    ChunkReceived,
    ClientError,
    ConnectionLost,
    Ended,
    Event,
    GenerationFailed,
    NotConnected,
    NotFound,
    PartReceived,
    Refused,
    SpeakClient,
    SpeakStream,
    Status,
    StatusChanged,
    Take,
    Wording,
)
from tests.sdk.fake_server import Naps
from tests.sdk.fake_speak import FakeSpeak, fake_speak, frame, take, voice, wav

pytestmark = pytest.mark.anyio

KEY = "key"


@pytest.fixture
async def server() -> AsyncIterator[FakeSpeak]:
    async with fake_speak() as server:
        server.tokens = {KEY}
        yield server


@pytest.fixture
async def client(server: FakeSpeak) -> AsyncIterator[SpeakClient]:
    async with SpeakClient(server.url, token=KEY) as client:
        yield client


@pytest.fixture
async def stream(client: SpeakClient) -> AsyncIterator[SpeakStream]:
    async with client.stream(model="tone", sleep=Naps()) as stream:
        yield stream


async def collect(events: AsyncGenerator[Event[Any], None]) -> list[Event[Any]]:
    return [event async for event in events]


async def test_parts_are_heard_while_a_take_is_made(server: FakeSpeak, stream: SpeakStream) -> None:
    async with asyncio.TaskGroup() as group:
        collecting = group.create_task(collect(stream.take("v1", "Hi. Bye.", style=["base"])))
        peer = await server.accept()
        request = await peer.hear()
        await peer.perform(request, b"\1\0", b"\2\0")

    assert request == {
        "command": "/takes/generate",
        "request_id": 1,
        "data": {"voice_id": "v1", "text": "Hi. Bye.", "style": ["base"]},
    }
    assert "authorization" not in peer.headers
    events = collecting.result()
    assert [event.status for event in events if isinstance(event, StatusChanged)] == ["waiting", "started", "ready"]
    assert [event.pcm for event in events if isinstance(event, PartReceived)] == [b"\1\0", b"\2\0"]
    assert isinstance(events[-1], Ended) and events[-1].item.info is not None


async def test_chunks_are_heard_while_a_take_is_made(server: FakeSpeak, stream: SpeakStream) -> None:
    pcm = bytes(range(256)) * 40
    async with asyncio.TaskGroup() as group:
        collecting = group.create_task(collect(stream.take("v1", "Hi.", mode="chunks")))
        peer = await server.accept()
        request = await peer.hear()
        await peer.perform(request, pcm, pcm)

    chunks = [event for event in collecting.result() if isinstance(event, ChunkReceived)]
    assert request["stream"] == {"mode": "chunks"}
    assert [(chunk.part_id, chunk.chunk_id) for chunk in chunks] == [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2)]
    assert b"".join(chunk.audio for chunk in chunks if chunk.part_id == 0) == wav(pcm)
    assert b"".join(chunk.pcm for chunk in chunks) == pcm * 2


async def test_a_voice_comes_with_its_example(server: FakeSpeak, stream: SpeakStream) -> None:
    async with asyncio.TaskGroup() as group:
        collecting = group.create_task(collect(stream.voice("Ada", "tone", "female", example=Wording("Hi."))))
        peer = await server.accept()
        request = await peer.hear()
        await peer.tell(request, voice("started"))
        await peer.send(request, 0, None, wav(b"\1\0"))
        await peer.send(request, 1, None, b"")
        await peer.tell(request, voice("ready"))

    assert request["command"] == "/voices/generate" and request["data"]["example_take"] == {"text": "Hi."}
    *_, ended = collecting.result()
    assert isinstance(ended, Ended) and ended.item.example_take_id == "t1"


async def test_callbacks_are_told_in_order(server: FakeSpeak, stream: SpeakStream) -> None:
    told: list[str] = []

    async def on_audio(audio: Audio) -> None:
        await asyncio.sleep(0)
        told.append(f"part {audio.part_id}")

    async with asyncio.TaskGroup() as group:
        making = group.create_task(
            stream.generate_take("v1", "Hi.", on_status=lambda take: told.append(take.status), on_audio=on_audio)
        )
        peer = await server.accept()
        await peer.perform(await peer.hear(), b"\1\0", b"\2\0")

    assert told == ["waiting", "started", "part 0", "part 1", "ready"]
    assert making.result().status == Status.READY


async def test_what_a_callback_raises_is_raised(server: FakeSpeak, stream: SpeakStream) -> None:
    def on_status(take: Take) -> None:
        raise KeyError("mine")

    async with asyncio.TaskGroup() as group:
        making = group.create_task(_raised(stream.generate_take("v1", "Hi.", on_status=on_status)))
        peer = await server.accept()
        await peer.perform(await peer.hear(), b"\1\0")

    assert isinstance(making.result(), KeyError)


async def test_a_voice_is_made_with_callbacks(server: FakeSpeak, stream: SpeakStream) -> None:
    async with asyncio.TaskGroup() as group:
        making = group.create_task(stream.generate_voice("Ada", "tone", "female"))
        peer = await server.accept()
        request = await peer.hear()
        await peer.tell(request, voice("ready"))
        await peer.send(request, 0, None, b"")

    assert making.result().name == "Ada"


async def test_many_requests_at_once_do_not_mix(server: FakeSpeak, stream: SpeakStream) -> None:
    async with asyncio.TaskGroup() as group:
        takes = [group.create_task(collect(stream.take("v1", f"line {n}"))) for n in range(5)]
        peer = await server.accept()
        requests = [await peer.hear() for _ in takes]
        for part in range(3):
            for n, request in enumerate(requests):
                await peer.send(request, part, None, wav(bytes([n, part])))
        for request in requests:
            await peer.tell(request, take("ready"))
            await peer.send(request, 3, None, b"")

    assert [request["request_id"] for request in requests] == [1, 2, 3, 4, 5]
    for n, collected in enumerate(takes):
        heard = [event.pcm for event in collected.result() if isinstance(event, PartReceived)]
        assert heard == [bytes([n, part]) for part in range(3)]


async def test_ids_may_come_back_as_text(server: FakeSpeak, stream: SpeakStream) -> None:
    async with asyncio.TaskGroup() as group:
        making = group.create_task(stream.generate_take("v1", "Hi."))
        peer = await server.accept()
        request = await peer.hear()
        await peer.say(frame("1", 0, None, b""))
        await peer.tell(request | {"request_id": "1"}, take("ready"))

    assert making.result().status == Status.READY


async def test_notices_of_the_server_disturb_nobody(server: FakeSpeak, stream: SpeakStream) -> None:
    async with asyncio.TaskGroup() as group:
        making = group.create_task(stream.generate_take("v1", "Hi."))
        peer = await server.accept()
        request = await peer.hear()
        await peer.say({"status": "ready", "message": "the model is loaded", "model": "tone"})
        await peer.say({"hello": "future"})
        await peer.tell({"request_id": 99}, take("started"))
        await peer.say(frame(99, 0, None, wav(b"\1\0")))
        await peer.perform(request, b"\1\0")

    assert making.result().status == Status.READY


@pytest.mark.parametrize("more", [{}, {"data": {"status": "error"}}])
async def test_an_error_fails_its_request_and_the_stream_goes_on(
    server: FakeSpeak, stream: SpeakStream, more: dict[str, Any]
) -> None:
    async with asyncio.TaskGroup() as group:
        failing = group.create_task(_failure_of(collect(stream.take("v9", "Hi."))))
        making = group.create_task(stream.generate_take("v1", "Hi."))
        peer = await server.accept()
        wrong, right = await peer.hear(), await peer.hear()
        await peer.say({"status": "error", "message": "no voice 'v9'", "request_id": wrong["request_id"]} | more)
        await peer.send(wrong, 0, None, b"")
        await peer.perform(right, b"\1\0")

    failure = failing.result()
    assert isinstance(failure, GenerationFailed) and failure.message == "no voice 'v9'"
    assert making.result().status == Status.READY


async def test_what_was_made_before_an_error_is_heard(server: FakeSpeak, stream: SpeakStream) -> None:
    heard: list[Event[Take]] = []

    async def listen() -> None:
        async for event in stream.take("v1", "Hi."):
            heard.append(event)

    async with asyncio.TaskGroup() as group:
        listening = group.create_task(_failure_of(listen()))
        peer = await server.accept()
        request = await peer.hear()
        await peer.send(request, 0, None, wav(b"\1\0"))
        await peer.tell(request, take("error"))

    assert isinstance(heard[0], PartReceived)
    failure = listening.result()
    assert isinstance(failure, GenerationFailed) and isinstance(failure.item, Take)


@pytest.mark.parametrize(
    "message", [{"status": "error", "message": "what?"}, "no JSON", "[]", b"no frame", b"JSON\2\0\0\0{}"]
)
async def test_what_names_no_request_and_is_wrong_fails_all(
    server: FakeSpeak, stream: SpeakStream, message: Any
) -> None:
    async with asyncio.TaskGroup() as group:
        failing = [group.create_task(_failure_of(stream.generate_take("v1", "Hi."))) for _ in range(2)]
        peer = await server.accept()
        for _ in failing:
            await peer.hear()
        await peer.say(message)
        failures = await asyncio.gather(*failing)
        making = group.create_task(stream.generate_take("v1", "Again."))
        await peer.perform(await peer.hear(), b"\1\0")

    assert {type(failure) for failure in failures} <= {GenerationFailed, BrokenReply}
    assert making.result().status == Status.READY


async def test_audio_that_is_none_fails_its_request_alone(server: FakeSpeak, stream: SpeakStream) -> None:
    async with asyncio.TaskGroup() as group:
        failing = group.create_task(_failure_of(stream.generate_take("v1", "Hi.")))
        making = group.create_task(stream.generate_take("v1", "Hi."))
        peer = await server.accept()
        wrong, right = await peer.hear(), await peer.hear()
        await peer.send(wrong, 0, None, b"MP3?")
        await peer.perform(right, b"\1\0")

    assert isinstance(failing.result(), BrokenReply)
    assert making.result().status == Status.READY


async def test_after_a_drop_it_connects_with_a_fresh_address(server: FakeSpeak, stream: SpeakStream) -> None:
    async with asyncio.TaskGroup() as group:
        lost = group.create_task(_failure_of(stream.generate_take("v1", "Hi.")))
        peer = await server.accept()
        await peer.hear()
        server.secrets.clear()
        await peer.hang_up(1012, "rebalancing")
        failure = await lost
        making = group.create_task(stream.generate_take("v1", "Again."))
        peer = await server.accept()
        request = await peer.hear()
        await peer.perform(request, b"\1\0")

    assert isinstance(failure, ConnectionLost) and (failure.code, failure.reason) == (1012, "rebalancing")
    assert request["request_id"] == 2  # never one that was used before
    assert making.result().status == Status.READY
    assert server.count("/v1/speak/websocket/tone") == 2


async def test_an_open_stream_outlives_its_address(server: FakeSpeak, stream: SpeakStream) -> None:
    async with asyncio.TaskGroup() as group:
        server.secrets.clear()
        server.expire()
        making = group.create_task(stream.generate_take("v1", "Hi."))
        peer = await server.accept()
        await peer.perform(await peer.hear(), b"\1\0")

    assert making.result().status == Status.READY


async def test_a_server_that_is_busy_with_starting_is_tried_again(server: FakeSpeak, client: SpeakClient) -> None:
    naps = Naps()
    async with client.stream(model="tone", sleep=naps, rng=lambda: 0.0) as stream:
        peer = await server.accept()
        server.failures = [(503, "Starting.", {"Retry-After": "7"}), (500, None, {})]
        await peer.hang_up()
        await server.accept()

    assert naps.taken == [1, 7, 4] and not stream.is_connected


async def test_what_will_not_come_back_is_given_up(server: FakeSpeak, client: SpeakClient) -> None:
    async with client.stream(model="tone", sleep=Naps()) as stream:
        peer = await server.accept()
        server.tokens.clear()
        await peer.hang_up()
        while not isinstance(failure := await _failure_of(stream.generate_take("v1", "Hi.")), NotConnected) or (
            isinstance(failure, ConnectionLost)
        ):
            pass

    assert "Not authenticated" in str(failure)


async def test_without_attempts_a_lost_stream_stays_lost(server: FakeSpeak, client: SpeakClient) -> None:
    async with client.stream(model="tone", backoff=Backoff(attempts=0)) as stream, asyncio.TaskGroup() as group:
        lost = group.create_task(_failure_of(stream.generate_take("v1", "Hi.")))
        await (await server.accept()).hang_up()

        assert isinstance(await lost, NotConnected)
        assert isinstance(await _failure_of(stream.generate_take("v1", "Hi.")), NotConnected)


async def test_a_secret_that_has_expired_is_refused(server: FakeSpeak, client: SpeakClient) -> None:
    url = await client.websocket_url(model="tone")
    server.secrets.clear()

    with pytest.raises(Refused) as refused:
        async with SpeakStream(url):
            pass

    assert refused.value.status == 403


async def test_a_model_that_is_not_there_is_told(server: FakeSpeak, client: SpeakClient) -> None:
    server.failures = [(404, "No such model.", {})] * 2

    with pytest.raises(NotFound, match="No such model"):
        async with client.stream(model="other"):
            pass


@pytest.mark.parametrize("key", ["websocket_url", "worker_websocket_url"])
@pytest.mark.parametrize("has_model_route", [True, False])
async def test_both_spellings_of_the_address_are_understood(
    server: FakeSpeak, client: SpeakClient, key: str, has_model_route: bool
) -> None:
    server.url_key, server.has_model_route = key, has_model_route

    async with client.stream(model="tone") as stream:
        assert stream.is_connected

    assert server.count("/v1/speak/websocket") == (0 if has_model_route else 1)


async def test_a_voice_can_stand_for_its_model(server: FakeSpeak, client: SpeakClient) -> None:
    server.voices = {"v1": [voice("ready")]}

    async with client.stream(voice_id="v1") as stream:
        assert stream.is_connected
    with pytest.raises(ValueError, match="model or a voice"):
        await client.websocket_url()

    assert server.count("/v1/speak/websocket/tone") == 1


async def test_a_reader_that_does_not_read_holds_up_the_server(server: FakeSpeak, client: SpeakClient) -> None:
    megabyte = wav(bytes(1024 * 1024))
    sent = 0

    async def send_on() -> None:
        nonlocal sent
        for sent in range(64):
            await peer.send(request, sent, None, megabyte)

    async with client.stream(model="tone", buffer_bytes=4 * 1024 * 1024) as stream, asyncio.TaskGroup() as group:
        events = stream.take("v1", "A long text.")
        first = group.create_task(anext(events))
        peer = await server.accept()
        request = await peer.hear()
        sending = group.create_task(send_on())
        await first
        while sent != await _later(lambda: sent):  # until it stands still
            pass
        held_at = sent
        for n in range(1, 64):
            event = await anext(events)
            assert isinstance(event, PartReceived) and event.part_id == n
        await sending
        await events.aclose()

    assert held_at < 40  # the rest is in the buffers of the kernel


async def test_a_request_that_is_given_up_holds_up_nobody(server: FakeSpeak, client: SpeakClient) -> None:
    megabyte = wav(bytes(1024 * 1024))
    async with client.stream(model="tone", buffer_bytes=1024 * 1024) as stream, asyncio.TaskGroup() as group:
        async with aclosing(stream.take("v1", "Never mind.")) as events:
            first = group.create_task(anext(events))
            peer = await server.accept()
            request = await peer.hear()
            sending = group.create_task(_send_all(peer.send(request, n, None, megabyte) for n in range(20)))
            await first
        await sending
        making = group.create_task(stream.generate_take("v1", "Hi."))
        await peer.perform(await peer.hear(), b"\1\0")

    assert making.result().status == Status.READY


async def test_cancelling_a_request_leaves_the_stream_usable(server: FakeSpeak, stream: SpeakStream) -> None:
    async with asyncio.TaskGroup() as group:
        cancelled = group.create_task(stream.generate_take("v1", "Never mind."))
        peer = await server.accept()
        first = await peer.hear()
        cancelled.cancel()
        making = group.create_task(stream.generate_take("v1", "Hi."))
        second = await peer.hear()
        await peer.perform(first, b"\1\0")
        await peer.perform(second, b"\2\0")

    assert cancelled.cancelled() and making.result().status == Status.READY


async def test_half_a_surrogate_pair_is_refused_before_it_is_sent(stream: SpeakStream) -> None:
    with pytest.raises(ValueError):
        await stream.generate_take("v1", "half \ud83d")


async def test_leaving_the_block_ends_everything(server: FakeSpeak, client: SpeakClient) -> None:
    before = asyncio.all_tasks()
    async with asyncio.TaskGroup() as group, client.stream(model="tone") as stream:
        waiting = group.create_task(_failure_of(stream.generate_take("v1", "Hi.")))
        peer = await server.accept()
        await peer.hear()

    assert isinstance(waiting.result(), NotConnected)
    assert await peer.heard.get() is None
    assert not [task for task in asyncio.all_tasks() - before if "app/sdk" in repr(task)]


async def test_outside_its_block_it_says_so(client: SpeakClient) -> None:
    with pytest.raises(NotConnected, match="use it in a with block"):
        await client.stream(model="tone").generate_take("v1", "Hi.")
    with pytest.raises(InvalidURI):
        SpeakStream("http://localhost:8000")


async def _send_all(sending: Any) -> None:
    for one in sending:
        await one


async def _later(state: Any) -> int:
    await asyncio.sleep(0.1)
    return int(state())


async def _raised(awaitable: Awaitable[object]) -> BaseException:
    try:
        await awaitable
    except Exception as error:
        return error
    raise AssertionError("nothing was raised")


async def _failure_of(awaitable: Awaitable[object]) -> ClientError:
    with pytest.raises(ClientError) as failure:
        await awaitable
    return failure.value
