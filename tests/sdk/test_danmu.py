import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import aclosing
from http import HTTPStatus

import pytest
from websockets.exceptions import InvalidURI

from app.sdk.danmu import (
    BackendUnavailable,
    Backoff,
    BrokenReply,
    Cancelled,
    Chunk,
    ClientError,
    ConnectionLost,
    DanmuClient,
    Expired,
    NotConnected,
    Queue,
    RateLimited,
    Refused,
    RequestFailed,
    TextTooLong,
    Timed,
)
from tests.sdk.fake_server import TIMESTAMPS, FakeServer, Naps, fake_server

pytestmark = pytest.mark.anyio


@pytest.fixture
async def server() -> AsyncIterator[FakeServer]:
    async with fake_server() as server:
        yield server


async def test_speech_comes_with_its_metadata(server: FakeServer) -> None:
    async with DanmuClient(server.url) as client, asyncio.TaskGroup() as group:
        asked = group.create_task(client.speak("你好", voice="cmn", format="wav"))
        peer = await server.accept()
        request = await peer.hear()
        await peer.speak(request, b"RIFF...")

    assert request["type"] == "tts" and request["data"] == {"text": "你好", "voice": "cmn", "format": "wav"}
    speech = asked.result()
    assert (speech.audio, speech.cached) == (b"RIFF...", True)
    assert (speech.metadata.duration, speech.metadata.sample_rate) == (1.5, 22050)


async def test_replies_are_matched_by_id(server: FakeServer) -> None:
    async with DanmuClient(server.url) as client, asyncio.TaskGroup() as group:
        first, second = [group.create_task(client.speak(text)) for text in ("first", "second")]
        peer = await server.accept()
        requests = {request["data"]["text"]: request for request in (await peer.hear(), await peer.hear())}
        await peer.speak(requests["second"], b"2")
        await peer.speak(requests["first"], b"1")

    assert (first.result().audio, second.result().audio) == (b"1", b"2")


async def test_chunks_come_as_they_are_sent(server: FakeServer) -> None:
    async def collect() -> list[Chunk]:
        return [chunk async for chunk in client.stream("a long text", chunk_size=50)]

    async with DanmuClient(server.url) as client, asyncio.TaskGroup() as group:
        collecting = group.create_task(collect())
        peer = await server.accept()
        request = await peer.hear()
        await peer.send_chunk(request, 0, 2)
        await peer.send_chunk(request, 1, 2)
        await peer.complete(request, 2)

    assert (request["type"], request["data"]["chunk_size"]) == ("tts_stream", 50)
    assert [(chunk.index, chunk.total, chunk.text, chunk.audio) for chunk in collecting.result()] == [
        (0, 2, "piece 0", b"\0"),
        (1, 2, "piece 1", b"\1"),
    ]


WORDS = (Timed("hi", 0.0, 0.25),)
PHONEMES = (Timed("h", 0.0, 0.1), Timed("ˈaɪ", 0.1, 0.25))


async def test_times_of_words_and_phonemes_come_with_the_speech(server: FakeServer) -> None:
    async with DanmuClient(server.url) as client, asyncio.TaskGroup() as group:
        asked = group.create_task(client.speak("hi", timestamps=True))
        peer = await server.accept()
        request = await peer.hear()
        await peer.speak(request, timestamps=TIMESTAMPS)

    assert request["data"] == {"text": "hi", "timestamps": True}
    assert (asked.result().words, asked.result().phonemes) == (WORDS, PHONEMES)


async def test_times_come_with_each_chunk(server: FakeServer) -> None:
    async def collect() -> list[Chunk]:
        return [chunk async for chunk in client.stream("hi", timestamps=True)]

    async with DanmuClient(server.url) as client, asyncio.TaskGroup() as group:
        collecting = group.create_task(collect())
        peer = await server.accept()
        request = await peer.hear()
        await peer.send_chunk(request, 0, 2, timestamps=TIMESTAMPS)
        await peer.send_chunk(request, 1, 2, timestamps=None)
        await peer.complete(request, 2)

    assert request["data"]["timestamps"] is True
    assert [(chunk.words, chunk.phonemes) for chunk in collecting.result()] == [(WORDS, PHONEMES), (None, None)]


async def test_times_that_were_not_asked_for_are_none(server: FakeServer) -> None:
    async with DanmuClient(server.url) as client, asyncio.TaskGroup() as group:
        asked = group.create_task(client.speak("<speak>hi</speak>", ssml=True, speed=1.5, max_age=10))
        peer = await server.accept()
        request = await peer.hear()
        await peer.speak(request)

    assert request["data"] == {"text": "<speak>hi</speak>", "ssml": True, "speed": 1.5, "max_age": 10}
    assert (asked.result().words, asked.result().phonemes) == (None, None)


