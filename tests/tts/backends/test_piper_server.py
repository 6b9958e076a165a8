"""The client against a piper HTTP server of our own, which answers as the source of piper-tts 1.8.0 does."""

import json
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import numpy as np
import pytest
from anyio.abc import ByteStream, SocketAttribute

from app.audio import wav
from app.errors import BackendUnavailable, DeadlineExceeded, TextTooLong, VoiceNotFound, WorkerFailed
from app.tts.backends.piper import Piper
from app.tts.backends.piper_server import PiperServer
from app.tts.speech import Utterance, Voice
from tests.eventually import eventually
from tests.tts.tiny_voices import piper_config, write_piper_voice

pytestmark = pytest.mark.anyio

Answer = tuple[int, bytes]


class FakePiper:
    """Speaks 100 ms for each character at length scale 1, at 16 kHz, as wav under the content type of a page."""

    def __init__(self) -> None:
        self.voices: Any = {"en_US-lessac-medium": piper_config(), "en_GB-several-low": piper_config(speakers=2)}
        self.asked: list[dict[str, Any]] = []
        self.before: Callable[[], Awaitable[object]] = anyio.lowlevel.checkpoint
        self.before_voices: Callable[[], Awaitable[object]] = anyio.lowlevel.checkpoint
        self.spoil: Callable[[Answer], Answer] = lambda answer: answer
        self.is_gone = False

    def answer(self, method: str, path: str, body: bytes) -> Answer:
        match method, path:
            case "GET", "/voices":
                return self.spoil((200, json.dumps(self.voices).encode()))
            case "POST", "/synthesize":
                request = json.loads(body)
                self.asked.append(request)
                count = round(1600 * len(request["text"]) * request["length_scale"])
                pcm = np.full(count, 9000, "<i2").tobytes()
                return self.spoil((200, wav.encode(pcm, sample_rate=16000)))
            case _:
                return 404, b"<title>404 Not Found</title>"

    async def serve(self, stream: ByteStream) -> None:
        async with stream:
            data = b""
            if self.is_gone:
                return
            while b"\r\n\r\n" not in data:
                data += await stream.receive()
            head, _, body = data.partition(b"\r\n\r\n")
            method, path = head.split(b" ")[:2]
            lengths = [int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
            while len(body) < sum(lengths):
                body += await stream.receive()
            await (self.before_voices() if path == b"/voices" else self.before())
            status, answer = self.answer(method.decode(), path.decode(), body)
            reply = f"HTTP/1.1 {status} OK\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {len(answer)}"
            await stream.send(f"{reply}\r\nConnection: close\r\n\r\n".encode() + answer)


@asynccontextmanager
async def listening(fake: FakePiper, port: int = 0) -> AsyncIterator[str]:
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1", local_port=port)

    async def forgiving(stream: ByteStream) -> None:
        try:
            await fake.serve(stream)
        except (anyio.BrokenResourceError, anyio.EndOfStream):
            return

    async with listener, anyio.create_task_group() as group:
        group.start_soon(listener.serve, forgiving)
        yield f"http://127.0.0.1:{listener.extra(SocketAttribute.local_port)}"
        group.cancel_scope.cancel()


@asynccontextmanager
async def speaking(fake: FakePiper, **settings: Any) -> AsyncIterator[Piper]:
    async with listening(fake) as url:
        backend = Piper(Path("nowhere"), url=f"{url}/", has_package=lambda: False, **settings)
        async with backend.running():
            yield backend


async def speak(
    backend: Piper, text: str = "Hello.", *, whole: bool = True, voice: str = "", **how: float
) -> list[bytes]:
    utterance = Utterance(text, backend.find_voice(voice or "en_US-lessac-medium"), **how)
    return [sound.pcm async for sound in backend.synthesize(utterance, whole=whole)]


async def test_server_speaks_without_any_package_or_model_here() -> None:
    async with speaking(FakePiper()) as backend:
        assert backend.health().available
        assert [voice.id for voice in backend.voices()][-1] == "en_US-lessac-medium"
        (pcm,) = await speak(backend, "Hello.")
        assert len(pcm) // 2 == 22050 * 6 // 10
        assert int(np.median(np.frombuffer(pcm, "<i2"))) == pytest.approx(9000, abs=20)


async def test_what_is_asked_for_is_told() -> None:
    fake = FakePiper()
    async with speaking(fake) as backend:
        await speak(backend, "你好", voice="en_GB-several-low#p1", speed=2.0)
        await speak(backend, "你好", speed=0.5)
    assert fake.asked == [
        {"text": "你好", "voice": "en_GB-several-low", "speaker_id": 1, "length_scale": 0.5},
        {"text": "你好", "voice": "en_US-lessac-medium", "length_scale": 2.0},
    ]


async def test_hurried_speech_begins_with_the_first_clause() -> None:
    fake = FakePiper()
    text = "Well then, " + "this is the rest of a long sentence, " * 3
    async with speaking(fake) as backend:
        assert len(await speak(backend, text, whole=False)) > 1
    assert fake.asked[0]["text"] == "Well then, "
    assert "".join(request["text"] for request in fake.asked) == text


async def test_voice_that_the_server_would_replace_is_not_asked_for() -> None:
    fake = FakePiper()
    async with speaking(fake) as backend:
        with pytest.raises(VoiceNotFound):
            await speak(backend, voice="zh_CN-huayan-medium")
    assert fake.asked == []


@pytest.mark.parametrize(
    "answer",
    [(500, b"<title>500</title>"), (200, b"<html>"), (200, b""), (404, b"")],
    ids=["500", "page", "nothing", "404"],
)
async def test_bad_answer_fails_one_utterance(answer: Answer) -> None:
    fake = FakePiper()
    async with speaking(fake) as backend:
        fake.spoil = lambda good: answer
        with pytest.raises(WorkerFailed, match="piper server"):
            await speak(backend)
        fake.spoil = lambda good: good
        assert await speak(backend)


async def test_too_much_speech_is_refused() -> None:
    async with speaking(FakePiper(), max_seconds=1) as backend:
        with pytest.raises(TextTooLong, match="more than 1 seconds"):
            await speak(backend, "this takes more than a second")


async def test_nobody_waits_for_a_server_that_hangs_at_the_start() -> None:
    fake, gate = FakePiper(), anyio.Event()
    fake.before_voices = gate.wait
    async with listening(fake) as url:
        source = PiperServer(url, start_timeout=0.05)
        async with source.running():
            assert "has not answered yet" in (source.problem or "")
            gate.set()
            await eventually(lambda: source.problem is None)


async def test_server_that_hangs_is_given_up() -> None:
    fake = FakePiper()
    fake.before = anyio.sleep_forever
    async with speaking(fake, job_timeout=0.2) as backend:
        with pytest.raises(DeadlineExceeded):
            await speak(backend)


async def test_giving_up_does_not_wait_for_the_server() -> None:
    fake = FakePiper()
    fake.before = anyio.sleep_forever
    async with speaking(fake) as backend:
        with anyio.move_on_after(0.1), anyio.fail_after(10):
            await speak(backend)
        fake.before = anyio.lowlevel.checkpoint
        assert await speak(backend)


async def test_server_that_is_away_says_so_and_is_found_again() -> None:
    fake, waited = FakePiper(), anyio.Event()
    tick = anyio.Event()

    async def sleep(seconds: float) -> None:
        waited.set()
        await tick.wait()
        if fake.asked == ["once"]:
            await anyio.sleep_forever()
        fake.asked.append("once")  # type: ignore[arg-type]

    async with listening(fake) as url:
        port = int(url.rpartition(":")[2])
    server = PiperServer(url, sleep=sleep)
    async with server.running():
        assert server.problem and "no piper server can be called" in server.problem
        with anyio.fail_after(10):
            await waited.wait()
            async with listening(fake, port):
                tick.set()
                while server.problem is not None:  # noqa: ASYNC110 nothing tells of the refresh
                    await anyio.sleep(0.005)
                assert set(server.models) == set(fake.voices)
    assert server.problem is not None


async def test_server_that_goes_away_makes_the_backend_unavailable() -> None:
    fake = FakePiper()
    async with speaking(fake) as backend:
        assert backend.health().available
        fake.is_gone = True
        with pytest.raises(BackendUnavailable, match="no piper server can be called"):
            await speak(backend)
        assert not backend.health().available


@pytest.mark.parametrize("voices", [{}, [], {"mine": {}}, "text"])
async def test_server_without_voices_is_told(voices: Any) -> None:
    fake = FakePiper()
    fake.voices = voices
    async with speaking(fake) as backend:
        assert "a piper HTTP server of piper-tts 1.8 or later is needed" in (backend.health().reason or "")
        assert backend.voices() == ()


@pytest.mark.parametrize("answer", [(404, b"<title>404</title>"), (200, b"<html>")])
async def test_server_of_something_else_is_told(answer: Answer) -> None:
    fake = FakePiper()
    fake.spoil = lambda good: answer
    async with speaking(fake) as backend:
        assert "names no voice" in (backend.health().reason or "")


@pytest.mark.parametrize("url", ["http://169.254.169.254", "ftp://127.0.0.1", "nonsense", "http://a:b@127.0.0.1"])
async def test_address_that_may_not_be_called_is_told(url: str) -> None:
    backend = Piper(Path("nowhere"), url=url)
    async with backend.running():
        assert "no piper server can be called" in (backend.health().reason or "")


async def test_private_addresses_can_be_forbidden() -> None:
    async with speaking(FakePiper(), allowed_networks=()) as backend:
        assert "may not be called" in (backend.health().reason or "")


async def test_nothing_speaks_before_it_runs() -> None:
    backend = Piper(Path("nowhere"), url="http://127.0.0.1:1")
    voice = Voice("x", "", "en", "neutral", "piper")  # type: ignore[arg-type]
    with pytest.raises(BackendUnavailable, match="it is not running"):
        await anext(backend.synthesize(Utterance("x", voice), whole=True))


async def test_the_real_server_speaks(tmp_path: Path) -> None:
    """The protocol is read from its source, and this is its source running."""
    for package in ("piper", "flask", "onnx"):
        pytest.importorskip(package, reason=f"{package} is missing")
    english = write_piper_voice(tmp_path / "piper", "en_US-lessac-medium")
    write_piper_voice(tmp_path / "piper", "zh_CN-huayan-x_low", espeak_voice="cmn", sample_rate=16000)
    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener:
        port = listener.extra(SocketAttribute.local_port)
    command = [
        sys.executable,
        "-m",
        "piper.http_server",
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
        "-m",
        str(english),
    ]
    async with await anyio.open_process(
        [*command, "--data-dir", str(english.parent)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            await _speak_with_the_real_one(f"http://127.0.0.1:{port}")
        finally:
            process.kill()


async def _speak_with_the_real_one(url: str) -> None:
    backend = Piper(Path("nowhere"), url=url, refresh=0.1)
    async with backend.running():
        await eventually(lambda: backend.health().available, within=60)
        assert [voice.id for voice in backend.voices()] == ["en_US-lessac-medium", "zh_CN-huayan-x_low"]
        for text, voice in (("Hello there, my friend.", "en_US-lessac-medium"), ("你好大家", "zh_CN-huayan-x_low")):
            normal = b"".join(await speak(backend, text, voice=voice))
            slow = b"".join(await speak(backend, text, voice=voice, speed=0.5))
            assert 0.5 < len(normal) / 2 / 22050 < 5
            assert len(slow) > 1.4 * len(normal)
            assert np.abs(np.frombuffer(normal, "<i2").astype(int)).max() > 5000
