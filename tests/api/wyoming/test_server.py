import anyio
import pytest
from wyoming.event import Event
from wyoming.info import Describe, Info
from wyoming.ping import Ping, Pong
from wyoming.tts import (
    Synthesize,
    SynthesizeChunk,
    SynthesizeStart,
    SynthesizeStop,
    SynthesizeTextFormat,
    SynthesizeVoice,
)

from app.api.wyoming import server
from app.api.wyoming.conversation import PAUSE_SECONDS, WyomingLimits
from app.errors import WorkerFailed
from app.runtime.connections import AdmissionLimits
from app.tts.backends.espeak import Espeak
from app.tts.backends.tone import Tone
from app.tts.speech import Utterance
from tests.api.wyoming.door import audio, door, hear
from tests.eventually import eventually
from tests.tts.fake_backend import FakeBackend

pytestmark = pytest.mark.anyio

SECOND = 2 * 22_050


def types(events):
    """The types of events, with a run of chunks as one."""
    found = [event.type for event in events]
    return [type for before, type in zip([None, *found], found, strict=False) if (before, type) != ("audio-chunk",) * 2]


async def test_the_real_voice_speaks_to_the_real_client():
    async with door(Espeak(workers=1)) as opened:
        [info_event] = await opened.ask(Describe().event(), until="info")
        heard = await opened.ask(Synthesize("你好，欢迎来到直播间！").event(), until="audio-stop")
    [program] = Info.from_event(info_event).tts
    mandarin = next(voice for voice in program.voices if voice.name == "cmn")
    assert (mandarin.languages, mandarin.installed, program.version) == (["zh-CN"], True, "1.2.3")
    assert "f2" in [speaker.name for speaker in mandarin.speakers or []]
    assert types(heard) == ["audio-start", "audio-chunk", "audio-stop"]
    assert heard[0].data["rate"] == 22_050 and heard[0].data["width"] == 2 and heard[0].data["channels"] == 1
    seconds = len(audio(heard)) / SECOND
    assert 1.5 < seconds < 5
    assert heard[-1].data["timestamp"] == pytest.approx(1000 * seconds, abs=2)
    assert max(abs(value) for value in memoryview(audio(heard)).cast("h")) > 3000


async def test_the_real_voice_speaks_while_the_text_comes():
    async with door(Espeak(workers=1)) as opened, opened.client() as client:
        await client.write_event(SynthesizeStart(SynthesizeVoice(name="en-us", speaker="f3")).event())
        await client.write_event(SynthesizeChunk("This is one sentence. And he").event())
        early = await hear(client, until="audio-chunk")
        await client.write_event(SynthesizeChunk("re is another.").event())
        await client.write_event(Synthesize("This is one sentence. And here is another.").event())
        await client.write_event(SynthesizeStop().event())
        rest = await hear(client, until="synthesize-stopped")
    assert types(early) == ["audio-start", "audio-chunk"]
    assert types(rest) == ["audio-chunk", "audio-stop", "synthesize-stopped"]
    assert 1.5 < len(audio(early + rest)) / SECOND < 6


@pytest.mark.parametrize(
    ("voice", "expected"),
    [
        (None, "en"),
        (SynthesizeVoice(name="zh-low"), "zh-low"),
        (SynthesizeVoice(name="tone/en-low"), "en-low"),
        (SynthesizeVoice(language="zh"), "zh"),
    ],
)
async def test_the_wanted_voice_speaks(voice, expected):
    spoken: list[Utterance] = []

    async def note(utterance: Utterance) -> None:
        spoken.append(utterance)

    async with door(Tone(before=note)) as opened:
        heard = await opened.ask(Synthesize("ok", voice=voice).event(), until="audio-stop")
    assert len(audio(heard)) / SECOND == pytest.approx(0.1, abs=0.001)
    assert [utterance.voice.id for utterance in spoken] == [expected]


async def test_markup_is_spoken():
    markup = Synthesize('<speak>a<break time="1s"/>b</speak>', text_format=SynthesizeTextFormat.SSML)
    start = SynthesizeStart(text_format=SynthesizeTextFormat.SSML)
    chunks = (SynthesizeChunk("<speak>a<break ti"), SynthesizeChunk('me="1s"/>b</speak>'))
    async with door(Tone()) as opened:
        whole = await opened.ask(markup.event(), until="audio-stop")
        events = [event.event() for event in (start, *chunks, SynthesizeStop())]
        dictated = await opened.ask(*events, until="synthesize-stopped")
    assert len(audio(whole)) == len(audio(dictated)) == pytest.approx(1.1 * SECOND, abs=4)


