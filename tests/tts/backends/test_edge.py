"""The real edge-tts client against an emulated service on a real TLS socket, with every fault that it is known for.

Real sockets have real time: where a test must wait, its deadlines are short and what it asserts is several times them.
"""

import random
import re
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp
import anyio
import numpy as np
import pytest
import trustme
from edge_tts.drm import DRM

from app.errors import (
    BackendUnavailable,
    ChorusError,
    DeadlineExceeded,
    InvalidInput,
    NothingToSpeak,
    TextTooLong,
    VoiceNotFound,
    WorkerFailed,
)
from app.runtime.breaker import Breaker
from app.tts.backend import Backend
from app.tts.backends import edge_client
from app.tts.backends.edge import Edge
from app.tts.backends.edge_session import Patience
from app.tts.speech import Gender, MarkKind, Sound, Utterance, Voice
from tests.fakes import tasks
from tests.tts.backends.edge_emulator import Emulator, Ill, NoName, heard_seconds, speech_seconds, words

pytestmark = pytest.mark.anyio

CHINESE = "今天直播间来了好多新朋友"
MIXED = "GG 主播 nice 太厉害了"
XIAOXIAO = "zh-CN-XiaoxiaoNeural"
PATIENCE = Patience(first=1.5, frame=0.5, deadline=5.0, backoff=0.02)
NATURAL = 1.0
"""Pace, so that durations are those of the emulator."""

Make = Callable[..., Edge]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> tuple[trustme.CA, Path]:
    ca, path = trustme.CA(), tmp_path_factory.mktemp("ca") / "ca.pem"
    ca.cert_pem.write_to_path(str(path))
    return ca, path


@pytest.fixture(autouse=True)
def true_clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "WSS_PROXY", "wss_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(DRM, "clock_skew_seconds", 0.0)
    yield


@pytest.fixture
async def service(authority: tuple[trustme.CA, Path]) -> AsyncIterator[Emulator]:
    async with Emulator(authority[0]) as emulator:
        yield emulator


@pytest.fixture
def make(service: Emulator, authority: tuple[trustme.CA, Path]) -> Make:
    def edge(**changes: Any) -> Edge:
        arguments: dict[str, Any] = {
            "ca_file": authority[1],
            "connector": service.connector,
            "pace": NATURAL,
            "patience": PATIENCE,
            "breaker": Breaker(cool_down=30, max_cool_down=60),
            "rng": random.Random(3),
        }
        return Edge(**(arguments | changes))

    return edge


@pytest.fixture
async def edge(make: Make) -> AsyncIterator[Edge]:
    backend = make()
    async with backend.running():
        yield backend


async def speak(
    backend: Edge, text: str = CHINESE, voice: str = XIAOXIAO, *, whole: bool = True, **how: float
) -> list[Sound]:
    spoken = Utterance(text, backend.find_voice(voice), **how)
    return [sound async for sound in backend.synthesize(spoken, whole=whole)]


def seconds(sounds: list[Sound]) -> float:
    return sum(len(sound.pcm) for sound in sounds) / 2 / 24_000


def is_whole(sounds: list[Sound], text: str = CHINESE, pace: float = 1.0) -> bool:
    return abs(seconds(sounds) - heard_seconds(text, pace)) < 0.04


def spoken_words(sounds: list[Sound]) -> list[str]:
    return [mark.text for sound in sounds for mark in sound.marks]


async def wait_until(condition: Callable[[], bool]) -> None:
    with anyio.fail_after(10):
        while not condition():  # noqa: ASYNC110, what happens on sockets sets no event
            await anyio.sleep(0.005)


# --- speech ---


async def test_speech_comes_at_once_and_whole_with_its_words(edge: Edge, service: Emulator) -> None:
    (sound,) = await speak(edge, MIXED)
    assert is_whole([sound], MIXED)
    assert spoken_words([sound]) == ["GG", "主", "播", "nice", "太", "厉", "害", "了"]
    assert [mark.start for mark in sound.marks] == pytest.approx([0.05 + 0.24 * place for place in range(8)], abs=0.01)
    assert all(mark.kind is MarkKind.WORD and mark.end - mark.start == pytest.approx(0.24) for mark in sound.marks)
    assert service.heard[0].boundary == "word"


