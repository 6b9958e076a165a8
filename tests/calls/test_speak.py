from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import anyio
import pytest

from app.audio.pcm import from_bytes
from app.calls.call import CallForm, Clear, Cleared, Dtmf, Failed, Notify, Played, Say, Spoken
from app.calls.speak import AHEAD_SECONDS, MAX_CHARACTERS, MAX_QUEUED, Speak
from app.errors import Draining, QueueFull, TextTooLong, VoiceNotFound, WorkerLost
from app.runtime.workers import Workers
from app.tts.cache import SpeechCache
from app.tts.synthesizer import Synthesizer
from tests.calls.fake_line import FakeLine
from tests.fakes import VIRTUAL_TIME, settle
from tests.tts.fake_backend import FakeBackend

pytestmark = pytest.mark.anyio

LEAD = 0.1


def words(characters: int) -> str:
    """Return a text of so many characters, all of which are spoken."""
    return ("Anna met Bob under the old oak tree and told him of the sea " * 40)[: characters - 1] + "s"


@pytest.fixture
def anyio_backend() -> object:
    return VIRTUAL_TIME


@dataclass
class Call:
    line: FakeLine
    speak: Speak
    backend: FakeBackend
    began: float

    def say(self, text: str, **options: str) -> None:
        self.speak.note(Say(text, **options))

    def times(self) -> list[float]:
        return [at - self.began for at, _ in self.line.sent]


@asynccontextmanager
async def call(form: CallForm | None = None, backend: FakeBackend | None = None) -> AsyncIterator[Call]:
    backend = backend or FakeBackend()  # 10 ms a character
    synthesizer = Synthesizer([backend], workers=Workers({"codec": 1}), cache=SpeechCache(max_bytes=0), queue_depth=9)
    async with synthesizer, anyio.create_task_group() as group:
        line = FakeLine(group, form)
        speak = Speak(synthesizer, line, clock=anyio.current_time)
        yield Call(line, speak, backend, anyio.current_time())
        speak.close()
        group.cancel_scope.cancel()


@pytest.mark.parametrize("rate", [8_000, 16_000, 24_000])
async def test_a_text_is_spoken_in_frames_at_the_pace_at_which_it_is_heard(rate: int) -> None:
    async with call(CallForm(rate)) as one:
        one.say(words(25))  # 0.25 s: 13 frames
        await anyio.sleep(1)
        assert {len(sound) for _, sound in one.line.sent} == {rate // 25}
        assert one.times() == pytest.approx([max(0.0, 0.02 * (n + 1) - LEAD) for n in range(13)], abs=1e-3)
        samples = from_bytes(one.line.sound)
        assert len(samples) == 13 * rate // 50
        assert abs(samples[rate // 20 : rate // 5].astype(int) - 0x2010).max() <= 2


async def test_what_was_spoken_is_told_when_it_has_been_heard() -> None:
    async with call() as one:
        one.say(words(100), id="greeting")
        await anyio.sleep(5)
        [(at, news)] = one.line.told
        assert news == Spoken("greeting", pytest.approx(1.0))
        assert at - one.began == pytest.approx(1.0, abs=1e-3)


async def test_texts_follow_one_another_without_a_gap() -> None:
    async with call() as one:
        one.say(words(100), id="1")
        one.say(words(100), id="2")
        await anyio.sleep(5)
        assert [news.id for news in one.line.news] == ["1", "2"]
        assert one.line.told[1][0] - one.began == pytest.approx(2.0, abs=1e-3)


async def test_notify_is_answered_behind_what_was_asked_for_before_it() -> None:
    async with call() as one:
        one.speak.note(Notify({"n": 0}))
        one.say(words(100))
        one.speak.note(Notify({"n": 1}))
        one.say(words(50))
        one.speak.note(Notify({"n": 2}))
        await anyio.sleep(5)
        answers = {news.payload["n"]: at - one.began for at, news in one.line.told if isinstance(news, Played)}
        assert answers == pytest.approx({0: 0.0, 1: 1.0, 2: 1.5}, abs=1e-3)


async def test_clear_stops_everything_and_the_next_text_begins_at_once() -> None:
    async with call() as one:
        one.say(words(1_000), id="long")
        one.say(words(100), id="never")
        one.speak.note(Notify({"never": True}))
        await anyio.sleep(0.5)
        one.speak.note(Clear())
        assert one.line.news == [Cleared()]
        sent = len(one.line.sent)
        await anyio.sleep(5)
        assert len(one.line.sent) == sent
        one.began = anyio.current_time()
        one.say(words(10), id="after")
        await anyio.sleep(1)
        assert one.times()[sent:] == pytest.approx([0.0] * 5)
        assert one.line.news == [Cleared(), Spoken("after", pytest.approx(0.1))]


async def test_no_sound_follows_a_clear() -> None:
    async with call() as one:
        for n in range(40):
            one.say(words(30))
            await anyio.sleep(0.007 * n)
            one.speak.note(Clear())
            await settle()
            assert one.line.order[-1] == Cleared()


async def test_speech_is_not_made_far_ahead() -> None:
    async with call() as one:
        one.say("x " * 900)  # 18 s
        await anyio.sleep(1)
        made = sum(map(len, one.backend.spoken)) * 0.01
        assert made <= 1 + AHEAD_SECONDS + 2 * 1.0  # a piece of 100 characters more, and one on its way
        await anyio.sleep(60)
        assert isinstance(one.line.news[-1], Spoken)


async def test_who_does_not_listen_makes_nobody_speak_on() -> None:
    async with call() as one:
        one.line.reads = anyio.Event()
        one.say("x " * 900)
        await anyio.sleep(60)
        assert sum(map(len, one.backend.spoken)) < 500
        one.speak.note(Clear())
        await settle()
        assert one.line.jobs == set()


async def test_a_text_that_cannot_be_spoken_is_told_and_the_next_one_is_spoken() -> None:
    async with call() as one:
        one.say("hello", voice="nobody", id="1")
        one.say(" ", id="2")
        one.say("x" * (MAX_CHARACTERS + 1), id="3")
        one.say("hello", id="4")
        await anyio.sleep(1)
        by_id = {news.id: news for news in one.line.news}
        assert isinstance(by_id["1"].error, VoiceNotFound)
        assert isinstance(by_id["2"], Failed)
        assert isinstance(by_id["3"].error, TextTooLong)
        assert isinstance(by_id["4"], Spoken)


async def test_a_backend_that_breaks_is_told() -> None:
    async with call() as one:
        one.backend.failure = WorkerLost("gone")
        one.say("hello", id="1")
        await anyio.sleep(1)
        assert one.line.news == [Failed(one.backend.failure, "1")]


async def test_too_much_at_once_is_told() -> None:
    async with call(backend=FakeBackend(gated=True)) as one:
        for n in range(MAX_QUEUED + 2):
            one.say("hello", id=str(n))
            await settle()
        assert [(type(news.error), news.id) for news in one.line.news] == [(QueueFull, str(MAX_QUEUED + 1))]


async def test_a_call_that_ends_is_not_spoken_into() -> None:
    async with call() as one:
        one.line.refusal = Draining("the server is restarting")
        one.say("hello")
        one.line.refusal = None
        one.say(words(10), id="2")
        await anyio.sleep(1)
        assert [news.id for news in one.line.news] == ["2"]


async def test_what_it_hears_is_nothing_to_it() -> None:
    async with call() as one:
        one.speak.hear(bytes(640))
        one.speak.note(Dtmf("5"))
        await anyio.sleep(1)
        assert one.line.order == []
