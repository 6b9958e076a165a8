from dataclasses import replace

import anyio
import pytest

from app.errors import (
    BackendUnavailable,
    Draining,
    InvalidInput,
    NotFound,
    NothingToSpeak,
    Overloaded,
    TextTooLong,
    Unavailable,
    WorkerLost,
)
from app.takes.part import Part
from app.takes.store import Page
from app.takes.take import Status, Take, TakeRequest, Wording
from app.tts.backend import Health
from tests.fakes import VIRTUAL_TIME, settle
from tests.takes.fake_store import FakeStore
from tests.takes.stage import FOUR, WHOLE, FakeListener, FakeRecordings, Stage, ask, hooked, stage
from tests.tts.fake_backend import FakeBackend

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend():
    return VIRTUAL_TIME


async def perform(scene: Stage, text: str = FOUR, listener: FakeListener | None = None, **wording):
    return await scene.studio.perform_take("ann", ask(text, **wording), listener or FakeListener(), client="socket")


# A take that somebody listens to


async def test_a_listener_is_told_and_hears_everything_in_order():
    listener = FakeListener()
    async with stage() as scene:
        take = await perform(scene, FOUR, listener)
    assert listener.log == [*WHOLE, Status.READY]
    assert listener.items[-1] == take == scene.take(take.id)
    assert [part.text for part in listener.parts] == ["One is.", "Two is.", "Three is.", "Four is."]


async def test_the_duration_is_that_of_the_parts_and_they_are_the_recording():
    listener = FakeListener()
    async with stage() as scene:
        take = await perform(scene, FOUR, listener)
    joined = b"".join(part.pcm for part in listener.parts)
    assert take.recorded.duration * 2 == len(joined) and take.recorded.audio_rate == 8000
    assert take.recorded.normalized_text == ("One is.", "Two is.", "Three is.", "Four is.")
    assert (scene.recordings.kept[take.id].pcm, scene.recordings.kept[take.id].state) == (joined, "finished")


async def test_a_take_of_one_part_has_no_progress():
    listener = FakeListener()
    async with stage() as scene:
        await perform(scene, "Hello there.", listener)
    assert listener.log == [Status.WAITING, Status.STARTED, 0, Status.READY]


async def test_progress_is_told_once_and_only_the_last_that_was_reached():
    listener = FakeListener()
    async with stage() as scene:
        await perform(scene, "One is. Two is.", listener)
    assert listener.log == [Status.WAITING, Status.STARTED, 0, Status.PROGRESS_50, 1, Status.READY]


async def test_nobody_is_told_of_a_take_that_is_not_kept_yet():
    listener = FakeListener()
    async with stage() as scene:
        listener.on_told = lambda item: scene.take(item.id)
        await perform(scene, FOUR, listener)


async def test_a_take_that_cannot_be_kept_is_refused_and_nothing_is_told():
    class Full(FakeStore):
        async def add_takes(self, takes, **options):
            raise Unavailable("no room")

    listener = FakeListener()
    async with stage(store=Full()) as scene:
        with pytest.raises(Unavailable, match="no room"):
            await perform(scene, FOUR, listener)
    assert (listener.log, scene.recordings.kept) == ([], {})


async def test_the_first_part_is_spoken_while_the_take_is_being_kept():
    class Slow(FakeStore):
        async def add_takes(self, takes, **options):
            await anyio.sleep(5)
            assert scene.backend.spoken == ["One is."]
            await super().add_takes(takes, **options)

    async with stage(store=Slow()) as scene:
        take = await perform(scene)
    assert take.status is Status.READY


async def test_four_parts_at_most_are_made_ahead_of_what_was_heard():
    listener = FakeListener()
    text = " ".join(f"This is sentence {n}." for n in range(20))
    async with stage() as scene, anyio.create_task_group() as group:
        listener.stop_listening()
        group.start_soon(perform, scene, text, listener)
        await settle()
        assert (len(scene.backend.spoken), len(listener.parts)) == (4, 1)
        listener.on_heard = lambda part: ahead.append(len(scene.backend.spoken) - len(listener.parts))
        ahead = []
        listener.listen_again()
    assert max(ahead) <= 4 and len(listener.parts) == 20