async def test_its_sound_is_what_the_service_sent(edge: Edge) -> None:
    (sound,) = await speak(edge, "你")
    samples = np.frombuffer(sound.pcm, "<i2").astype(float)
    heard_hz = np.argmax(np.abs(np.fft.rfft(samples))) * 24_000 / len(samples)
    assert heard_hz == pytest.approx(220 * 2 ** (ord("你") % 24 / 12), rel=0.02)
    assert 0.2 * 32767 < np.abs(samples).max() < 0.3 * 32767


async def test_it_streams_what_has_arrived(edge: Edge, service: Emulator) -> None:
    service.ills.append(Ill.TRICKLE)
    spoken = Utterance(CHINESE, edge.find_voice(XIAOXIAO))
    started = time.monotonic()
    async with aclosing(edge.synthesize(spoken, whole=False)) as sounds:
        times = [time.monotonic() - started async for _ in sounds]
    assert len(times) > 10
    assert times[0] < times[-1] / 3


async def test_a_streamed_word_comes_with_its_sound_and_not_before(edge: Edge) -> None:
    sounds = await speak(edge, whole=False)
    until = 0.0
    for sound in sounds:
        until += seconds([sound])
        assert all(mark.start < until for mark in sound.marks)
    assert spoken_words(sounds) == list(CHINESE)
    assert b"".join(sound.pcm for sound in sounds) == (await speak(edge))[0].pcm


@pytest.mark.parametrize(
    ("speed", "rate"), [(1.0, "+20%"), (0.5, "-40%"), (1.25, "+50%"), (4.0, "+100%"), (0.25, "-50%")]
)
async def test_speed_is_a_rate_within_what_the_service_does(
    make: Make, service: Emulator, speed: float, rate: str
) -> None:
    async with (edge := make(pace=1.2)).running():
        sounds = await speak(edge, speed=speed)
    assert service.heard[0].rate == rate
    assert is_whole(sounds, pace=1 + int(rate[:-1]) / 100)


@pytest.mark.parametrize(
    ("voice", "semitones", "pitch"),
    [
        (XIAOXIAO, 0, "+0Hz"),
        (XIAOXIAO, 2, "+24Hz"),
        ("zh-CN-YunxiNeural", 2, "+14Hz"),
        (XIAOXIAO, -12, "-100Hz"),
        (XIAOXIAO, 24, "+100Hz"),
    ],
)
async def test_pitch_is_hertz_of_an_average_voice(
    edge: Edge, service: Emulator, voice: str, semitones: float, pitch: str
) -> None:
    await speak(edge, voice=voice, pitch=semitones)
    assert (service.heard[0].voice, service.heard[0].pitch) == (voice, pitch)


async def test_volume_is_a_setting(make: Make, service: Emulator) -> None:
    async with (edge := make(volume=-20)).running():
        await speak(edge)
    assert service.heard[0].volume == "-20%"


async def test_a_voice_of_a_dialect_is_named_as_the_service_names_it(edge: Edge, service: Emulator) -> None:
    await speak(edge, voice="zh-CN-liaoning-XiaobeiNeural")
    assert service.heard[0].voice == "zh-CN-liaoning-XiaobeiNeural"


@pytest.mark.parametrize("text", ["a < b & c > d 'e' \"f\"", "<break time='9s'/>", "&amp;"])
async def test_markup_is_text(edge: Edge, service: Emulator, text: str) -> None:
    assert is_whole(await speak(edge, text), text)
    assert service.heard[0].text == text


@pytest.mark.parametrize("character", ["\x00", "\x0b", "\x1b", "\ud800", "\ufffe", "\uffff"])
async def test_what_xml_cannot_hold_is_left_out(edge: Edge, service: Emulator, character: str) -> None:
    await speak(edge, f"你{character}好")
    assert service.heard[0].text == "你 好"


async def test_a_long_text_is_spoken_in_turns(make: Make, service: Emulator) -> None:
    text = "".join(f"第{place}句话&说完了。" for place in range(200))
    async with (edge := make(patience=Patience(first=30))).running():
        sounds = await speak(edge, text, speed=2)
    assert service.calls == len(service.heard) == 3
    assert "".join(heard.text for heard in service.heard) == text
    assert all(len(heard.text) <= 800 for heard in service.heard)
    starts = [mark.start for mark in sounds[0].marks]
    assert starts == sorted(starts)
    assert spoken_words(sounds) == words(text)
    assert 0 < seconds(sounds) - starts[-1] < 0.8


