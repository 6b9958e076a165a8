"""One utterance against a scripted service, in virtual time."""

import math
import random
from collections.abc import Iterable
from contextlib import aclosing

import anyio
import pytest

from app.audio.encode import Encoder
from app.audio.format import Format
from app.errors import WorkerFailed
from app.runtime.breaker import Breaker, State
from app.tts.backends.edge_session import Patience, Session
from app.tts.backends.edge_turn import Boundary, Fault, Prosody, Turn, TurnFailed
from app.tts.backends.tone import sine
from app.tts.speech import Sound
from tests.fakes import VIRTUAL_TIME

pytestmark = pytest.mark.anyio

TEXT = "你好"
Step = bytes | Boundary | float | TurnFailed
"""A message, seconds of silence, or a failure."""


@pytest.fixture
def anyio_backend() -> object:
    return VIRTUAL_TIME


def mp3(seconds: float) -> list[bytes]:
    encoder = Encoder(sample_rate=24_000, format=Format.MP3, bitrate=48_000)
    data = encoder.write(sine(440, round(24_000 * seconds), 24_000)) + encoder.finish()
    return [data[at : at + 720] for at in range(0, len(data), 720)]


class Script:
    """A turn that goes as written; it ends properly unless `breaks_off`."""

    def __init__(self, *steps: Step, breaks_off: bool = False) -> None:
        self.is_complete = False
        self.is_closed = False
        self._steps = iter(steps)
        self._breaks_off = breaks_off

    async def next(self) -> bytes | Boundary | None:
        for step in self._steps:
            if isinstance(step, float):
                await anyio.sleep(step)
            elif isinstance(step, TurnFailed):
                raise step
            else:
                return step
        self.is_complete = not self._breaks_off
        return None

    async def close(self) -> None:
        self.is_closed = True


class Theatre:
    """A session, and the turns that it will get."""

    def __init__(self, *turns: Script, patience: Patience = Patience(), failures: int = 3) -> None:  # noqa: B008
        self.turns = list(turns)
        self.begun: list[str] = []
        self.breaker = Breaker(failures=failures, clock=anyio.current_time)
        self.session = Session(
            self.open,
            breaker=self.breaker,
            patience=patience,
            prosody=Prosody(),
            language="zh-CN",
            max_seconds=60,
            clock=anyio.current_time,
            rng=random.Random(0),
        )

    def open(self, words: str) -> Turn:
        self.begun.append(words)
        return self.turns[len(self.begun) - 1]

    async def speak(self, text: str = TEXT, *, whole: bool = True) -> list[Sound]:
        return [sound async for sound in self.session.speak(text, whole=whole)]


def good() -> Script:
    return Script(Boundary("你", 0.1, 0.3), *mp3(1.0))


def fails(fault: Fault, *, before: Iterable[Step] = (), status: int | None = None) -> Script:
    return Script(*before, TurnFailed(fault, fault.value, status=status))


async def test_every_turn_is_closed() -> None:
    theatre = Theatre(fails(Fault.BROKEN), Script(*mp3(1), breaks_off=True), good())
    await theatre.speak()
    assert [turn.is_closed for turn in theatre.turns] == [True] * 3


async def test_pauses_grow_and_are_spread() -> None:
    patience = Patience(backoff=1.0, retries=4, deadline=100)
    theatre = Theatre(*[fails(Fault.BROKEN, before=[b""]) for _ in range(4)], good(), patience=patience)
    started = anyio.current_time()
    await theatre.speak()
    waited = anyio.current_time() - started
    assert 0.5 * 15 < waited < 1.5 * 15
    assert not math.isclose(waited, 15)


async def test_no_pause_reaches_beyond_the_deadline() -> None:
    theatre = Theatre(fails(Fault.BROKEN), good(), patience=Patience(backoff=100, deadline=10))
    started = anyio.current_time()
    with pytest.raises(TurnFailed):
        await theatre.speak()
    assert anyio.current_time() == started


async def test_the_first_403_is_answered_at_once() -> None:
    theatre = Theatre(fails(Fault.REFUSED, status=403), good())
    started = anyio.current_time()
    await theatre.speak()
    assert anyio.current_time() == started


@pytest.mark.parametrize(
    ("fault", "tries"),
    [
        (Fault.UNREACHABLE, 1),
        (Fault.NO_AUDIO, 2),
        (Fault.REFUSED, 3),
        (Fault.STALLED, 3),
        (Fault.BROKEN, 3),
    ],
)
async def test_what_is_worth_it_is_tried_again(fault: Fault, tries: int) -> None:
    theatre = Theatre(*[fails(fault) for _ in range(3)], failures=9)
    with pytest.raises(TurnFailed) as caught:
        await theatre.speak()
    assert caught.value.fault is fault
    assert len(theatre.begun) == tries


