import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.errors import Draining, InvalidInput, QueueFull, Unavailable
from app.takes.take import Status
from tests.fakes import VIRTUAL_TIME, VirtualTime, settle
from tests.takes.fake_store import FakeStore
from tests.takes.stage import FOUR, FakeListener, ask, hooked, stage
from tests.tts.fake_backend import FakeBackend

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend():
    return VIRTUAL_TIME


class FlakyStore(FakeStore):
    """Refuses the saves of these statuses so many times."""

    def __init__(self, **refusals: int) -> None:
        super().__init__()
        self.refusals = refusals

    async def save_take(self, take, **options):
        if self.refusals.get(take.status, 0):
            self.refusals[take.status] -= 1
            raise Unavailable("the database is away")
        return await super().save_take(take, **options)


async def test_a_store_that_is_away_for_a_moment_is_waited_for_before_the_end_is_told():
    listener = FakeListener()
    async with stage(store=FlakyStore(started=2, ready=3)) as scene:
        take = await scene.studio.perform_take("ann", hooked(FOUR), listener, client="socket")
    assert (take.status, scene.take(take.id)) == (Status.READY, take)
    told = [body.decode() for hook, body in scene.hooks() if hook == "status"]
    assert told == ["waiting", "started", "progress_25", "progress_50", "progress_75", "ready"]


async def test_nobody_is_told_that_a_take_is_ready_that_is_not_kept():
    listener = FakeListener()
    async with stage(store=FlakyStore(ready=99)) as scene:
        take = await scene.studio.perform_take("ann", ask(), listener, client="socket")
    assert (take.status, take.recorded, take.error) == (Status.ERROR, None, "the database is away")
    assert Status.READY not in listener.log


async def test_a_line_that_is_full_is_waited_for():
    backend, tries = FakeBackend(), iter([QueueFull("full", retry_after=2.0), QueueFull("full"), None])
    backend.on_start = lambda: setattr(backend, "failure", next(tries, None))
    async with stage(backend) as scene:
        began = anyio.current_time()
        take = await scene.studio.perform_take("ann", ask("One is."), FakeListener(), client="socket")
        assert anyio.current_time() - began == pytest.approx(3.0, abs=0.1)
    assert take.status is Status.READY


async def test_what_nobody_listens_to_waits_longer_for_a_line_that_is_full():
    backend = FakeBackend()
    backend.failure = QueueFull("full", retry_after=5.0)
    listener = FakeListener()
    async with stage(backend) as scene, anyio.create_task_group() as group:
        (unheard,) = await scene.studio.make_takes("ann", [ask("One is.")])
        group.start_soon(lambda: scene.studio.perform_take("ann", ask("One is."), listener, client="socket"))
        await anyio.sleep(60)
        assert (listener.log[-1], scene.take(unheard.id).status) == (Status.ERROR, Status.STARTED)
        backend.failure = None
        await anyio.sleep(6)
        assert scene.take(unheard.id).status is Status.READY


async def test_what_fails_in_a_later_part_leaves_no_audio():
    backend = FakeBackend()
    backend.on_start = lambda: setattr(backend, "failure", InvalidInput("no") if backend.started == 3 else None)
    listener = FakeListener()
    async with stage(backend) as scene:
        take = await scene.studio.perform_take("ann", ask(FOUR), listener, client="socket")
        assert (take.status, take.error, scene.recordings.kept) == (Status.ERROR, "no", {})
    assert [entry for entry in listener.log if isinstance(entry, int)] == [0, 1]


class SteppingStore(FakeStore):
    """Takes a step over each write, so that a cancellation may come in the middle of it."""

    async def add_takes(self, takes, **options):
        await anyio.sleep(0.01)
        await super().add_takes(takes, **options)
        await anyio.sleep(0.01)

    async def save_take(self, take, **options):
        await anyio.sleep(0.01)
        kept = await super().save_take(take, **options)
        await anyio.sleep(0.01)
        return kept


def stopped_after(seconds: float, *, deletes: bool):
    """Run a take of four parts, each spoken in 20 ms, stopped or deleted after so long; returns what is left."""

    async def run():
        backend = FakeBackend()
        listener = FakeListener()
        store = SteppingStore()
        raised = []

        async def follow() -> None:
            try:
                await scene.studio.perform_take("ann", hooked(FOUR), listener, client="socket")
            except Draining as error:
                raised.append(error)

        async def open_soon() -> None:
            await anyio.sleep(0.02)
            backend.open_gate()

        async with anyio.create_task_group() as group, stage(backend, store) as scene:
            backend.on_start = lambda: (backend.close_gate(), group.start_soon(open_soon))
            group.start_soon(follow)
            await anyio.sleep(seconds)
            if deletes:
                for take_id in tuple(store.takes):
                    await scene.studio.delete_take("ann", take_id)
                await settle()
        return store, scene.recordings, listener, raised, scene.hooks()

    return anyio.run(run, backend_options={"loop_factory": VirtualTime})


@settings(max_examples=60, deadline=None)
@given(st.floats(0.0, 0.15))
def test_law_whenever_the_server_stops_a_take_is_whole_or_waits_without_a_trace(seconds):
    store, recordings, listener, raised, hooks = stopped_after(seconds, deletes=False)
    (take,) = store.takes.values()
    assert take.status in (Status.WAITING, Status.READY)
    kept = recordings.kept.get(take.id)
    if take.status is Status.READY:
        assert kept.state == "finished" and listener.log[-1] is Status.READY and not raised
        assert len(kept.pcm) == 2 * take.recorded.duration
    else:
        assert kept is None and raised and take.recorded is None
    assert [body for hook, body in hooks if hook == "done"] == ([b"ready"] if take.status is Status.READY else [])


@settings(max_examples=60, deadline=None)
@given(st.floats(0.0, 0.15))
def test_law_whenever_a_take_is_deleted_nothing_of_it_is_left(seconds):
    store, recordings, listener, raised, _ = stopped_after(seconds, deletes=True)
    if listener.log and listener.log[-1] in (Status.READY, Status.ERROR):
        assert (store.takes, recordings.kept, raised) == ({}, {}, [])
    else:  # it was not there yet to be deleted, and the server stopped
        assert {take.status for take in store.takes.values()} == {Status.WAITING} and recordings.kept == {}
