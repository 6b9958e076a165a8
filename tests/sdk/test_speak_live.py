"""The clients of the speak API against the whole server."""

import asyncio
import io
import json
import wave
from collections.abc import Iterator
from contextlib import aclosing
from pathlib import Path

import anyio
import pytest

from app.sdk.speak import (
    Backoff,
    ChunkReceived,
    ConnectionLost,
    Denied,
    Ended,
    GenerationFailed,
    InvalidRequest,
    NotFound,
    PartReceived,
    Refused,
    SimpleProsody,
    SpeakClient,
    SpeakStream,
    Status,
    StatusChanged,
    SyncSpeakClient,
    Take,
    TakeRequest,
    Voice,
    VoiceChange,
)
from tests.e2e.daisys_server import EMAIL, PASSWORD, daisys_server, expired_token
from tests.e2e.served import Served
from tests.sdk.node import run_node

MODEL = "espeak"
TEXT = "Good evening! What a night. Nobody sleeps."
LONG_TEXT = " ".join(f"This is sentence {number} of very many." for number in range(200))

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with daisys_server(tmp_path_factory.mktemp("data")) as running:
        yield running


def client(server: Served) -> SpeakClient:
    return SpeakClient(server.url, email=EMAIL, password=PASSWORD)


async def a_voice(speak: SpeakClient) -> Voice:
    return (await speak.voices())[-1]


async def test_models_and_voices(server: Served) -> None:
    async with client(server) as speak:
        assert await speak.version() == (1, 0)
        model = await speak.model(MODEL)
        voice = await speak.generate_voice("Ada", MODEL, "female", default_prosody=SimpleProsody(pitch=2))
        await speak.update_voice(voice.voice_id, VoiceChange(name="Eve"))
        found = await speak.voice(voice.voice_id)
        assert voice.example_take_id is not None
        example = await speak.take(voice.example_take_id)
        await speak.delete_voice(voice.voice_id)
        with pytest.raises(NotFound):
            await speak.voice(voice.voice_id)

    assert "en-GB" in model.languages and "simple" in model.prosody_types
    assert (found.name, found.default_prosody, found.status) == ("Eve", SimpleProsody(pitch=2), Status.READY)
    assert example.status == Status.READY


async def test_takes_and_their_audio(server: Served, tmp_path: Path) -> None:
    async with client(server) as speak:
        voice = await a_voice(speak)
        take = await speak.generate_take(voice.voice_id, TEXT, user_data="mine")
        assert take.info is not None and take.user_data == "mine"
        assert take.info.normalized_text == ("Good evening!", "What a night.", "Nobody sleeps.")
        sizes = [await speak.download(take.take_id, tmp_path / "take.wav")]
        for format, magic in (("flac", b"fLaC"), ("webm", b"\x1a\x45\xdf\xa3"), ("m4a", b""), ("mp3", b"")):
            audio = await speak.audio_bytes(take.take_id, format)  # type: ignore[arg-type]
            assert audio.startswith(magic)
            sizes.append(len(audio))
        await speak.delete_take(take.take_id)
        with pytest.raises(NotFound):
            await speak.audio_bytes(take.take_id)

    assert frames(tmp_path / "take.wav") == take.info.duration
    assert min(sizes) > 1000 and sizes[0] == 44 + 2 * take.info.duration


async def test_a_wav_comes_while_it_is_made(server: Served, tmp_path: Path) -> None:
    async with client(server) as speak:
        voice = await a_voice(speak)
        take = await speak.generate_take(voice.voice_id, LONG_TEXT, wait=False)
        size = await speak.download(take.take_id, tmp_path / "take.wav")
        take = await speak.wait_for_take(take.take_id)

    assert take.info is not None
    assert frames(tmp_path / "take.wav") == take.info.duration and size == 44 + 2 * take.info.duration


