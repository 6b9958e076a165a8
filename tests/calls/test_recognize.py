from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager

import anyio
import numpy as np
import pytest

from app.calls.call import CallForm, Clear, Cleared, Failed, MusicHeard, MusicStopped, Notify, Played
from app.calls.recognize import Recognize
from app.errors import Draining, InvalidAudio, Overloaded, Unavailable
from app.fingerprint.hearing import BEHIND_SECONDS
from app.fingerprint.hearings import RECOGNITION_POOL, Hearings
from app.fingerprint.track import Track
from app.runtime.workers import Workers
from tests.api.stream.door import track
from tests.calls.fake_line import FakeLine
from tests.eventually import eventually
from tests.fingerprint.fake_recognizer import MUSIC, STOPS, FakeRecognizer, hit

pytestmark = pytest.mark.anyio

RATE = 16_000
HOP = RATE // 2


def sound(value: float = 0.0, samples: int = HOP) -> bytes:
    return np.full(samples, value * 32_768, "<i2").tobytes()


class Catalogue:
    def __init__(self) -> None:
        self.tracks = {1: track()}
        self.fault: Exception | None = None
        self.is_open = anyio.Event()
        self.is_open.set()

    async def find(self, track_ids: Collection[int]) -> list[Track]:
        await self.is_open.wait()
        if self.fault is not None:
            raise self.fault
        return [self.tracks[id] for id in track_ids if id in self.tracks]


class Call:
    def __init__(self, line: FakeLine, recognize: Recognize, catalogue: Catalogue, made: list[FakeRecognizer]) -> None:
        self.line = line
        self.recognize = recognize
        self.catalogue = catalogue
        self.made = made

    async def told(self, count: int) -> list[object]:
        await eventually(lambda: len(self.line.told) >= count)
        return list(self.line.news)


@asynccontextmanager
async def call(form: CallForm | None = None) -> AsyncIterator[Call]:
    made: list[FakeRecognizer] = []

    def make(rate: int) -> FakeRecognizer:
        made.append(FakeRecognizer(rate))
        return made[-1]

    catalogue = Catalogue()
    async with Hearings(Workers({RECOGNITION_POOL: 1}), make) as hearings:  # noqa: SIM117
        async with anyio.create_task_group() as group:
            line = FakeLine(group, form)
            recognize = Recognize(hearings, catalogue.find, line)
            yield Call(line, recognize, catalogue, made)
            recognize.close()
            group.cancel_scope.cancel()


async def test_music_on_the_line_is_told_and_its_end_too():
    async with call() as one:
        one.recognize.hear(sound(MUSIC))
        await one.told(1)
        one.recognize.hear(sound(STOPS))
        assert await one.told(2) == [MusicHeard(((hit(), track()),), 0.5), MusicStopped()]
        assert one.line.sent == []


@pytest.mark.parametrize("rate", [8_000, 16_000, 24_000])
async def test_frames_of_a_call_are_heard_at_its_rate(rate):
    async with call(CallForm(rate)) as one:
        for _ in range(50):
            one.recognize.hear(sound(MUSIC, rate // 50))
        [first, *_] = await one.told(1)
        assert isinstance(first, MusicHeard)
        assert [recognizer.sample_rate for recognizer in one.made] == [rate]


async def test_half_a_sample_is_told_and_the_rest_is_heard():
    async with call() as one:
        one.recognize.hear(b"odd")
        one.recognize.hear(b"")
        one.recognize.hear(sound(MUSIC))
        failed, heard = await one.told(2)
        assert isinstance(failed.error, InvalidAudio)
        assert isinstance(heard, MusicHeard)


async def test_what_there_is_no_time_for_is_told():
    async with call() as one:
        one.recognize.hear(sound())
        await eventually(lambda: bool(one.made) and one.made[0].processed == HOP)
        for _ in range(round(BEHIND_SECONDS) + 1):
            one.recognize.hear(sound(0.0, RATE))
        [failed] = await one.told(1)
        assert isinstance(failed.error, Overloaded)


async def test_tracks_that_are_gone_are_not_told():
    async with call() as one:
        one.catalogue.tracks.clear()
        one.recognize.hear(sound(MUSIC))
        one.recognize.hear(sound(STOPS))
        assert await one.told(1) == [MusicStopped()]


async def test_a_recognizer_that_fails_is_told():
    async with call() as one:
        one.recognize.hear(sound())
        await eventually(lambda: bool(one.made))
        one.made[0].push = lambda samples: 1 / 0
        one.recognize.hear(sound())
        [failed] = await one.told(1)
        assert isinstance(failed, Failed)


async def test_a_catalogue_that_does_not_answer_keeps_no_music_for_ever():
    async with call() as one:
        one.catalogue.is_open = anyio.Event()
        for n in range(1, 31):
            one.recognize.hear(sound(MUSIC))
            await eventually(lambda n=n: bool(one.made) and one.made[0].processed == n * HOP)
        one.catalogue.is_open.set()
        await eventually(lambda: not one.line.jobs)
        assert 1 <= len(one.line.told) <= 17


async def test_a_call_that_ends_is_told_nothing():
    async with call() as one:
        one.line.refusal = Draining("the server is restarting")
        one.recognize.hear(sound(MUSIC))
        await eventually(lambda: sum(r.processed for r in one.made) == HOP)
        one.line.refusal = None
        one.recognize.hear(sound(STOPS))
        assert await one.told(1) == [MusicStopped()]


async def test_a_fault_of_the_catalogue_is_the_jobs():
    with pytest.raises(ExceptionGroup) as caught:
        async with call() as one:
            one.catalogue.fault = Unavailable("the database does not answer")
            one.recognize.hear(sound(MUSIC))
            await eventually(lambda: False)
    assert caught.group_contains(Unavailable)


async def test_nothing_is_ever_queued():
    async with call() as one:
        one.recognize.note(Clear())
        one.recognize.note(Notify({"n": 1}))
        assert one.line.news == [Cleared(), Played({"n": 1})]