async def test_times_that_lack_their_half_are_a_broken_reply(server: FakeServer) -> None:
    async with DanmuClient(server.url) as client, asyncio.TaskGroup() as group:
        asked = group.create_task(_failure_of(client.speak("hi", timestamps=True)))
        peer = await server.accept()
        await peer.speak(await peer.hear(), timestamps={"words": []})

    assert isinstance(asked.result(), BrokenReply)


async def test_closing_a_stream_early_cancels_the_rest(server: FakeServer) -> None:
    async def take_one() -> None:
        async with aclosing(client.stream("a long text")) as chunks:
            async for _ in chunks:
                break

    async with DanmuClient(server.url) as client, asyncio.TaskGroup() as group:
        group.create_task(take_one())
        peer = await server.accept()
        request = await peer.hear()
        await peer.send_chunk(request, 0, 9)
        cancel = await peer.hear()

    assert (cancel["type"], cancel["data"]) == ("cancel", {"request_id": request["id"]})


async def test_cancelling_a_request_cancels_it_on_the_server(server: FakeServer) -> None:
    async with DanmuClient(server.url) as client, asyncio.TaskGroup() as group:
        asked = group.create_task(client.speak("never mind"))
        peer = await server.accept()
        request = await peer.hear()
        asked.cancel()
        cancel = await peer.hear()
        # The server's answers to a request that was given up disturb nobody.
        await peer.answer(cancel, "cancel_response", {"cancelled": True, "request_id": request["id"]})
        await peer.fail(request, "CANCELLED")
        spoken = group.create_task(client.speak("again"))
        await peer.speak(await peer.hear())

    assert (cancel["type"], cancel["data"]) == ("cancel", {"request_id": request["id"]})
    assert asked.cancelled() and spoken.result().audio == b"RIFF"


async def test_a_named_request_can_be_cancelled(server: FakeServer) -> None:
    async with DanmuClient(server.url) as client, asyncio.TaskGroup() as group:
        speaking = group.create_task(_failure_of(client.speak("hello", request_id="mine")))
        peer = await server.accept()
        request = await peer.hear()
        cancelling = group.create_task(client.cancel("mine"))
        cancel = await peer.hear()
        await peer.answer(cancel, "cancel_response", {"cancelled": True, "request_id": "mine"})
        await peer.fail(request, "CANCELLED")

    assert cancelling.result() is True
    assert isinstance(speaking.result(), Cancelled)


async def test_an_id_in_use_is_refused_before_it_is_sent(server: FakeServer) -> None:
    async with DanmuClient(server.url) as client, asyncio.TaskGroup() as group:
        speaking = group.create_task(client.speak("hello", request_id="mine"))
        peer = await server.accept()
        request = await peer.hear()
        with pytest.raises(ValueError, match="'mine' is in use"):
            await client.speak("hello", request_id="mine")
        await peer.speak(request)

    assert speaking.result().audio == b"RIFF"


async def test_half_a_surrogate_pair_is_refused_before_it_is_sent(server: FakeServer) -> None:
    async with DanmuClient(server.url) as client:
        with pytest.raises(ValueError):
            await client.speak("half \ud83d")


async def test_lists_and_states_are_typed(server: FakeServer) -> None:
    voice = {"id": "cmn", "name": "Chinese", "language": "zh-CN", "gender": "male", "backend": "espeak"}
    state = {
        "backend": "xtts",
        "available": True,
        "queue_size": 2,
        "average_processing_time": 1.8,
        "gpu_memory_usage": 0.45,
    }
    line = {
        "total_queued": 5,
        "position": 2,
        "estimated_wait_time": 3.2,
        "queues": {"edge": {"size": 1, "processing": 1}},
    }
    async with DanmuClient(server.url) as client, asyncio.TaskGroup() as group:
        peer = await server.accept()
        voices = group.create_task(client.voices(language="zh-CN"))
        await peer.answer(await peer.hear(), "voices_response", {"voices": [voice]})
        backend = group.create_task(client.backend_status("xtts"))
        await peer.answer(await peer.hear(), "backend_status_response", state)
        queue = group.create_task(client.queue_status())
        await peer.answer(await peer.hear(), "queue_status_response", line)

    assert voices.result()[0].language == "zh-CN"
    assert (backend.result().queue_size, backend.result().average_processing_time) == (2, 1.8)
    assert (queue.result().position, queue.result().queues) == (2, {"edge": Queue(1, 1)})


async def test_heartbeats_are_answered(server: FakeServer) -> None:
    async with DanmuClient(server.url):
        peer = await server.accept()
        await peer.say({"type": "heartbeat", "timestamp": "2025-06-13T10:30:00Z"})

        assert await peer.hear() == {"type": "heartbeat_ack", "timestamp": "2025-06-13T10:30:00Z"}