async def test_a_batch_keeps_its_order(server: Served) -> None:
    async with client(server) as speak:
        voice = await a_voice(speak)
        takes = await speak.generate_takes([TakeRequest.of(voice.voice_id, f"Line {n}.") for n in range(60)])
        listed = await speak.takes(length=60, newer=takes[0].timestamp_ms)

    assert [take.text for take in takes] == [f"Line {n}." for n in range(60)]
    assert {take.take_id for take in listed} == {take.take_id for take in takes}


async def test_errors_are_typed(server: Served) -> None:
    async with client(server) as speak:
        with pytest.raises(InvalidRequest) as invalid:
            await speak.generate_take((await a_voice(speak)).voice_id, " ")
        with pytest.raises(NotFound):
            await speak.generate_take("v0", TEXT)
        with pytest.raises(NotFound):
            async with speak.stream(model="nobody"):
                pass
    async with SpeakClient(server.url, email=EMAIL, password="wrong") as stranger:
        with pytest.raises(Denied):
            await stranger.models()

    assert "text" in (invalid.value.field or "")


async def test_an_expired_token_is_renewed(server: Served) -> None:
    kept: list[str | None] = []
    async with SpeakClient(
        server.url, email=EMAIL, password=PASSWORD, on_tokens=lambda _, refresh: kept.append(refresh)
    ) as speak:
        await speak.sign_in()
        async with SpeakClient(server.url, token=expired_token(), refresh_token=kept[0]) as later:
            assert all(await asyncio.gather(*[later.models() for _ in range(5)]))


async def test_parts_and_chunks_are_the_same_take(server: Served) -> None:
    async with client(server) as speak, speak.stream(model=MODEL) as stream:
        voice = await a_voice(speak)
        parts = [event async for event in stream.take(voice.voice_id, TEXT)]
        chunks = [event async for event in stream.take(voice.voice_id, TEXT, mode="chunks")]

    whole = b"".join(event.pcm for event in parts if isinstance(event, PartReceived))
    assert b"".join(event.pcm for event in chunks if isinstance(event, ChunkReceived)) == whole
    for events in (parts, chunks):
        statuses = [event.status for event in events if isinstance(event, StatusChanged)]
        assert statuses[:2] == ["waiting", "started"] and statuses[-1] == "ready"
        ended = events[-1]
        assert isinstance(ended, Ended) and isinstance(ended.item, Take) and ended.item.info is not None
        assert 2 * ended.item.info.duration == len(whole)


async def test_requests_at_once_do_not_mix(server: Served) -> None:
    async with client(server) as speak, speak.stream(model=MODEL) as stream:
        voice = await a_voice(speak)
        alone = [await sound(stream, voice, f"Number {n}. And once more.") for n in range(3)]
        together = await asyncio.gather(*[sound(stream, voice, f"Number {n % 3}. And once more.") for n in range(12)])

    assert len(set(alone)) == 3
    assert together == alone * 4


async def test_a_voice_is_heard_while_it_is_made(server: Served) -> None:
    heard: list[int] = []
    async with client(server) as speak, speak.stream(model=MODEL) as stream:
        voice = await stream.generate_voice(
            "Bob", MODEL, "male", on_audio=lambda audio: heard.append(len(audio.pcm)) or None
        )

    assert voice.status == Status.READY and sum(heard) > 10_000


async def test_a_stream_goes_on_after_an_error_and_after_leaving(server: Served) -> None:
    async with client(server) as speak, speak.stream(model=MODEL) as stream:
        voice = await a_voice(speak)
        with pytest.raises(GenerationFailed, match="v0"):
            await stream.generate_take("v0", TEXT)
        async with aclosing(stream.take(voice.voice_id, "Never mind. The rest is not wanted.")) as events:
            async for event in events:
                if isinstance(event, PartReceived):
                    break
        take = await stream.generate_take(voice.voice_id, TEXT)

    assert take.status == Status.READY


async def test_a_secret_that_was_not_given_is_refused(server: Served) -> None:
    async with client(server) as speak:
        url = await speak.websocket_url(model=MODEL)
    async with SpeakStream(url) as stream:
        assert stream.is_connected
    with pytest.raises(Refused):
        async with SpeakStream(url[:-4] + "0000"):
            pass