async def test_requests_are_answered_in_order_on_one_connection():
    async with door(Tone()) as opened, opened.client() as client:
        for text in ("a", "abc", "ab"):
            await client.write_event(Synthesize(text).event())
        lengths = [len(audio(await hear(client, until="audio-stop"))) for _ in range(3)]
    assert [round(length / SECOND / 0.05) for length in lengths] == [1, 3, 2]


@pytest.mark.parametrize("text", ["😀", "", "..."])
async def test_nothing_to_speak_is_a_short_silence(text):
    async with door(Tone()) as opened:
        whole = await opened.ask(Synthesize(text).event(), until="audio-stop")
        events = [event.event() for event in (SynthesizeStart(), SynthesizeChunk(text), SynthesizeStop())]
        dictated = await opened.ask(*events, until="synthesize-stopped")
    assert audio(whole) == audio(dictated) == bytes(2 * round(PAUSE_SECONDS * 22_050))


async def test_pings_are_answered_and_unknown_events_dropped():
    async with door(Tone()) as opened:
        [pong] = await opened.ask(Ping("tick").event(), until="pong")
        [other] = await opened.ask(Event("transcribe", {"a": 1}, b"xyz"), Ping().event(), until="pong")
    assert (Pong.from_event(pong).text, Pong.from_event(other).text) == ("tick", None)


@pytest.mark.parametrize(
    ("event", "code"),
    [
        (Synthesize("a", voice=SynthesizeVoice(name="nobody")).event(), "voice-not-found"),
        (Synthesize("a", voice=SynthesizeVoice(name="edge/nobody")).event(), "backend-unavailable"),
        (Synthesize("a" * 101).event(), "text-too-long"),
        (Synthesize("a", text_format="html").event(), "invalid-event"),
        (Synthesize("a", text_format="ssml").event(), "invalid-event"),
        (SynthesizeChunk("a").event(), "invalid-event"),
        (SynthesizeStop().event(), "invalid-event"),
    ],
)
async def test_an_error_is_told_and_closes_the_connection(event, code):
    async with door(Tone(), limits=WyomingLimits(text_characters=100)) as opened:
        heard = await opened.ask(event, until="nothing")
    assert [(event.type, event.data["code"]) for event in heard] == [("error", code)]


async def test_a_dictation_is_bounded_and_begins_once():
    async with door(Tone(), limits=WyomingLimits(text_characters=100)) as opened:
        start = SynthesizeStart().event()
        long = await opened.ask(start, *[SynthesizeChunk("a" * 60).event()] * 2, until="error")
        twice = await opened.ask(start, start, until="error")
    assert [heard[-1].data["code"] for heard in (long, twice)] == ["text-too-long", "invalid-event"]


@pytest.mark.parametrize("raw", [b"no json\n", b"{}\n", b'{"type":"describe","data_length":-1}\n', b"x" * 100_000])
async def test_what_is_no_event_is_told_and_closes(raw):
    async with door(Tone()) as opened, await anyio.connect_tcp("127.0.0.1", opened.port) as stream:
        await stream.send(raw)
        answer = await stream.receive()
        with pytest.raises(anyio.EndOfStream):
            await stream.receive()
    assert b"invalid-event" in answer


async def test_who_asks_and_ends_at_once_is_answered():
    async with door(Tone()) as opened, await anyio.connect_tcp("127.0.0.1", opened.port) as stream:
        await stream.send(b'{"type": "describe"}\n')
        await stream.send_eof()
        answer = await stream.receive()
    assert answer.startswith(b'{"type":"info"')


async def test_a_broken_voice_is_told_and_the_next_client_served():
    backend = FakeBackend()
    async with door(backend) as opened:
        backend.failure = WorkerFailed("broken")
        [error] = await opened.ask(Synthesize("a").event(), until="error")
        backend.failure = None
        heard = await opened.ask(Synthesize("a").event(), until="audio-stop")
    assert (error.data["text"], error.data["code"]) == ("broken", "internal-error")
    assert types(heard)[-1] == "audio-stop"


async def test_a_fault_of_ours_ends_one_connection_only(monkeypatch, caplog):
    async with door(Tone()) as opened:
        with monkeypatch.context() as patch:
            patch.setattr(server.messages, "encode_pong", lambda text: 1 / 0)
            assert await opened.ask(Ping().event(), until="pong") == []
        assert len(await opened.ask(Ping().event(), until="pong")) == 1
    assert "a conversation over Wyoming failed" in caplog.text


async def test_a_client_that_leaves_ends_what_is_spoken_for_it():
    backend = FakeBackend(gated=True)
    async with door(backend) as opened:
        async with opened.client() as client:
            await client.write_event(Synthesize("a").event())
            await eventually(lambda: backend.started == 1)
        await eventually(lambda: backend.cancelled == 1)
        await eventually(lambda: not len(opened.connections))