async def test_more_speech_than_may_be_is_refused(make: Make) -> None:
    async with (edge := make(max_seconds=2)).running():
        assert await speak(edge, "你好")
        with pytest.raises(TextTooLong) as caught:
            await speak(edge)
    assert (caught.value.limit, caught.value.unit) == (2, "seconds")


async def test_nothing_to_speak_is_said_without_asking_the_service(edge: Edge, service: Emulator) -> None:
    with pytest.raises(NothingToSpeak):
        await speak(edge, "。。。 \n")
    assert service.calls == 0


async def test_four_speak_at_once(edge: Edge, service: Emulator) -> None:
    spoken: list[bool] = []

    async def one(text: str) -> None:
        spoken.append(is_whole(await speak(edge, text), text))

    async with anyio.create_task_group() as group:
        for text in (CHINESE, MIXED, "hello world", "みなさん"):
            group.start_soon(one, text)
    assert spoken == [True] * edge.concurrency


async def test_it_is_a_backend(edge: Edge) -> None:
    backend: Backend = edge
    assert (backend.name, backend.sample_rate, backend.concurrency) == ("edge", 24_000, 4)
    assert backend.traits.is_costly
    assert backend.health().available


# --- faults that are recovered from ---

RECOVERED = [
    Ill.RESET_HALFWAY,
    Ill.CLOSE_1011_HALFWAY,
    Ill.STALL_HALFWAY,
    Ill.STALL_AT_ONCE,
    Ill.SHORT,
    Ill.SHORT_WITHOUT_METADATA,
    Ill.NO_AUDIO,
    Ill.DROP_AT_ONCE,
    Ill.FORBIDDEN,
    Ill.FORBIDDEN_UNDATED,
    Ill.HTTP_429,
    Ill.HTTP_503,
    Ill.UNKNOWN_PATH,
    Ill.HEADER_BEYOND_END,
    Ill.METADATA_NO_JSON,
    Ill.AUDIO_NO_MP3,
]
HARMLESS = [Ill.NO_METADATA, Ill.NO_CLOSE, Ill.TRICKLE]
HALFWAY = [Ill.RESET_HALFWAY, Ill.CLOSE_1011_HALFWAY, Ill.STALL_HALFWAY, Ill.SHORT, Ill.SHORT_WITHOUT_METADATA]


@pytest.mark.parametrize("ill", RECOVERED)
async def test_whole_speech_survives_one(
    edge: Edge, service: Emulator, ill: Ill, record_property: Callable[[str, object], None]
) -> None:
    await speak(edge)
    service.ills.append(ill)
    started = time.monotonic()
    sounds = await speak(edge)
    record_property("recovery_seconds", time.monotonic() - started)
    assert is_whole(sounds)
    assert spoken_words(sounds) == list(CHINESE)
    assert service.calls == 3
    assert edge.health().available


async def test_a_quarter_of_an_english_line_is_not_taken_for_all_of_it(edge: Edge, service: Emulator) -> None:
    line = "Hello there my friend, how are you today?"
    service.ills.append(Ill.SHORT_WITHOUT_METADATA)
    assert is_whole(await speak(edge, line), line)
    assert service.calls == 2


@pytest.mark.parametrize("ill", HARMLESS)
async def test_what_does_no_harm_costs_no_second_try(make: Make, service: Emulator, ill: Ill) -> None:
    service.ills.append(ill)
    async with (edge := make(patience=Patience(frame=300))).running():
        with anyio.fail_after(60):
            assert is_whole(await speak(edge))
    assert service.calls == 1


@pytest.mark.parametrize("ill", HALFWAY)
async def test_a_stream_that_was_heard_is_not_begun_again(edge: Edge, service: Emulator, ill: Ill) -> None:
    service.ills.append(ill)
    heard: list[Sound] = []
    with pytest.raises(WorkerFailed):
        async for sound in edge.synthesize(Utterance(CHINESE, edge.find_voice(XIAOXIAO)), whole=False):
            heard.append(sound)
    assert 0 < seconds(heard) < speech_seconds(CHINESE)
    assert service.calls == 1