async def test_whoever_stops_listening_leaves_the_take_to_be_made():
    listener = FakeListener()
    text = " ".join(f"This is sentence {n}." for n in range(20))
    async with stage() as scene:
        listener.stop_listening()
        with anyio.move_on_after(1):
            await perform(scene, text, listener)
        await settle()
        (take,) = scene.store.takes.values()
    assert (take.status, len(take.recorded.normalized_text), len(listener.parts)) == (Status.READY, 20, 1)


async def test_what_a_listener_raises_is_raised_and_the_take_goes_on():
    listener = FakeListener()

    def fail(part):
        raise ValueError("the socket is gone")

    listener.on_heard = fail
    async with stage() as scene:
        with pytest.raises(ValueError, match="gone"):
            await perform(scene, FOUR, listener)
        await settle()
        (take,) = scene.store.takes.values()
    assert take.status is Status.READY


async def test_a_backend_that_breaks_ends_the_take_as_error():
    listener = FakeListener()
    backend = FakeBackend()
    listener.on_heard = lambda part: setattr(backend, "failure", InvalidInput("no such phoneme"))
    backend.concurrency = 1
    async with stage(backend) as scene:
        take = await perform(scene, FOUR + " " + FOUR, listener)
    assert (take.status, take.error, take.recorded) == (Status.ERROR, "no such phoneme", None)
    assert scene.take(take.id) == take
    assert listener.log[-1] is Status.ERROR
    assert scene.recordings.kept == {}


async def test_a_fault_of_ours_ends_the_take_and_not_the_studio(caplog):
    async with stage() as scene:
        scene.recordings.failure = ZeroDivisionError("a bug")
        take = await perform(scene)
        assert (take.status, take.error) == (Status.ERROR, "internal error")
        scene.recordings.failure = None
        assert (await perform(scene)).status is Status.READY
    assert "a bug" in caplog.text


EIGHT = "One is. " * 8


async def perform_without_backend(seconds: float) -> Take:
    """Perform a take of eight parts whose backend goes away with the first one, for so many seconds."""
    backend, listener = FakeBackend(), FakeListener()

    async def come_back() -> None:
        await anyio.sleep(seconds)
        backend.state = Health(True)

    async with stage(backend) as scene, anyio.create_task_group() as group:

        def go_away(part: Part) -> None:
            if part.index == 0:
                backend.state = Health(False, "restarting")
                group.start_soon(come_back)

        listener.on_heard = go_away
        return await perform(scene, EIGHT, listener)


async def test_a_backend_that_is_away_for_a_moment_is_asked_again():
    take = await perform_without_backend(3)
    assert (take.status, len(take.recorded.normalized_text)) == (Status.READY, 8)


async def test_a_backend_that_stays_away_ends_the_take():
    take = await perform_without_backend(60)
    assert (take.status, take.error) == (Status.ERROR, "backend 'fake' is currently unavailable: restarting")


async def test_a_worker_may_be_lost_once_in_a_part():
    backend = FakeBackend()
    lost = iter([WorkerLost("gone"), None, WorkerLost("gone"), WorkerLost("gone")])
    backend.on_start = lambda: setattr(backend, "failure", next(lost))
    async with stage(backend) as scene:
        assert (await perform(scene, "One is.")).status is Status.READY
        assert (await perform(scene, "One is.")).status is Status.ERROR


@pytest.mark.parametrize(
    ("request_", "error"),
    [
        (ask("🎉 ..."), NothingToSpeak),
        (ask("x" * 101), TextTooLong),
        (ask(style=("shouting",)), InvalidInput),
        (ask(override_language="xx"), InvalidInput),
        (TakeRequest(Wording("Hello."), "v2"), NotFound),
    ],
)
async def test_what_cannot_be_made_is_refused_before_anything_is_kept(request_, error):
    async with stage(text_characters=100) as scene:
        with pytest.raises(error):
            await scene.studio.perform_take("ann", request_, FakeListener(), client="socket")
        with pytest.raises(error):
            await scene.studio.make_takes("ann", [ask(), request_])
    assert scene.store.takes == {}


