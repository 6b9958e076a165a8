import threading
from dataclasses import replace

import anyio
import pytest

from app.errors import DeadlineExceeded, InvalidImage, NoFace, Unavailable, VoiceNotFound
from app.lipsync.album import Album, UnknownPicture, name_of
from app.lipsync.atelier import Atelier, Ended
from app.lipsync.clip import Opening
from app.lipsync.commission import Commission
from app.lipsync.engines import Engines
from app.lipsync.mouth.phonemes import TimedPhoneme
from app.lipsync.network_engine import NetworkEngine
from app.lipsync.portraits import Portraits
from app.lipsync.renderer import PORTRAIT_POOL, Limits, Renderer
from app.lipsync.script import Script, Spoken
from app.runtime.queue import WaitingLine
from app.runtime.workers import CODEC_POOL, Workers
from tests.lipsync.performers import Broken, FlatEngine, OneFace, greys, order, png, portrait_threads, tone

pytestmark = pytest.mark.anyio

PHONEMES = (TimedPhoneme("a", 0.0, 0.4),)


@pytest.fixture
def anyio_backend():
    return "asyncio"


class Voice:
    """Speaks 0.4 s, or fails, or waits for ever."""

    def __init__(self, error=None, *, waits=False):
        self.error, self.waits = error, waits
        self.asked = anyio.Event()
        self.left = 0

    async def speak(self, script, *, client):
        self.asked.set()
        if self.error:
            raise self.error
        if self.waits:
            try:
                await anyio.sleep_forever()
            finally:
                self.left += 1
        return Spoken(tone(0.4), PHONEMES, voice="v", backend="b")


class Noting(FlatEngine):
    """Keeps the orders that it was given."""

    def __init__(self, **options):
        super().__init__(**options)
        self.orders = []

    def options(self, order):
        self.orders.append(order)
        return super().options(order)


class House:
    """An atelier and all that is in it."""

    def __init__(self, engine=None, voice=None, faces=None, timeout=60.0):
        self.engine, self.voice, self.faces = engine or Noting(), voice or Voice(), faces or OneFace()
        self.ended: list[Ended] = []
        self.portraits = Portraits(self.faces, cache_bytes=10**7)
        workers = Workers({PORTRAIT_POOL: 1, CODEC_POOL: 1})
        network = NetworkEngine("network", _no_weights, lambda: None)
        renderer = Renderer(
            Engines(self.engine, {"network": network}),
            self.portraits,
            workers,
            line=WaitingLine(concurrency=1, depth=1),
            limits=Limits(timeout=60.0),
        )
        self.album = Album(max_bytes=10**6)
        self.atelier = Atelier(
            renderer, self.portraits, self.album, self.voice, workers, timeout=timeout, on_end=self.ended.append
        )

    async def draw(self, commission):
        async with self.atelier.sitting(commission, client="a") as sitting:
            await sitting.render()
        return sitting

    @property
    def outcomes(self):
        return [(each.model, each.outcome) for each in self.ended]


def _no_weights():
    raise Unavailable("network has no weights")


def commission(script=None, image_id=None, **changes):
    made = order(0.4, **changes)
    made = replace(made, audio=b"") if script else made
    return Commission(replace(made, image=b"") if image_id else made, script, image_id)


async def test_a_picture_that_was_sent_can_be_named():
    house = House()
    first = await house.draw(commission())
    second = await house.draw(commission(image_id=first.image_id))
    assert first.image_id == second.image_id == name_of(png())
    assert len(greys(second.portrayal.video)) == 10
    assert house.faces.looked == 1


async def test_an_unknown_name_is_told():
    house = House()
    with pytest.raises(UnknownPicture, match="send the picture again"):
        await house.draw(commission(image_id="0" * 64))
    assert house.outcomes == [("flat", "refused")]


async def test_a_text_is_spoken_and_its_phonemes_are_drawn():
    house = House()
    sitting = await house.draw(commission(Script("Hello")))
    assert (sitting.portrayal.frames, sitting.spoken.voice) == (10, "v")
    assert house.engine.orders[0].phonemes == PHONEMES


async def test_a_stream_says_first_what_it_will_be():
    house = House()
    async with house.atelier.sitting(commission(Script("Hello")), client="a") as sitting:
        opening, *parts = [part async for part in sitting.stream()]
    assert isinstance(opening, Opening)
    assert len(greys(b"".join(parts))) == sitting.portrayal.frames == 10
    assert house.outcomes == [("flat", "done")] and house.ended[0].frames == 10