async def test_who_does_not_read_holds_nobody_up_and_is_cut_off():
    text = " ".join(
        f"{first}{second}{third}" for first in "abcdefgh" for second in "ijklmnop" for third in "qrstuvwxyz"
    )
    asked = b'{"type":"synthesize","data":{"text":"' + 3 * text.encode() + b'"}}\n'
    async with (
        door(Tone(concurrency=1, character_ms=100), limits=WyomingLimits(write_seconds=1.0)) as opened,
        await anyio.connect_tcp("127.0.0.1", opened.port) as deaf,
    ):
        await deaf.send(asked)
        await eventually(lambda: opened.synthesizer.requests == 1)
        heard = await opened.ask(Synthesize("hi").event(), until="audio-stop")
        assert types(heard)[-1] == "audio-stop"
        await eventually(lambda: not len(opened.connections))


async def test_silence_for_too_long_closes():
    async with door(Tone(), limits=WyomingLimits(idle_seconds=0.05)) as opened, opened.client() as client:
        with anyio.fail_after(10):
            assert await client.read_event() is None


async def test_speaking_is_no_silence():
    backend = FakeBackend(gated=True)
    async with door(backend, limits=WyomingLimits(idle_seconds=0.05)) as opened, opened.client() as client:
        await client.write_event(Synthesize("a").event())
        with anyio.move_on_after(0.3):
            await client.read_event()
        backend.open_gate()
        assert types(await hear(client, until="audio-stop"))[-1] == "audio-stop"


async def test_one_too_many_is_refused():
    async with door(Tone(), admission=AdmissionLimits(per_client=1)) as opened, opened.client() as first:
        await first.write_event(Ping().event())
        await hear(first, until="pong")
        [refused] = await opened.ask(until="error")
        assert refused.data["code"] == "overloaded"
        await first.write_event(Ping().event())
        assert len(await hear(first, until="pong")) == 1


async def test_a_drain_finishes_what_was_asked_and_takes_nothing_new():
    backend = FakeBackend(gated=True)
    async with (
        door(backend) as opened,
        opened.client() as busy,
        opened.client() as idle,
        anyio.create_task_group() as group,
    ):
        await busy.write_event(Synthesize("a").event())
        await eventually(lambda: backend.started == 1 and len(opened.connections) == 2)
        group.start_soon(opened.connections.drain)
        with anyio.fail_after(10):
            assert await idle.read_event() is None
        [refused] = await opened.ask(until="error")
        backend.open_gate()
        assert types(await hear(busy, until="nothing")) == ["audio-start", "audio-chunk", "audio-stop"]
    assert refused.data["code"] == "shutting-down"


async def test_a_drained_connection_takes_no_new_text_and_finishes_the_old():
    backend = FakeBackend(gated=True)
    async with (
        door(backend) as opened,
        await anyio.connect_tcp("127.0.0.1", opened.port) as stream,
        anyio.create_task_group() as group,
    ):
        await stream.send(b'{"type":"synthesize","data":{"text":"a"}}\n')
        await eventually(lambda: backend.started == 1)
        group.start_soon(opened.connections.drain)
        await eventually(lambda: opened.connections.is_draining)
        await stream.send(b'{"type":"ping"}\n{"type":"synthesize","data":{"text":"b"}}\n')
        assert b"pong" in await stream.receive()
        backend.open_gate()
        heard = b"".join([data async for data in stream])
    assert 0 < heard.find(b"audio-stop") < heard.find(b"shutting-down")


async def test_one_can_be_sent_away():
    async with door(Tone()) as opened, opened.client() as client:
        await eventually(lambda: len(opened.connections) == 1)
        opened.connections.kick(opened.connections.list()[0].id, 1000, "go")
        with anyio.fail_after(10):
            assert await client.read_event() is None


async def test_the_voice_of_the_first_sentence_speaks_what_shows_no_language():
    spoken: list[tuple[str, str]] = []

    async def note(utterance: Utterance) -> None:
        spoken.append((utterance.voice.id, utterance.text))

    chunks = [SynthesizeChunk(text).event() for text in ("大家好。", "GG. ", "今天", "666")]
    async with door(Tone(before=note)) as opened:
        await opened.ask(SynthesizeStart().event(), *chunks, SynthesizeStop().event(), until="synthesize-stopped")
    assert [voice for voice, _ in spoken] == ["zh"] * len(spoken)
    assert "".join(text for _, text in spoken) == "大家好。GG.今天六六六"