async def test_another_account_does_not_find_the_voice():
    async with stage() as scene:
        with pytest.raises(NotFound, match="voice 'v1'"):
            await scene.studio.perform_take("bob", ask(), FakeListener(), client="socket")


async def test_a_model_that_cannot_speak_is_said_at_once():
    async with stage() as scene:
        scene.backend.state = Health(False, "no model")
        with pytest.raises(BackendUnavailable, match="no model"):
            await perform(scene)


async def test_each_sentence_shows_its_language_unless_one_is_named():
    async with stage() as scene:
        await perform(scene, "Hello there, my friend. 你好，世界。")
        await perform(scene, "Hello there, my friend.", override_language="zh-CN")
    assert scene.backend.voices_used == ["fake-en-US", "fake-zh-CN", "fake-zh-CN"]


# Takes that nobody listens to


async def test_takes_are_answered_as_waiting_and_made():
    async with stage() as scene:
        takes = await scene.studio.make_takes("ann", [ask("One is."), ask("Two is.")])
        assert [take.status for take in takes] == [Status.WAITING] * 2
        await settle()
        found = [await scene.studio.find_take("ann", take.id) for take in takes]
    assert [take.recorded.normalized_text for take in found] == [("One is.",), ("Two is.",)]


async def test_an_account_has_no_more_takes_waiting_than_it_may():
    backend = FakeBackend(gated=True)
    async with stage(backend, waiting_per_account=3, at_once=1) as scene:
        with pytest.raises(Overloaded, match="3 may"):
            await scene.studio.make_takes("ann", [ask()] * 4)
        assert scene.store.takes == {}
        await scene.studio.make_takes("ann", [ask()] * 3)
        backend.open_gate()


async def test_there_are_no_more_takes_at_once_than_there_may_be():
    async with stage(batch=2) as scene:
        with pytest.raises(InvalidInput, match="3 takes at once, 2 may"):
            await scene.studio.make_takes("ann", [ask()] * 3)


async def test_accounts_take_turns_and_a_batch_makes_nobody_wait_who_listens():
    backend = FakeBackend(gated=True)
    async with stage(backend, at_once=1) as scene, anyio.create_task_group() as group:
        scene.store.voices["v1"] = replace(scene.store.voices["v1"], owner=None)
        await scene.studio.make_takes("ann", [ask(f"Ann {n}.") for n in ("one", "two", "three")])
        await settle()
        await scene.studio.make_takes("bob", [ask("Bob one.")])
        group.start_soon(perform, scene, "Live one. Live two.")
        await settle()
        backend.open_gate()
        await settle()
    assert backend.spoken == ["Ann one.", "Live one.", "Live two.", "Ann two.", "Bob one.", "Ann three."]


async def test_a_take_of_the_backlog_whose_voice_is_gone_ends_as_error():
    async with stage(FakeBackend(gated=True), at_once=1) as scene:
        _, second = await scene.studio.make_takes("ann", [ask(), ask()])
        await settle()
        await scene.studio.delete_voice("ann", "v1")
        scene.backend.open_gate()
        await settle()
    assert (scene.take(second.id).status, scene.take(second.id).error) == (Status.ERROR, "voice 'v1' does not exist")


# Webhooks


async def test_every_status_is_owed_in_order_and_the_end_once():
    async with stage() as scene:
        take = await scene.studio.perform_take("ann", hooked(FOUR), FakeListener(), client="socket")
    told = [body.decode() for hook, body in scene.hooks() if hook == "status"]
    assert told == ["waiting", "started", "progress_25", "progress_50", "progress_75", "ready"]
    assert [body for hook, body in scene.hooks() if hook == "done"] == [b"ready"]
    assert take.status is Status.READY and scene.owed