async def test_errors_are_typed_and_carry_their_details(server: FakeServer) -> None:
    async with DanmuClient(server.url) as client, asyncio.TaskGroup() as group:
        peer = await server.accept()
        tasks = []
        for code, details in (
            ("BACKEND_UNAVAILABLE", {"backend": "edge", "available_backends": ["espeak"]}),
            ("RATE_LIMITED", {"retry_after": 2.5}),
            ("TEXT_TOO_LONG", {"length": 1001, "limit": 1000}),
            ("EXPIRED", {}),
            ("SOMETHING_NEW", {"why": "later"}),
        ):
            tasks.append(group.create_task(_failure_of(client.speak("hello"))))
            await peer.fail(await peer.hear(), code, **details)

    unavailable, limited, too_long, expired, unknown = [task.result() for task in tasks]
    assert isinstance(unavailable, BackendUnavailable) and unavailable.available_backends == ("espeak",)
    assert isinstance(limited, RateLimited) and limited.retry_after == 2.5
    assert isinstance(too_long, TextTooLong) and (too_long.length, too_long.limit) == (1001, 1000)
    assert isinstance(expired, Expired)
    assert isinstance(unknown, RequestFailed)
    assert (unknown.code, unknown.message, unknown.details) == (
        "SOMETHING_NEW",
        "it is SOMETHING_NEW",
        {"why": "later"},
    )


async def test_a_broken_reply_fails_its_request_alone(server: FakeServer) -> None:
    async with DanmuClient(server.url) as client, asyncio.TaskGroup() as group:
        peer = await server.accept()
        broken = [group.create_task(_failure_of(client.speak("hello"))) for _ in range(3)]
        requests = [await peer.hear() for _ in range(3)]
        await peer.say("no JSON")
        await peer.say(b"no text")
        await peer.say({"id": requests[0]["id"]})
        await peer.answer(requests[1], "tts_response", {"audio_data": "~~~"})
        await peer.say({"id": requests[2]["id"], "type": "error", "status": "error", "error": "no object"})
        whole = group.create_task(client.speak("hello"))
        await peer.speak(await peer.hear())

    assert [type(task.result()) for task in broken] == [BrokenReply] * 3
    assert whole.result().audio == b"RIFF"


async def test_what_is_under_way_fails_when_the_connection_breaks(server: FakeServer) -> None:
    naps = Naps()
    async with DanmuClient(server.url, sleep=naps) as client, asyncio.TaskGroup() as group:
        lost = group.create_task(_failure_of(client.speak("hello")))
        peer = await server.accept()
        await peer.hear()
        await peer.hang_up(1012, "restarting")
        error = await lost
        spoken = group.create_task(client.speak("hello again"))
        peer = await server.accept()
        await peer.speak(await peer.hear())

    assert isinstance(error, ConnectionLost) and (error.code, error.reason) == (1012, "restarting")
    assert spoken.result().audio == b"RIFF"
    assert len(naps.taken) == 1 and 0.5 <= naps.taken[0] <= 1.0


async def test_what_is_under_way_is_asked_again_if_wanted(server: FakeServer) -> None:
    async with DanmuClient(server.url, sleep=Naps(), resend=True) as client, asyncio.TaskGroup() as group:
        spoken = group.create_task(client.speak("hello"))
        peer = await server.accept()
        request = await peer.hear()
        await peer.hang_up()
        peer = await server.accept()
        again = await peer.hear()
        await peer.speak(again)

    assert again == request and spoken.result().audio == b"RIFF"


async def test_what_has_been_heard_in_part_is_not_asked_again(server: FakeServer) -> None:
    async def collect() -> None:
        async for _ in client.stream("a long text"):
            pass

    async with DanmuClient(server.url, sleep=Naps(), resend=True) as client, asyncio.TaskGroup() as group:
        streaming = group.create_task(_failure_of(collect()))
        peer = await server.accept()
        await peer.send_chunk(await peer.hear(), 0, 2)
        await peer.hang_up()

    assert isinstance(streaming.result(), ConnectionLost)


@pytest.mark.parametrize("code", [1008, 1009])
async def test_what_the_server_closed_for_is_not_asked_again(server: FakeServer, code: int) -> None:
    async with DanmuClient(server.url, sleep=Naps(), resend=True) as client, asyncio.TaskGroup() as group:
        sent = group.create_task(_failure_of(client.speak("what the server closes for")))
        peer = await server.accept()
        await peer.hear()
        await peer.hang_up(code, "")

    assert isinstance(sent.result(), ConnectionLost)


async def test_delays_grow_while_connections_do_not_last(server: FakeServer) -> None:
    naps = Naps()
    async with DanmuClient(server.url, sleep=naps, rng=lambda: 0.0, clock=lambda: 0.0):
        for _ in range(4):
            await (await server.accept()).hang_up()
        await server.accept()

    assert naps.taken == [1, 2, 4, 8]


