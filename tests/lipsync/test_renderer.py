import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, aclosing
from dataclasses import dataclass, field

import anyio
import pytest

from app.errors import DeadlineExceeded, InvalidAudio, InvalidInput, NoFace, QueueFull, Unavailable
from app.lipsync.clip import Opening, Portrayal, Progress
from app.lipsync.engine import Engine
from app.lipsync.engines import Engines
from app.lipsync.errands import THREAD_NAME
from app.lipsync.network_engine import NetworkEngine
from app.lipsync.portraits import Portraits
from app.lipsync.renderer import PORTRAIT_POOL, Limits, Renderer
from app.lipsync.speeds import Speeds
from app.runtime.queue import WaitingLine
from app.runtime.workers import Workers
from tests.eventually import eventually
from tests.lipsync.performers import Broken, FlatEngine, OneFace, greys, order, png, portrait_threads, tone

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend():
    return "asyncio"


@dataclass
class Studio:
    """A renderer with its parts."""

    engine: FlatEngine = field(default_factory=FlatEngine)
    faces: OneFace = field(default_factory=OneFace)
    limits: Limits = Limits(timeout=60.0)
    speeds: Speeds = field(default_factory=Speeds)
    at_once: int = 2
    clock: Callable[[], float] | None = None
    timer: Callable[[float], AbstractContextManager[anyio.CancelScope]] | None = None

    def __post_init__(self) -> None:
        self.portraits = Portraits(self.faces, cache_bytes=10**7)
        self.workers = Workers({PORTRAIT_POOL: self.at_once})
        self.renderer = Renderer(
            Engines(self.engine, {"network": NetworkEngine("network", _no_weights, lambda: None)}),
            self.portraits,
            self.workers,
            line=WaitingLine(concurrency=self.at_once, depth=1),
            limits=self.limits,
            speeds=self.speeds,
            **({"clock": self.clock} if self.clock else {}),
            **({"timer": self.timer} if self.timer else {}),
        )

    @property
    def is_idle(self) -> bool:
        line = self.renderer.line
        return not (portrait_threads() or line.running or line.waiting or self.workers.running(PORTRAIT_POOL))


def _no_weights():
    raise Unavailable("network has no weights")


def gated(number: int) -> tuple[FlatEngine, anyio.Event, threading.Event]:
    """An engine that stops at a frame, an event that tells so, and one that lets it go on."""
    there, go_on = anyio.Event(), threading.Event()
    token = anyio.lowlevel.current_token()

    def before(each: int) -> None:
        if each == number:
            anyio.from_thread.run_sync(there.set, token=token)
            go_on.wait(20)

    return FlatEngine(before=before), there, go_on


async def test_a_portrait_speaks_and_says_who_drew_it():
    studio = Studio()
    progress: list[Progress] = []

    portrayal = await studio.renderer.render(order(2.0, resize_factor=2), client="a", on_progress=progress.append)

    assert len(greys(portrayal.video)) == portrayal.frames == 50
    assert (portrayal.width, portrayal.height, portrayal.fps) == (32, 32, 25)
    assert portrayal.duration == pytest.approx(2.0)
    assert (portrayal.model_used, portrayal.requested_model, portrayal.fallback_reason) == ("flat", "flat", None)
    assert (portrayal.faces, portrayal.is_rough) == (1, False)
    assert portrayal.video_bytes == len(portrayal.video)
    assert portrayal.inference_fps > 0 and portrayal.seconds > 0
    assert progress[-1].share == 1.0
    assert [each.frames for each in progress] == sorted(each.frames for each in progress)
    assert studio.is_idle


async def test_a_network_without_weights_is_replaced_and_that_is_told():
    portrayal = await Studio().renderer.render(order(0.2, model="network"), client="a")

    assert (portrayal.model_used, portrayal.requested_model) == ("flat", "network")
    assert portrayal.fallback_reason == "network has no weights"


async def test_an_unknown_model_is_refused():
    with pytest.raises(InvalidInput, match="'other' is unknown: flat, network"):
        await Studio().renderer.render(order(model="other"), client="a")