async def test_statuses_that_the_store_has_no_time_for_are_owed_all_the_same():
    class Slow(FakeStore):
        async def save_take(self, take, **options):
            await anyio.sleep(60)
            self.saved = [*getattr(self, "saved", []), take.status]
            return await super().save_take(take, **options)

    async with stage(store=Slow()) as scene:
        await scene.studio.perform_take("ann", hooked(FOUR), FakeListener(), client="socket")
    told = [body.decode() for hook, body in scene.hooks() if hook == "status"]
    assert scene.store.saved == [Status.READY]
    assert told == ["waiting", "started", "progress_25", "progress_50", "progress_75", "ready"]


# Deleting


async def test_a_take_that_is_being_made_is_made_no_further_when_it_is_deleted():
    listener = FakeListener()
    async with stage() as scene, anyio.create_task_group() as group:
        listener.stop_listening()
        group.start_soon(perform, scene, "One is. " * 20, listener)
        await settle()
        (take,) = scene.store.takes.values()
        listener.listen_again()
        scene.backend.close_gate()
        await scene.studio.delete_take("ann", take.id)
        scene.backend.open_gate()
    assert (scene.store.takes, scene.recordings.kept) == ({}, {})
    assert (listener.items[-1].status, listener.items[-1].error) == (Status.ERROR, "the take was deleted")


async def test_a_take_that_waits_is_not_made_when_it_is_deleted():
    async with stage(FakeBackend(gated=True), at_once=1) as scene:
        first, second = await scene.studio.make_takes("ann", [ask("One is."), ask("Two is.")])
        await settle()
        await scene.studio.delete_take("ann", second.id)
        scene.backend.open_gate()
        await settle()
    assert scene.backend.spoken == ["One is."] and set(scene.store.takes) == {first.id}


async def test_a_take_that_another_server_deletes_is_made_no_further():
    listener = FakeListener()
    listener.seconds = 1.0
    async with stage() as scene, anyio.create_task_group() as group:
        group.start_soon(perform, scene, "One is. " * 20, listener)
        await settle()
        scene.store.takes.clear()
        await anyio.sleep(20)
        assert (listener.items[-1].status, scene.recordings.kept) == (Status.ERROR, {})
    assert len(listener.parts) < 15


async def test_a_take_that_another_server_deletes_in_the_last_moment_is_told_as_such():
    listener = FakeListener()
    listener.on_heard = lambda part: scene.store.takes.clear()
    async with stage() as scene:
        take = await perform(scene, "One is.", listener)
        assert (take.status, take.recorded, scene.recordings.kept) == (Status.ERROR, None, {})
    assert Status.READY not in listener.log


async def test_a_take_that_is_not_there_cannot_be_deleted_or_found():
    async with stage() as scene:
        take = await perform(scene)
        for owner, take_id in (("ann", "t2"), ("bob", take.id)):
            with pytest.raises(NotFound):
                await scene.studio.delete_take(owner, take_id)
            with pytest.raises(NotFound):
                await scene.studio.find_take(owner, take_id)
        assert await scene.studio.list_takes("ann", Page()) == [take]


# Audio


async def test_audio_can_be_had_as_soon_as_it_begins():
    async with stage(FakeBackend(gated=True)) as scene, anyio.create_task_group() as group:
        (take,) = await scene.studio.make_takes("ann", [ask(FOUR)])
        got = []

        async def fetch() -> None:
            got.append(await scene.studio.recording(take.id))

        group.start_soon(fetch)
        await settle()
        assert got == []
        scene.backend.open_gate()
        await settle()
        assert got == [scene.recordings.kept[take.id]]