@pytest.mark.parametrize("ill", [ill for ill in RECOVERED if ill not in HALFWAY])
async def test_a_stream_that_was_not_heard_is_begun_again(edge: Edge, service: Emulator, ill: Ill) -> None:
    service.ills.append(ill)
    assert is_whole(await speak(edge, whole=False))
    assert service.calls == 2


async def test_two_faults_in_a_row_are_survived_and_three_are_not(edge: Edge, service: Emulator) -> None:
    service.ills.extend([Ill.RESET_HALFWAY, Ill.CLOSE_1011_HALFWAY])
    assert is_whole(await speak(edge))
    service.ills.extend([Ill.RESET_HALFWAY, Ill.CLOSE_1011_HALFWAY, Ill.SHORT])
    with pytest.raises(WorkerFailed, match=r"broke off after [\d.]+ s of at least"):
        await speak(edge)
    assert service.calls == 6


@pytest.mark.parametrize("hours", [-2, -1, 1, 2])
async def test_a_wrong_clock_is_corrected(edge: Edge, service: Emulator, hours: int) -> None:
    service.clock_offset = hours * 3600.0
    assert is_whole(await speak(edge))
    assert service.calls == 2
    assert pytest.approx(hours * 3600, abs=5) == DRM.clock_skew_seconds
    assert is_whole(await speak(edge))
    assert service.calls == 3


async def test_a_wrong_clock_is_corrected_at_the_start(make: Make, service: Emulator) -> None:
    service.clock_offset = 7200.0
    async with (edge := make()).running():
        assert edge.health().available
        await speak(edge)
    assert (service.list_calls, service.calls) == (2, 1)


# --- faults that are not ---


async def test_a_service_that_says_nothing_is_given_up(make: Make, service: Emulator) -> None:
    async with (edge := make(patience=Patience(first=0.2, frame=0.2, backoff=0.02))).running():
        service.always = Ill.STALL_AT_ONCE
        started = time.monotonic()
        with pytest.raises(DeadlineExceeded, match=r"nothing for 0\.2 s"):
            await speak(edge)
    assert time.monotonic() - started >= 0.6
    assert service.calls == 3


@pytest.mark.parametrize("whole", [True, False])
async def test_one_deadline_holds_for_all_tries(make: Make, service: Emulator, whole: bool) -> None:
    async with (edge := make(patience=Patience(first=5, frame=5, deadline=1.5, character=0))).running():
        service.always = Ill.TRICKLE
        service.trickle_seconds = 0.2
        started = time.monotonic()
        with pytest.raises(DeadlineExceeded if whole else WorkerFailed, match="took too long"):
            await speak(edge, whole=whole)
    assert time.monotonic() - started >= 1.5
    assert service.calls == 1


@pytest.mark.parametrize("ill", [Ill.FORBIDDEN, Ill.FORBIDDEN_UNDATED, Ill.HTTP_429, Ill.HTTP_503])
async def test_a_service_that_refuses_is_left_alone(edge: Edge, service: Emulator, ill: Ill) -> None:
    service.always = ill
    with pytest.raises(BackendUnavailable, match=r"HTTP \d{3}"):
        await speak(edge)
    health = edge.health()
    assert not health.available
    assert re.search(r"HTTP \d{3}.*; it is tried again in (29|30) s", health.reason or "")
    with pytest.raises(BackendUnavailable):
        await speak(edge)
    assert service.calls == 3
    assert edge.voices() == ()


async def test_speech_that_breaks_off_again_and_again_opens_the_breaker(edge: Edge, service: Emulator) -> None:
    service.always = Ill.RESET_HALFWAY
    for _ in range(3):
        assert edge.health().available
        with pytest.raises(WorkerFailed):
            await speak(edge)
    assert service.calls == 9
    assert not edge.health().available


async def test_a_service_that_works_again_is_used_again(make: Make, service: Emulator) -> None:
    async with (edge := make(breaker=Breaker(cool_down=0.2))).running():
        service.always = Ill.HTTP_503
        with pytest.raises(BackendUnavailable):
            await speak(edge)
        service.always = None
        lists = service.list_calls
        await wait_until(lambda: edge.health().available)
        assert is_whole(await speak(edge))
        assert service.list_calls <= lists + 1
        assert edge.health().available