async def test_a_slow_listener_gets_all_of_it(server: Served) -> None:
    async with client(server) as speak, speak.stream(model=MODEL, buffer_bytes=64 * 1024) as stream:
        voice = await a_voice(speak)
        size = 0

        async def hear(audio: object) -> None:
            nonlocal size
            assert isinstance(audio, PartReceived)
            size += len(audio.pcm)
            await asyncio.sleep(0)

        take = await stream.generate_take(voice.voice_id, LONG_TEXT, on_audio=hear)

    assert take.info is not None and size == 2 * take.info.duration


async def test_it_goes_on_with_the_server_that_comes_back(tmp_path: Path) -> None:
    with daisys_server(tmp_path) as server:
        port = int(server.url.rpartition(":")[2])
        speak = client(server)
        await speak.__aenter__()
        stream = await speak.stream(model=MODEL, backoff=Backoff(first=0.1)).__aenter__()
        voice = await a_voice(speak)
        kept = await stream.generate_take(voice.voice_id, TEXT)
        await anyio.to_thread.run_sync(server.stop)
    with daisys_server(tmp_path, port=port):
        while True:
            try:
                take = await stream.generate_take(voice.voice_id, "Hello again.")
                break
            except ConnectionLost as lost:  # asked before the end of the old server was seen
                assert lost.code == 1012
        assert await speak.take(kept.take_id) == kept
        await stream.__aexit__(None, None, None)
        await speak.__aexit__(None, None, None)

    assert take.status == Status.READY


async def test_the_plain_client(server: Served, tmp_path: Path) -> None:
    def talk() -> tuple[int, int, list[str]]:
        with SyncSpeakClient(server.url, email=EMAIL, password=PASSWORD) as speak:
            voice = speak.voices()[-1]
            take = speak.generate_take(voice.voice_id, TEXT)
            speak.download(take.take_id, tmp_path / "plain.wav")
            with speak.stream(voice_id=voice.voice_id) as stream:
                events = list(stream.take(voice.voice_id, TEXT, timeout=30))
                kinds = [type(event).__name__ for event in events]
                size = sum(len(event.pcm) for event in events if isinstance(event, PartReceived))
        assert take.info is not None
        return take.info.duration, size // 2, kinds

    duration, heard, kinds = await anyio.to_thread.run_sync(talk)

    assert frames(tmp_path / "plain.wav") == duration == heard
    assert kinds.count("PartReceived") == 3 and kinds[-1] == "Ended"


@pytest.mark.node
async def test_the_javascript_client(server: Served) -> None:
    script = Path(__file__).parent / "js" / "speak_live.mjs"
    told = json.loads(await run_node(script, server.url, EMAIL, PASSWORD, TEXT))

    parts, chunks = told["heard"]["parts"], told["heard"]["chunks"]
    assert parts["places"] == [[0, None], [1, None], [2, None]] and chunks["places"] == sorted(chunks["places"])
    assert parts["bytes"] == chunks["bytes"] == 2 * parts["take"]["info"]["duration"]
    assert parts["statuses"][0] == "waiting" and parts["statuses"][-1] == "ready"
    assert "v0" in told["refused"] and told["missing"] == "404"
    assert told["texts"] == ["Number 1.", "Number 2."] and told["listed"] == told["expected"]
    assert (told["magic"]["wav"][0], told["magic"]["flac"][0]) == ("RIFF", "fLaC")
    assert told["signed"] == [200, told["magic"]["mp3"][1]]
    assert told["tokens"] == [None, None] and told["state"] == "closed"


async def sound(stream: SpeakStream, voice: Voice, text: str) -> bytes:
    heard: list[bytes] = []
    await stream.generate_take(voice.voice_id, text, on_audio=lambda audio: heard.append(audio.pcm))
    return b"".join(heard)


def frames(path: Path) -> int:
    with wave.open(io.BytesIO(path.read_bytes())) as file:
        return file.getnframes()