async def test_other_formats_wait_until_the_take_is_made():
    async with stage(FakeBackend(gated=True)) as scene:
        (take,) = await scene.studio.make_takes("ann", [ask(FOUR)])
        await settle()
        with anyio.move_on_after(1) as patience:
            await scene.studio.encoded(take.id, "mp3")
        assert patience.cancelled_caught
        scene.backend.open_gate()
        assert (await scene.studio.encoded(take.id, "mp3")).name == f"{take.id}.mp3"


async def test_a_take_that_failed_has_no_audio():
    async with stage() as scene:
        scene.recordings.failure = Unavailable("the disk is full")
        (take,) = await scene.studio.make_takes("ann", [ask()])
        with pytest.raises(NotFound):
            await scene.studio.recording(take.id)
        assert scene.take(take.id).error == "the disk is full"


# The end and the beginning of the server


async def test_a_stop_puts_back_what_was_being_made_and_the_next_start_makes_it():
    store, recordings = FakeStore(), FakeRecordings()
    listener = FakeListener()

    async def follow() -> None:
        with pytest.raises(Draining):
            await perform(scene, FOUR, listener)

    async with anyio.create_task_group() as group, stage(FakeBackend(gated=True), store, recordings) as scene:
        await scene.studio.make_takes("ann", [ask("Rest one."), ask("Rest two.")])
        group.start_soon(follow)
        await settle()
    assert {take.status for take in store.takes.values()} == {Status.WAITING}
    async with stage(FakeBackend(), store, recordings):
        await settle()
    assert {take.status for take in store.takes.values()} == {Status.READY}
    assert len(store.takes) == 3


async def test_after_the_stop_nothing_is_taken():
    async with stage() as scene:
        pass
    with pytest.raises(Draining):
        await scene.studio.make_takes("ann", [ask()])


async def test_what_was_being_made_when_the_server_was_killed_ends_as_error_and_is_owed_once():
    store = FakeStore()
    async with stage(store=store) as scene:
        take = await scene.studio.perform_take("ann", hooked(), FakeListener(), client="socket")
    store.takes[take.id] = replace(take, status=Status.PROGRESS_25, recorded=None)
    store.deliveries.owed.clear()
    for _ in range(2):
        async with stage(store=store) as scene:
            assert scene.take(take.id).status is Status.ERROR
    assert sorted(scene.hooks()) == [("done", b"error"), ("status", b"error")]
    assert scene.recordings.kept == {}


async def test_takes_of_other_servers_are_left_alone():
    store = FakeStore()
    async with stage(store=store) as scene:
        take = await perform(scene)
    store.takes[take.id] = replace(take, status=Status.STARTED, recorded=None)
    store.makers[take.id] = "elsewhere"
    async with stage(store=store) as scene:
        assert scene.take(take.id).status is Status.STARTED


async def test_what_is_not_done_within_a_day_ends_as_timeout():
    async with stage(FakeBackend(gated=True), at_once=1) as scene:
        takes = await scene.studio.make_takes("ann", [hooked(), hooked()])
        await settle()
        scene.clock[0] += 24 * 3600 + 1
        await anyio.sleep(601)
        assert [scene.take(take.id).status for take in takes] == [Status.TIMEOUT] * 2
        assert [body for hook, body in scene.hooks() if hook == "done"] == [b"timeout"] * 2


async def test_upkeep_waits_for_a_store_that_is_away(caplog):
    class Away(FakeStore):
        is_away = False

        async def overdue_takes(self, **options):
            if self.is_away:
                raise Unavailable("the database is away")
            return await super().overdue_takes(**options)

    async with stage(FakeBackend(gated=True), Away()) as scene:
        (take,) = await scene.studio.make_takes("ann", [ask()])
        scene.clock[0] += 24 * 3600 + 1
        scene.store.is_away = True
        await anyio.sleep(601)
        scene.store.is_away = False
        await anyio.sleep(601)
        assert scene.take(take.id).status is Status.TIMEOUT
    assert "the database is away" in caplog.text


async def test_models_are_the_backends_that_can_speak():
    async with stage() as scene:
        assert [model.name for model in scene.studio.models()] == ["fake"]
