"""The clients of the SDK against the whole server."""

import asyncio
import io
import json
import wave
from collections.abc import Iterator
from contextlib import aclosing
from pathlib import Path

import numpy as np
import pytest

from app.sdk.danmu import BackendUnavailable, Chunk, DanmuClient, InvalidRequest, Refused, Speech, SyncDanmuClient
from tests.e2e.served import Served, served
from tests.sdk.node import run_node

LONG_TEXT = "感谢用户123送出的火箭，老板大气！今晚八点准时开播，最高立减50%，先到先得。Thank you for the gift! " * 4

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("data"), DANMU_MAX_MESSAGES_PER_MINUTE="0") as running:
        yield running


async def test_it_speaks_chinese_and_english(server: Served) -> None:
    async with DanmuClient(server.ws_url) as client:
        for text in ("你好，欢迎来到直播间！", "Thank you for the gift!"):
            speech = await client.speak(text)
            assert loudness(speech) > 0.02
            assert speech.metadata.duration == pytest.approx(duration(speech), abs=0.001)
            assert speech.metadata.size_bytes == len(speech.audio)


async def test_many_requests_go_at_once_and_each_gets_its_own_answer(server: Served) -> None:
    async with DanmuClient(server.ws_url) as client:
        texts = [f"line number {n}" for n in range(20)]
        alone = [await client.speak(text) for text in texts[:3]]
        together = await asyncio.gather(*[client.speak(text) for text in texts])

    assert [speech.audio for speech in together[:3]] == [speech.audio for speech in alone]


async def test_it_tells_when_its_words_are_heard(server: Served) -> None:
    async with DanmuClient(server.ws_url) as client:
        speech = await client.speak("Thank you!", timestamps=True)
        chunks = [chunk async for chunk in client.stream("你好。谢谢大家！", chunk_size=10, timestamps=True)]

    assert [word.text for word in speech.words or ()] == ["Thank", "you"]
    assert "".join(phoneme.text for phoneme in speech.phonemes or ()) == "θˈæŋkjuː"
    assert "".join(word.text for chunk in chunks for word in chunk.words or ()) == "你好谢谢大家"
    everything: list[Speech | Chunk] = [speech, *chunks]
    for spoken in everything:
        times = [time for word in spoken.words or () for time in (word.start, word.end)]
        assert times == sorted(times)
        assert 0 <= times[0] < times[-1] <= spoken.metadata.duration


@pytest.mark.parametrize(("format", "magic"), [("mp3", b""), ("ogg", b"OggS"), ("flac", b"fLaC"), ("wav", b"RIFF")])
async def test_every_choice_is_kept(server: Served, format: str, magic: bytes) -> None:
    async with DanmuClient(server.ws_url) as client:
        [voice] = [voice for voice in await client.voices(language="de") if voice.id == "de"]
        speech = await client.speak("Guten Tag!", voice=voice.id, quality="high", format=format, sample_rate=16_000)

    assert speech.audio.startswith(magic)
    assert (speech.metadata.voice, speech.metadata.format, speech.metadata.sample_rate) == ("de", format, 16_000)


async def test_the_chunks_of_a_stream_join_to_its_text(server: Served) -> None:
    async with DanmuClient(server.ws_url) as client:
        chunks = [chunk async for chunk in client.stream(LONG_TEXT, chunk_size=40)]

    assert "".join(chunk.text for chunk in chunks) == LONG_TEXT
    assert [chunk.index for chunk in chunks] == list(range(len(chunks))) and chunks[-1].total == len(chunks)
    assert all(chunk.audio.startswith(b"RIFF") for chunk in chunks)


async def test_leaving_a_stream_frees_the_voice(server: Served) -> None:
    async with DanmuClient(server.ws_url) as client:
        async with aclosing(client.stream(LONG_TEXT * 10)) as chunks:
            async for _ in chunks:
                break
        async with asyncio.timeout(10):
            while sum(queue.processing for queue in (await client.queue_status()).queues.values()):
                pass


async def test_errors_are_typed(server: Served) -> None:
    async with DanmuClient(server.ws_url) as client:
        with pytest.raises(BackendUnavailable) as unavailable:
            await client.speak("hello", backend="edge")
        with pytest.raises(InvalidRequest) as invalid:
            await client.speak("hello", sample_rate=1)
        assert (await client.backend_status()).available

    assert unavailable.value.available_backends == ("espeak",)
    assert "sample_rate" in (invalid.value.field or "")


async def test_a_wrong_token_is_refused(server: Served) -> None:
    with pytest.raises(Refused) as refused:
        async with DanmuClient(server.ws_url, token="wrong"):
            pass

    assert refused.value.status == 401


async def test_the_plain_client_speaks(server: Served) -> None:
    def talk() -> tuple[Speech, str]:
        with SyncDanmuClient(server.ws_url) as client:
            chunks = client.stream(LONG_TEXT, timeout=30)
            return client.speak("你好", timeout=30), "".join(chunk.text for chunk in chunks)

    speech, text = await asyncio.to_thread(talk)

    assert loudness(speech) > 0.02 and text == LONG_TEXT


@pytest.mark.node
async def test_the_javascript_client_speaks(server: Served) -> None:
    told = json.loads(await run_node(Path(__file__).parent / "js" / "live.mjs", server.ws_url, LONG_TEXT))

    assert told["magic"] == "RIFF" and told["duration"] > 0.5
    assert told["text"] == LONG_TEXT
    assert (told["code"], told["available"]) == ("BACKEND_UNAVAILABLE", ["espeak"])
    assert told["chinese"] and told["state"] == "closed"


def loudness(speech: Speech) -> float:
    """Root mean square of a WAV, of full scale."""
    with wave.open(io.BytesIO(speech.audio)) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), np.int16) / 32768
    return float(np.sqrt(np.mean(samples**2)))


def duration(speech: Speech) -> float:
    with wave.open(io.BytesIO(speech.audio)) as file:
        return file.getnframes() / file.getframerate()