async def test_delays_start_anew_after_a_connection_that_lasted(server: FakeServer) -> None:
    naps = Naps()
    seconds = iter(range(0, 10_000, 100))
    async with DanmuClient(server.url, sleep=naps, rng=lambda: 0.0, clock=lambda: float(next(seconds))):
        for _ in range(3):
            await (await server.accept()).hang_up()
        await server.accept()

    assert naps.taken == [1, 1, 1]


async def test_refusals_in_between_are_waited_out(server: FakeServer) -> None:
    naps = Naps()
    async with DanmuClient(server.url, sleep=naps, rng=lambda: 0.0, clock=lambda: 0.0):
        server.refusals = [(HTTPStatus.SERVICE_UNAVAILABLE, {}), (HTTPStatus.TOO_MANY_REQUESTS, {"Retry-After": "7"})]
        await (await server.accept()).hang_up()
        await server.accept()

    assert naps.taken == [1, 2, 7]


async def test_it_gives_up_after_so_many_attempts(server: FakeServer) -> None:
    bounded = Backoff(attempts=2)
    async with DanmuClient(server.url, sleep=Naps(), backoff=bounded) as client:
        server.refusals = [(HTTPStatus.SERVICE_UNAVAILABLE, {})] * 2
        await (await server.accept()).hang_up()
        while not isinstance(failure := await _failure_of(client.speak("hello")), Refused):
            assert isinstance(failure, ConnectionLost)

    assert server.attempts == 3


async def test_without_attempts_a_lost_connection_stays_lost(server: FakeServer) -> None:
    async with DanmuClient(server.url, backoff=Backoff(attempts=0)) as client, asyncio.TaskGroup() as group:
        lost = group.create_task(_failure_of(client.speak("hello")))
        await (await server.accept()).hang_up()

        assert isinstance(await lost, NotConnected)
        assert isinstance(await _failure_of(client.speak("hello")), NotConnected)
        assert not client.is_connected


async def test_a_refused_credential_is_not_tried_again(server: FakeServer) -> None:
    server.refusals = [(HTTPStatus.UNAUTHORIZED, {})]

    with pytest.raises(Refused, match="401 no: Unauthorized") as refused:
        async with DanmuClient(server.url, token="wrong", wait_for_server=True, sleep=Naps()):
            pass

    assert refused.value.is_final and server.attempts == 1


async def test_the_token_goes_into_the_header(server: FakeServer) -> None:
    async with DanmuClient(server.url, token="secret"):
        assert (await server.accept()).authorization == "Bearer secret"


async def test_a_server_that_is_not_there_is_an_error() -> None:
    client = DanmuClient("ws://127.0.0.1:1/ws?token=secret")

    with pytest.raises(NotConnected, match="cannot connect to ws://127.0.0.1:1/ws: "):
        async with client:
            pass

    assert isinstance(await _failure_of(client.speak("hello")), NotConnected)


async def test_a_server_that_is_not_there_can_be_waited_for(server: FakeServer) -> None:
    server.refusals = [(HTTPStatus.SERVICE_UNAVAILABLE, {})] * 3
    naps = Naps()

    async with DanmuClient(server.url, wait_for_server=True, sleep=naps, rng=lambda: 0.0) as client:
        assert client.is_connected

    assert naps.taken == [1, 2, 4]


async def test_an_address_that_is_none_is_refused_at_once() -> None:
    with pytest.raises(InvalidURI):
        DanmuClient("http://localhost:8000/ws")


async def test_leaving_the_block_ends_everything(server: FakeServer) -> None:
    before = asyncio.all_tasks()
    async with asyncio.TaskGroup() as group, DanmuClient(server.url) as client:
        waiting = group.create_task(_failure_of(client.speak("hello")))
        peer = await server.accept()
        await peer.hear()

    assert isinstance(waiting.result(), NotConnected)
    assert isinstance(await _failure_of(client.speak("hello")), NotConnected)
    assert await peer.end() == (1000, "")
    assert not [task for task in asyncio.all_tasks() - before if "app/sdk" in repr(task)]


async def test_an_error_in_the_block_stays_what_it_is(server: FakeServer) -> None:
    with pytest.raises(KeyError):
        async with DanmuClient(server.url):
            raise KeyError("mine")


async def test_a_client_outside_its_block_says_so() -> None:
    with pytest.raises(NotConnected, match="use it in a with block"):
        await DanmuClient("ws://127.0.0.1:1/ws").queue_status()


async def _failure_of(awaitable: Awaitable[object]) -> ClientError:
    with pytest.raises(ClientError) as failure:
        await awaitable
    return failure.value
