"""The plain clients of the speak API, against a server that runs in the test's own event loop."""

import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import TypeVar

import anyio
import anyio.lowlevel
import pytest
from anyio import to_thread

from app.sdk.speak import (
    Denied,
    Ended,
    Event,
    GenerationFailed,
    NotConnected,
    PartReceived,
    Refused,
    Status,
    StatusChanged,
    SyncSpeakClient,
    Take,
    TakeRequest,
    VoiceChange,
)
from tests.sdk.fake_speak import EMAIL, PASSWORD, FakeSpeak, Peer, fake_speak, take, voice, wav

pytestmark = pytest.mark.anyio

T = TypeVar("T")


@pytest.fixture
async def server() -> AsyncIterator[FakeSpeak]:
    async with fake_speak() as server:
        yield server


async def test_takes_and_voices_over_rest(server: FakeSpeak, tmp_path: Path) -> None:
    server.audio = {"t0/wav": wav(b"\1\0"), "t0/mp3": b"ID3"}
    server.takes["t0"] = [take("ready", take_id="t0")]

    def talk() -> None:
        with SyncSpeakClient(server.url, email=EMAIL, password=PASSWORD) as client:
            client.sign_in()
            assert client.version() == (1, 0)
            assert client.models() == [client.model("tone")]
            made = client.generate_voice("Ada", "tone", "female", timeout=10)
            client.update_voice(made.voice_id, VoiceChange(name="Eve"))
            assert client.wait_for_voice(made.voice_id) == client.voice(made.voice_id) == client.voices()[0]
            client.delete_voice(made.voice_id)
            spoken = client.generate_take("v1", "Hi.", timeout=10)
            assert client.wait_for_take(spoken.take_id).status == client.take(spoken.take_id).status == Status.READY
            [again] = client.generate_takes([TakeRequest.of("v1", "Hi.")])
            assert len(client.takes(length=5)) == len(client.wait_for_takes([spoken.take_id, again.take_id])) + 1
            client.delete_take(again.take_id)
            assert b"".join(client.audio("t0")) == client.audio_bytes("t0") == wav(b"\1\0")
            assert client.download("t0", tmp_path / "take.mp3", "mp3") == 3
            assert client.audio_url("t0").startswith(server.url)
            assert client.websocket_url(model="tone").startswith("ws://")
            client.sign_out()

    await to_thread.run_sync(talk)

    assert (tmp_path / "take.mp3").read_bytes() == b"ID3" and not server.refresh_tokens


async def test_errors_reach_the_caller(server: FakeSpeak) -> None:
    def ask() -> None:
        with SyncSpeakClient(server.url, token="wrong") as client, pytest.raises(Denied):
            client.models()

    await to_thread.run_sync(ask)


async def test_leaving_the_audio_early_ends_the_download(server: FakeSpeak) -> None:
    ended = anyio.Event()

    async def endless() -> AsyncIterator[bytes]:
        try:
            yield wav(b"", data_bytes=0xFFFFFFFF)
            while True:
                yield bytes(65536)
                await anyio.lowlevel.checkpoint()
        finally:
            ended.set()

    server.tokens = {"key"}
    server.audio["t1/wav"] = endless()

    def listen() -> bytes:
        with SyncSpeakClient(server.url, token="key") as client:
            audio = client.audio("t1")
            first = next(audio)
            audio.close()
            return first

    assert (await to_thread.run_sync(listen)).startswith(b"RIFF")
    with anyio.fail_after(10):
        await ended.wait()


async def while_streaming(server: FakeSpeak, talk: Callable[[SyncSpeakClient], T], play: Callable[[Peer], object]) -> T:
    """Run plain code in a thread, while the server plays its part."""
    server.tokens = {"key"}
    results: list[T] = []

    def run() -> None:
        with SyncSpeakClient(server.url, token="key") as client:
            results.append(talk(client))

    async with anyio.create_task_group() as group:
        group.start_soon(to_thread.run_sync, run)
        await play(await server.accept())  # type: ignore[misc]
    return results[0]