async def test_a_stall_before_the_first_message_has_more_time() -> None:
    theatre = Theatre(Script(3.9, *mp3(0.1), 2.9, *mp3(0.5)))
    await theatre.speak("a")
    theatre = Theatre(Script(*mp3(0.1), 3.1, *mp3(0.5)), good())
    await theatre.speak("a")
    assert len(theatre.begun) == 2


async def test_time_of_the_caller_does_not_count() -> None:
    theatre = Theatre(Script(*mp3(1.0)))
    async with aclosing(theatre.session.speak(TEXT, whole=False)) as sounds:
        async for _ in sounds:
            await anyio.sleep(100)
    assert theatre.breaker.state is State.CLOSED


async def test_a_long_text_has_a_longer_deadline() -> None:
    frames = mp3(3.0)
    slow = [step for frame in frames for step in (0.9, frame)]
    with pytest.raises(TurnFailed, match="too long"):
        await Theatre(Script(*slow)).speak()
    assert await Theatre(Script(*slow)).speak("a " * 80)


async def test_frames_without_end_are_not_whole() -> None:
    theatre = Theatre(*[Script(*mp3(1.0), breaks_off=True) for _ in range(3)])
    with pytest.raises(TurnFailed, match="broke off"):
        await theatre.speak()


@pytest.mark.parametrize(("missing", "is_whole"), [(0.1, True), (0.3, False)])
async def test_sound_may_be_a_little_shorter_than_its_boundaries(missing: float, is_whole: bool) -> None:
    frames = mp3(1.0)
    end = len(frames) * 0.12 + missing
    theatre = Theatre(Script(Boundary("好", 0.5, end), *frames), good())
    await theatre.speak()
    assert len(theatre.begun) == 2 - is_whole


async def test_breaking_off_before_any_audio_is_the_services_failure() -> None:
    theatre = Theatre(Script(breaks_off=True), good())
    await theatre.speak()
    theatre = Theatre(*[Script(breaks_off=True) for _ in range(3)])
    with pytest.raises(TurnFailed):
        await theatre.speak()
    assert theatre.breaker.state is State.OPEN


async def test_no_audio_is_not() -> None:
    theatre = Theatre(Script(), Script(), failures=1)
    with pytest.raises(TurnFailed) as caught:
        await theatre.speak()
    assert caught.value.fault is Fault.NO_AUDIO
    assert theatre.breaker.state is State.CLOSED


async def test_a_breaker_that_opens_ends_the_tries() -> None:
    theatre = Theatre(*[fails(Fault.STALLED) for _ in range(3)], failures=2)
    with pytest.raises(TurnFailed, match="stalled"):
        await theatre.speak()
    assert len(theatre.begun) == 2
    with pytest.raises(TurnFailed, match="left alone"):
        await theatre.speak()
    assert len(theatre.begun) == 2


async def test_a_trial_is_not_repeated() -> None:
    theatre = Theatre(Script(*mp3(0.2), breaks_off=True), good())
    theatre.breaker.trip()
    await anyio.sleep(theatre.breaker.wait_time)
    with pytest.raises(TurnFailed):
        await theatre.speak()
    assert len(theatre.begun) == 1
    assert theatre.breaker.state is State.OPEN


async def test_a_trial_that_tells_nothing_makes_place() -> None:
    theatre = Theatre(Script(), Script())
    theatre.breaker.trip()
    await anyio.sleep(theatre.breaker.wait_time)
    with pytest.raises(TurnFailed):
        await theatre.speak()
    assert theatre.breaker.state is State.HALF_OPEN
    assert theatre.breaker.is_admitting


async def test_a_trial_that_cannot_begin_makes_place() -> None:
    theatre = Theatre()

    def refuse(words: str) -> Turn:
        raise WorkerFailed("no such words")

    theatre.session._open_turn = refuse
    theatre.breaker.trip()
    await anyio.sleep(theatre.breaker.wait_time)
    with pytest.raises(WorkerFailed):
        await theatre.speak()
    assert theatre.breaker.is_admitting


async def test_a_later_part_of_a_stream_is_tried_again_too() -> None:
    text = "你好。" * 300
    theatre = Theatre(Script(Boundary("好", 0.1, 0.2), *mp3(1.0)), fails(Fault.BROKEN, before=[0.1]), good())
    sounds = await theatre.speak(text, whole=False)
    assert [len(words) for words in theatre.begun] == [798, 102, 102]
    marks = [mark.start for sound in sounds for mark in sound.marks]
    assert marks[0] == 0.1 and marks[1] > 1.0


async def test_boundaries_after_the_last_sound_are_told() -> None:
    theatre = Theatre(Script(*mp3(1.0), Boundary("好", 0.6, 0.8), Boundary("你", 0.1, 0.5)))
    sounds = await theatre.speak(whole=False)
    assert [mark.text for mark in sounds[-1].marks] == ["你", "好"]