async def test_a_stream_comes_in_fragments_and_ends_with_what_it_was():
    studio = Studio()
    async with aclosing(studio.renderer.stream(order(2.0), client="a")) as parts:
        opening, *fragments, portrayal = [part async for part in parts]

    assert isinstance(portrayal, Portrayal)
    for name in Opening.__dataclass_fields__:
        assert getattr(opening, name) == getattr(portrayal, name)
    assert len(fragments) > 4
    video = b"".join(fragments)
    assert (portrayal.video, portrayal.video_bytes) == (b"", len(video))
    assert len(greys(video)) == portrayal.frames == 50
    assert portrayal.codecs.startswith("avc1.")
    assert studio.is_idle


async def test_who_leaves_a_stream_leaves_nothing_behind():
    studio = Studio()
    async with aclosing(studio.renderer.stream(order(100.0), client="a")) as parts:
        assert await anext(parts)
    assert studio.is_idle


async def test_a_cancelled_portrait_leaves_nothing_behind_and_the_next_one_is_drawn():
    engine, there, go_on = gated(30)
    studio = Studio(engine)
    async with anyio.create_task_group() as group:
        group.start_soon(_rendered, studio, [], order(100.0))
        await there.wait()
        go_on.set()
        group.cancel_scope.cancel()
    assert studio.is_idle

    assert (await studio.renderer.render(order(0.2), client="a")).frames == 5


async def test_a_cancelled_portrait_does_not_wait_for_models_and_the_next_one_has_them():
    loading, go_on, loaded = anyio.Event(), threading.Event(), []
    token = anyio.lowlevel.current_token()

    class Slow(FlatEngine):
        def prepare(self, picture, face, order):
            anyio.from_thread.run_sync(loading.set, token=token)
            assert go_on.wait(20)
            loaded.append(picture)
            return super().prepare(picture, face, order)

    studio = Studio(Slow())
    async with anyio.create_task_group() as group:
        group.start_soon(_rendered, studio, [], order(100.0))
        await loading.wait()
        group.cancel_scope.cancel()
    assert loaded == [] and not go_on.is_set() and studio.is_idle  # it has not waited

    go_on.set()
    assert (await studio.renderer.render(order(0.2), client="a")).frames == 5
    await eventually(lambda: not _errands())
    assert len(loaded) <= 2 and studio.faces.looked == 1
    await studio.renderer.render(order(0.2), client="a")
    assert len(loaded) <= 2


def _errands() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == THREAD_NAME]


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


async def test_a_portrait_that_is_not_ready_in_time_ends():
    clock = Clock()

    def late(number: int) -> None:
        if number == 30:
            clock.now = 400.0

    studio = Studio(FlatEngine(before=late), limits=Limits(timeout=300.0), clock=clock)

    with pytest.raises(DeadlineExceeded, match=r"not drawn within 300 s: \d+ of about 2500 frames were"):
        await studio.renderer.render(order(100.0), client="a")
    assert studio.is_idle


async def test_who_hangs_beyond_its_time_is_ended():
    there, go_on = threading.Event(), threading.Event()

    def hang(number: int) -> None:
        if number == 30:
            there.set()
            assert go_on.wait(20)

    def over(seconds: float) -> AbstractContextManager[anyio.CancelScope]:
        """Time is over as soon as the engine hangs, which then goes on."""
        scope = anyio.CancelScope()
        group.start_soon(end, scope)
        return scope

    async def end(scope: anyio.CancelScope) -> None:
        await eventually(there.is_set)
        scope.cancel()
        go_on.set()

    studio = Studio(FlatEngine(before=hang), limits=Limits(timeout=300.0), timer=over)
    async with anyio.create_task_group() as group:
        with pytest.raises(DeadlineExceeded, match="not drawn within 300 s"):
            await studio.renderer.render(order(100.0), client="a")
        group.cancel_scope.cancel()
    assert studio.is_idle