async def test_parts_are_heard_while_a_take_is_made(server: FakeSpeak) -> None:
    heard = threading.Event()

    def talk(client: SyncSpeakClient) -> list[Event[Take]]:
        events = []
        with client.stream(model="tone") as stream:
            assert stream.is_connected
            for event in stream.take("v1", "Hi. Bye.", timeout=10):
                events.append(event)
                heard.set()
        return events

    async def play(peer: Peer) -> None:
        request = await peer.hear()
        await peer.send(request, 0, None, wav(b"\1\0"))
        await to_thread.run_sync(heard.wait)  # it has the first part before there is a second
        await peer.send(request, 1, None, wav(b"\2\0"))
        await peer.send(request, 2, None, b"")
        await peer.tell(request, take("ready"))

    *parts, changed, ended = await while_streaming(server, talk, play)

    assert [part.pcm for part in parts if isinstance(part, PartReceived)] == [b"\1\0", b"\2\0"]
    assert isinstance(changed, StatusChanged) and isinstance(ended, Ended)


async def test_callbacks_are_called_in_the_thread_that_asks(server: FakeSpeak) -> None:
    told: list[object] = []

    def talk(client: SyncSpeakClient) -> bool:
        def note(what: object) -> None:
            told.append(what)
            threads.add(threading.get_ident())

        threads: set[int] = set()
        with client.stream(model="tone") as stream:
            take = stream.generate_take("v1", "Hi.", timeout=10, on_status=note, on_audio=note)
            voice = stream.generate_voice("Ada", "tone", "female", timeout=10)
        assert (take.status, voice.name) == (Status.READY, "Ada")
        return threads == {threading.get_ident()}

    async def play(peer: Peer) -> None:
        await peer.perform(await peer.hear(), b"\1\0")
        request = await peer.hear()
        await peer.tell(request, voice("ready"))
        await peer.send(request, 0, None, b"")

    assert await while_streaming(server, talk, play)
    assert len(told) == 4


async def test_a_timeout_gives_the_request_up(server: FakeSpeak) -> None:
    gone = threading.Event()

    def talk(client: SyncSpeakClient) -> Status:
        with client.stream(model="tone") as stream:
            with pytest.raises(TimeoutError):
                list(stream.take("v1", "Hi.", timeout=0.05))
            gone.set()
            return stream.generate_take("v1", "Again.", timeout=10).status

    async def play(peer: Peer) -> None:
        first = await peer.hear()
        await to_thread.run_sync(gone.wait)
        await peer.perform(first, b"\1\0")
        await peer.perform(await peer.hear(), b"\2\0")

    assert await while_streaming(server, talk, play) == Status.READY


async def test_a_failed_take_is_raised(server: FakeSpeak) -> None:
    def talk(client: SyncSpeakClient) -> str:
        with client.stream(model="tone") as stream, pytest.raises(GenerationFailed) as failure:
            stream.generate_take("v1", "Hi.", timeout=10)
        return failure.value.message

    async def play(peer: Peer) -> None:
        request = await peer.hear()
        await peer.say({"status": "error", "message": "no", "request_id": request["request_id"]})

    assert await while_streaming(server, talk, play) == "no"


async def test_a_refused_stream_is_raised_on_entering(server: FakeSpeak) -> None:
    server.tokens, server.refuses_streams = {"key"}, True

    def enter() -> None:
        with (
            SyncSpeakClient(server.url, token="key") as client,
            pytest.raises(Refused),
            client.stream(model="tone"),
        ):
            pass

    await to_thread.run_sync(enter)


def test_outside_its_block_it_says_so() -> None:
    client = SyncSpeakClient("http://127.0.0.1:1", token="key")

    with pytest.raises(NotConnected, match="use it in a with block"):
        client.models()
    with pytest.raises(NotConnected, match="use it in a with block"), client.stream(model="tone"):
        pass
    with client, pytest.raises(NotConnected, match="ConnectError"), client.stream(model="tone"):
        pass