async def test_a_service_that_only_lists_is_tried_ever_more_rarely(make: Make, service: Emulator) -> None:
    breaker = Breaker(cool_down=0.2, max_cool_down=60)
    async with (edge := make(breaker=breaker)).running():
        service.always = Ill.HTTP_503
        for _ in range(3):
            await wait_until(lambda: edge.health().available)
            with pytest.raises(BackendUnavailable):
                await speak(edge)
        assert breaker.wait_time > 0.4
        assert service.calls == 3 + 1 + 1


async def test_the_trial_of_a_service_that_comes_back_is_one(make: Make, service: Emulator) -> None:
    async with (edge := make(breaker=Breaker(cool_down=0.1))).running():
        service.always = Ill.HTTP_503
        with pytest.raises(BackendUnavailable):
            await speak(edge)
        await wait_until(lambda: edge.health().available)
        service.always = Ill.STALL_AT_ONCE
        async with anyio.create_task_group() as group:
            group.start_soon(suppressed, speak(edge))
            await wait_until(lambda: service.calls == 4)
            assert edge.health().reason == "the service answered HTTP 503; it is being tried again"
            with pytest.raises(BackendUnavailable):
                await speak(edge)
            group.cancel_scope.cancel()
        assert edge.health().available  # who was cancelled tells nothing
        assert service.calls == 4


async def suppressed(work: Any) -> None:
    with suppress(ChorusError):
        await work


# --- no service at all ---


async def test_without_a_network_it_stays_in_the_list(make: Make) -> None:
    edge = make(connector=lambda: aiohttp.TCPConnector(resolver=NoName(0)))
    assert edge.health().reason == "it has not been started"
    async with edge.running():
        health = edge.health()
        assert not health.available
        assert "cannot be reached" in (health.reason or "") and "tried again in" in (health.reason or "")
        assert edge.choose_voice("zh-CN").id == XIAOXIAO
        with pytest.raises(BackendUnavailable):
            await speak(edge)
    assert edge.health().reason == "it has been stopped"


@pytest.mark.parametrize("whole", [True, False])
async def test_a_network_that_goes_away_is_not_waited_for(
    edge: Edge, service: Emulator, whole: bool, unused_port: int
) -> None:
    service.port = unused_port
    with anyio.fail_after(60):
        with pytest.raises(BackendUnavailable, match="cannot be reached"):
            await speak(edge, whole=whole)


@pytest.fixture
def unused_port() -> int:
    return 1  # nobody may listen there without being root


async def test_a_server_that_is_not_trusted_is_not_spoken_to(make: Make) -> None:
    async with Emulator(trustme.CA()) as stranger:
        async with (edge := make(connector=stranger.connector)).running():
            assert "CERTIFICATE_VERIFY_FAILED" in (edge.health().reason or "")
        assert stranger.list_calls == 0


async def test_a_silent_service_does_not_hold_up_the_start(make: Make, service: Emulator) -> None:
    service.is_list_silent = True
    edge = make(start_timeout=0.2, probe_timeout=2, breaker=Breaker(cool_down=0.2))
    async with edge.running():
        assert edge.health().reason == "the service has not answered yet"
        await wait_until(lambda: "did not answer within 2 s" in (edge.health().reason or ""))
        service.is_list_silent = False
        await wait_until(lambda: edge.health().available)
        assert is_whole(await speak(edge))


async def test_a_slow_service_is_used_as_soon_as_it_answers(make: Make, service: Emulator) -> None:
    async with (edge := make(start_timeout=0)).running():
        assert not edge.health().available
        await wait_until(lambda: edge.health().available)
        assert service.list_calls == 1


async def test_the_server_can_stop_before_the_service_answers(make: Make, service: Emulator) -> None:
    service.is_list_silent = True
    before = tasks()
    async with make(start_timeout=0).running():
        await wait_until(lambda: service.list_calls == 1)
    await wait_until(lambda: all("web_protocol.py" in repr(task) for task in tasks() - before))


@pytest.mark.parametrize("status", [404, 410, 400])
async def test_a_missing_list_is_no_outage(make: Make, service: Emulator, status: int) -> None:
    service.list_status = status
    async with (edge := make()).running():
        assert edge.health().available
        assert is_whole(await speak(edge))


@pytest.mark.parametrize("status", [403, 429, 500, 503])
async def test_a_list_that_is_refused_is_an_outage(make: Make, service: Emulator, status: int) -> None:
    service.list_status = status
    async with (edge := make()).running():
        assert f"HTTP {status}" in (edge.health().reason or "")