async def test_a_portrait_that_cannot_be_ready_in_time_is_refused_with_the_numbers():
    speeds = Speeds()
    speeds.learn("flat", pixels=64 * 64, frames=100, seconds=10.0)
    studio = Studio(speeds=speeds, limits=Limits(timeout=200.0), clock=Clock())

    with pytest.raises(DeadlineExceeded, match=r"2500 frames .* 250 s here \(10 frames/s\); 200 s"):
        await studio.renderer.render(order(100.0), client="a")
    assert (studio.engine.prepared, studio.is_idle) == (0, True)


async def test_a_portrait_that_turns_out_too_slow_is_ended():
    clock = Clock()

    def slow(number: int) -> None:
        clock.now += 1.0

    studio = Studio(FlatEngine(before=slow), limits=Limits(timeout=1000.0), clock=clock)
    with pytest.raises(DeadlineExceeded, match=r"of about 2500 frames are drawn after"):
        await studio.renderer.render(order(100.0), client="a")
    assert studio.is_idle


async def test_a_speed_is_learnt():
    studio = Studio()
    await studio.renderer.render(order(1.0), client="a")
    assert studio.speeds.predict("flat", pixels=64 * 64)


async def test_two_at_once_get_their_own_pictures_and_sounds():
    studio = Studio()
    results: list[Portrayal] = []
    async with anyio.create_task_group() as group:
        for side, seconds in ((64, 1.0), (96, 2.0)):
            group.start_soon(_rendered, studio, results, order(seconds, image=png(90, side, side)))

    assert sorted((each.width, each.frames, len(greys(each.video))) for each in results) == [(64, 25, 25), (96, 50, 50)]


async def test_the_same_picture_at_once_is_prepared_for_each():
    engine, there, go_on = gated(5)
    studio = Studio(engine)
    async with anyio.create_task_group() as group:
        group.start_soon(_rendered, studio, [], order(1.0))
        await there.wait()
        engine.before = lambda number: None
        await studio.renderer.render(order(1.0), client="b")
        go_on.set()
    assert (engine.prepared, studio.faces.looked) == (2, 1)


async def test_a_picture_is_looked_at_once():
    studio = Studio()
    for changes in ({}, {"audio": tone(0.5)}, {"pads": (0, 0, 0, 0)}, {"resize_factor": 2}, {}):
        await studio.renderer.render(order(**{"seconds": 0.2, **changes}), client="a")

    assert (studio.faces.looked, studio.engine.prepared) == (2, 3)
    assert 0 < studio.portraits.kept_bytes < 100_000


async def test_who_comes_too_many_is_refused():
    engine, there, go_on = gated(5)
    studio = Studio(engine, at_once=1)
    async with anyio.create_task_group() as group:
        group.start_soon(_rendered, studio, [], order(1.0))
        await there.wait()
        group.start_soon(_rendered, studio, [], order(1.0))
        await anyio.wait_all_tasks_blocked()
        with pytest.raises(QueueFull):
            await studio.renderer.render(order(1.0), client="b")
        go_on.set()
    assert studio.is_idle


@pytest.mark.parametrize(
    ("changes", "faces", "error"),
    [
        ({"audio": b"nothing"}, 1, InvalidAudio),
        ({"audio": tone(2.0)}, 1, InvalidAudio),
        ({"image": b"nothing"}, 1, InvalidInput),
        ({}, 0, NoFace),
        ({"face": 3}, 1, InvalidInput),
    ],
)
async def test_what_cannot_be_drawn_is_refused(changes, faces, error):
    studio = Studio(faces=OneFace(faces), limits=Limits(max_seconds=1.5))
    with pytest.raises(error):
        await studio.renderer.render(order(**changes), client="a")
    assert studio.is_idle


async def test_what_an_engine_meets_is_raised():
    def fail(number: int) -> None:
        raise Broken("no more")

    studio = Studio(FlatEngine(before=fail))
    with pytest.raises(Broken):
        await studio.renderer.render(order(), client="a")
    assert studio.is_idle


async def _rendered(studio: Studio, results: list[Portrayal], what) -> None:
    results.append(await studio.renderer.render(what, client=id(what)))


def test_the_fake_is_an_engine():
    engine: Engine = FlatEngine()
    assert engine.name == "flat"