@pytest.mark.parametrize(
    ("image", "faces", "error"), [(b"GIF89a", 1, InvalidImage), (png()[:60], 1, InvalidImage), (png(), 0, NoFace)]
)
async def test_only_pictures_that_can_be_read_are_kept(image, faces, error):
    house = House(faces=OneFace(faces))
    with pytest.raises(error):
        await house.draw(commission(image=image))
    assert (name_of(image) in house.album) == (error is NoFace)
    assert house.outcomes == [("flat", "refused")]


async def test_nothing_is_spoken_for_what_is_no_picture():
    house = House()
    with pytest.raises(InvalidImage):
        await house.draw(commission(Script("Hello"), image=b"GIF89a"))
    assert not house.voice.asked.is_set()


async def test_a_picture_that_is_too_small_for_one_is_not_forgotten_for_others():
    house = House()
    sitting = await house.draw(commission())
    with pytest.raises(InvalidImage):
        await house.draw(commission(resize_factor=4))
    assert sitting.image_id in house.album


@pytest.mark.parametrize(
    ("voice", "engine", "model", "raised", "outcome"),
    [
        (Voice(VoiceNotFound("x")), None, "flat", VoiceNotFound, ("flat", "refused")),
        (Voice(Unavailable("mute")), None, "network", Unavailable, ("network", "unavailable")),
        (Voice(KeyError("x")), None, "gan", KeyError, ("unknown", "failed")),
        (None, Broken("no more"), "flat", Broken, ("flat", "failed")),
    ],
)
async def test_every_end_is_told(voice, engine, model, raised, outcome):
    def fail(number):
        raise engine

    house = House(Noting(before=fail) if engine else None, voice)
    with pytest.raises(raised):
        await house.draw(commission(Script("Hello"), model=model))
    assert house.outcomes == [outcome] and house.ended[0].frames == 0


async def test_who_is_asked_to_draw_and_who_has_drawn_are_told_apart():
    house = House()
    await house.draw(commission(model="network"))
    assert house.outcomes == [("flat", "done")]


async def test_cancelling_ends_the_speech():
    house = House(voice=Voice(waits=True))
    async with anyio.create_task_group() as group:
        group.start_soon(house.draw, commission(Script("Hello")))
        await house.voice.asked.wait()
        group.cancel_scope.cancel()
    assert house.voice.left == 1 and house.outcomes == [("flat", "cancelled")]


async def test_cancelling_ends_the_drawing():
    there, go_on = anyio.Event(), threading.Event()
    token = anyio.lowlevel.current_token()

    def before(number):
        if number == 5:
            anyio.from_thread.run_sync(there.set, token=token)
            go_on.wait(20)

    house = House(Noting(before=before))
    async with anyio.create_task_group() as group:
        group.start_soon(house.draw, commission(Script("Hello")))
        await there.wait()
        go_on.set()
        group.cancel_scope.cancel()
    assert portrait_threads() == [] and house.outcomes == [("flat", "cancelled")]


async def test_speech_counts_for_the_deadline():
    house = House(voice=Voice(waits=True), timeout=0.01)
    with pytest.raises(DeadlineExceeded, match=r"not spoken and drawn within 0\.01 s"):
        await house.draw(commission(Script("Hello")))
    assert house.voice.left == house.voice.asked.is_set() and house.outcomes == [("flat", "late")]


async def test_a_picture_is_looked_at_kept_and_forgotten():
    house = House(faces=OneFace(2))
    likeness = await house.atelier.keep(png(width=80, height=65), client="a")
    assert (likeness.width, likeness.height, likeness.faces) == (80, 64, 2)
    assert await house.atelier.look(likeness.image_id, client="a") == likeness
    assert house.faces.looked == 1 and house.portraits.kept_bytes > 0
    house.atelier.forget(likeness.image_id)
    assert house.portraits.kept_bytes == house.album.size == 0
    for again in (house.atelier.forget, house.album.get):
        with pytest.raises(UnknownPicture):
            again(likeness.image_id)


async def test_what_was_made_of_a_picture_is_forgotten_with_it():
    house = House()
    one, other = await house.draw(commission()), await house.draw(commission(image=png(91)))
    kept = house.portraits.kept_bytes
    house.atelier.forget(one.image_id)
    assert 0 < house.portraits.kept_bytes < kept
    await house.draw(commission(image_id=other.image_id))
    assert house.engine.prepared == 2
    await house.draw(commission())
    assert house.engine.prepared == 3


async def test_a_damaged_picture_is_not_kept():
    house = House()
    with pytest.raises(InvalidImage):
        await house.atelier.keep(png()[:60], client="a")
    assert len(house.album) == 0