@pytest.mark.parametrize("body", ["<html>Please sign in</html>", '{"voices": 3}', "[1, 2"])
async def test_a_page_in_place_of_the_list_is_an_outage(make: Make, service: Emulator, body: str) -> None:
    service.list_body = body
    async with (edge := make()).running():
        assert "cannot be understood" in (edge.health().reason or "")


async def test_a_missing_package_is_explained(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "app.tts.backends.edge_client", None)
    async with (edge := make()).running():
        assert "pip install 'edge-tts" in (edge.health().reason or "")


async def test_missing_authorities_are_explained(make: Make, tmp_path: Path) -> None:
    async with (edge := make(ca_file=tmp_path / "none.pem")).running():
        assert "none.pem cannot be used" in (edge.health().reason or "")


def test_a_proxy_that_cannot_be_used_is_refused() -> None:
    with pytest.raises(InvalidInput, match="'socks5': must be http") as caught:
        Edge(proxy="socks5://name:secret@proxy")
    assert "secret" not in str(caught.value)


async def test_a_proxy_is_used(make: Make, service: Emulator) -> None:
    async with tunnel(service.port) as (port, asked):
        edge = make(proxy=f"http://127.0.0.1:{port}", connector=aiohttp.TCPConnector)
        async with edge.running():
            assert is_whole(await speak(edge))
    assert asked == [b"CONNECT speech.platform.bing.com:443 HTTP/1.1"] * 2


@asynccontextmanager
async def tunnel(target: int) -> AsyncIterator[tuple[int, list[bytes]]]:
    """An HTTP proxy for which every host is a port of 127.0.0.1."""
    asked: list[bytes] = []

    async def copy(source: anyio.abc.SocketStream, sink: anyio.abc.SocketStream) -> None:
        with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError, anyio.EndOfStream):
            async for data in source:
                await sink.send(data)
            await sink.send_eof()

    async def serve(client: anyio.abc.SocketStream) -> None:
        async with client, await anyio.connect_tcp("127.0.0.1", target) as server:
            asked.append((await client.receive()).split(b"\r\n")[0])
            await client.send(b"HTTP/1.1 200 OK\r\n\r\n")
            async with anyio.create_task_group() as group:
                group.start_soon(copy, client, server)
                group.start_soon(copy, server, client)

    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    async with listener, anyio.create_task_group() as group:
        group.start_soon(listener.serve, serve)
        yield listener.extra(anyio.abc.SocketAttribute.local_port), asked
        group.cancel_scope.cancel()


# --- voices ---


async def test_the_voices_are_the_services_own(edge: Edge, service: Emulator) -> None:
    assert [voice.id for voice in edge.voices()] == list(service.voices)
    assert edge.voices()[0] == Voice(XIAOXIAO, "Xiaoxiao - zh-CN", "zh-CN", Gender.FEMALE, "edge")
    with pytest.raises(VoiceNotFound):
        edge.find_voice("zh-CN-NobodyNeural")


async def test_the_list_is_kept_on_disk(make: Make, service: Emulator, tmp_path: Path) -> None:
    async with make(data_dir=tmp_path).running():
        pass
    edge = make(data_dir=tmp_path, connector=lambda: aiohttp.TCPConnector(resolver=NoName(0)))
    async with edge.running():
        assert edge.find_voice("zh-cn-yunxineural").gender is Gender.MALE
        with pytest.raises(VoiceNotFound):
            edge.find_voice("zh-CN-NobodyNeural")


async def test_an_old_list_forbids_nothing(make: Make, service: Emulator, tmp_path: Path) -> None:
    async with make(data_dir=tmp_path, wall_clock=lambda: 1e9).running():
        pass
    nowhere = aiohttp.TCPConnector
    edge = make(data_dir=tmp_path, wall_clock=lambda: 1e9 + 25 * 3600, connector=lambda: nowhere(resolver=NoName(0)))
    async with edge.running():
        assert edge.find_voice("zh-CN-NobodyNeural").language == "zh-CN"


async def test_the_list_is_fetched_again_when_it_is_old(make: Make, service: Emulator) -> None:
    async with (edge := make(voice_list_age=0.1)).running():
        service.voices["ko-KR-SunHiNeural"] = "Female"
        await wait_until(lambda: "ko-KR-SunHiNeural" in {voice.id for voice in edge.voices()})


async def test_a_folder_that_cannot_be_written_is_no_error(make: Make, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    async with (edge := make(data_dir=tmp_path / "file")).running():
        assert edge.health().available


async def test_a_voice_that_the_service_does_not_know_is_not_found(make: Make, service: Emulator) -> None:
    service.list_status = 404
    async with (edge := make()).running():
        with pytest.raises(VoiceNotFound):
            await speak(edge, voice="zh-CN-NobodyNeural")
        assert edge.health().available
    assert service.calls == 2


async def test_a_voice_that_makes_no_sound_is_avoided_for_a_while(make: Make, service: Emulator) -> None:
    async with (edge := make(silent_voice_seconds=0.5)).running():
        service.silent_voices.add(XIAOXIAO)
        for text in ("你好", "再见"):
            with pytest.raises(WorkerFailed, match="no audio"):
                await speak(edge, text)
        assert service.calls == 4
        with pytest.raises(WorkerFailed, match="it is tried again in 1 s"):
            await speak(edge)
        assert service.calls == 4
        assert edge.choose_voice("zh-CN").id == "zh-CN-XiaoyiNeural"
        assert edge.health().available
        await wait_until(lambda: edge.choose_voice("zh-CN").id == XIAOXIAO)


async def test_one_text_without_sound_says_nothing_about_the_voice(edge: Edge, service: Emulator) -> None:
    service.ills.extend([Ill.NO_AUDIO] * 2)
    with pytest.raises(WorkerFailed):
        await speak(edge)
    assert edge.choose_voice("zh-CN").id == XIAOXIAO
    assert is_whole(await speak(edge))


# --- leaving ---


BOTH_LOOPS = pytest.mark.parametrize(
    "anyio_backend", [("asyncio", {"use_uvloop": False}), ("asyncio", {"use_uvloop": True})], ids=["asyncio", "uvloop"]
)


@BOTH_LOOPS
@pytest.mark.parametrize("ill", [None, Ill.STALL_HALFWAY, Ill.STALL_AT_ONCE])
async def test_a_cancelled_utterance_leaves_nothing_behind(edge: Edge, service: Emulator, ill: Ill | None) -> None:
    await speak(edge)
    await wait_until(lambda: service.open_calls == 0)
    before = len(tasks())
    if ill is not None:
        service.ills.append(ill)
    with anyio.move_on_after(0.1 if ill else 0.002):
        await speak(edge)
    await wait_until(lambda: service.open_calls == 0 and len(tasks()) == before)
    assert is_whole(await speak(edge))


@BOTH_LOOPS
async def test_a_stream_that_is_closed_early_leaves_nothing_behind(edge: Edge, service: Emulator) -> None:
    before = len(tasks())
    async with aclosing(edge.synthesize(Utterance(CHINESE, edge.find_voice(XIAOXIAO)), whole=False)) as sounds:
        await anext(sounds)
    await wait_until(lambda: service.open_calls == 0 and len(tasks()) == before)


@BOTH_LOOPS
async def test_the_end_of_the_server_ends_what_it_waits_for(make: Make, service: Emulator) -> None:
    before = len(tasks())
    async with (edge := make()).running():
        pass
    await wait_until(lambda: len(tasks()) == before)
    with pytest.raises(BackendUnavailable, match="it has been stopped"):
        await speak(edge)


# --- what is used of edge-tts beyond its documentation ---


def test_edge_tts_checks_certificates_where_we_add_ours() -> None:
    assert all(context.verify_mode.name == "CERT_REQUIRED" for context in edge_client.trusted_contexts())


def test_nothing_of_it_is_loaded_before_it_runs() -> None:
    program = "import sys, app.tts.backends.edge; sys.exit('aiohttp' in sys.modules or 'edge_tts' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


async def test_edge_tts_tells_the_end_of_a_turn(service: Emulator, edge: Edge) -> None:
    turn = edge_client.Client(connector=service.connector).turn("你好", XIAOXIAO, edge.prosody(MALE))
    while not turn.is_complete:
        assert await turn.next() is not None or turn.is_complete
    assert await turn.next() is None
    await turn.close()


MALE = Utterance("你好", Voice("zh-CN-YunxiNeural", "Yunxi", "zh-CN", Gender.MALE, "edge"))
