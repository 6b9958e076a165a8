"""The studio's voices. A new voice is shaped, in threads, so there is no virtual time here."""

from dataclasses import replace

import pytest

from app.errors import Denied, InvalidInput, NotFound, Unavailable
from app.takes.store import Page
from app.takes.take import Status, Webhook, Wording
from app.takes.voice import VoiceChange, VoiceGender, VoiceRequest
from app.tts.backend import Health
from tests.takes.fake_store import FakeStore
from tests.takes.stage import FOUR, WHOLE, FakeListener, ask, stage
from tests.tts.fake_backend import FakeBackend

pytestmark = pytest.mark.anyio

NEW = VoiceRequest("Bea", "fake", VoiceGender.NONBINARY, done_webhook=Webhook("https://ann.example/voice"))


async def test_a_new_voice_is_done_with_its_example():
    async with stage() as scene:
        voice = await scene.studio.make_voice("ann", NEW)
        assert voice.status is Status.WAITING and voice.design.gender is VoiceGender.NONBINARY
        await scene.done(voice.example_take_id)
        voice = await scene.studio.find_voice("ann", voice.id)
        example = await scene.studio.find_take("ann", voice.example_take_id)
    assert (voice.status, example.status, example.request.voice_id) == (Status.READY, Status.READY, voice.id)
    assert [body for hook, body in scene.hooks()] == [b"ready"]


async def test_who_listens_to_a_new_voice_is_told_of_the_voice_and_hears_its_example():
    listener = FakeListener()
    asked = replace(NEW, example=Wording(FOUR))
    async with stage() as scene:
        voice = await scene.studio.perform_voice("ann", asked, listener, client="socket")
    assert listener.log == [*WHOLE, Status.READY]
    assert {item.id for item in listener.items} == {voice.id}
    assert scene.store.voices[voice.id] == voice


async def test_a_voice_whose_example_fails_is_an_error():
    async with stage() as scene:
        scene.recordings.failure = Unavailable("the disk is full")
        voice = await scene.studio.make_voice("ann", NEW)
        await scene.done(voice.example_take_id)
    assert scene.store.voices[voice.id].status is Status.ERROR


async def test_a_voice_whose_example_is_deleted_before_it_is_made_is_an_error():
    async with stage(FakeBackend(gated=True), at_once=1) as scene:
        await scene.studio.make_takes("ann", [ask()])
        voice = await scene.studio.make_voice("ann", NEW)
        await scene.studio.delete_take("ann", voice.example_take_id)
    assert scene.store.voices[voice.id].status is Status.ERROR


async def test_a_voice_whose_example_was_made_when_the_server_was_killed_is_done_at_the_next_start():
    store = FakeStore()
    async with stage(store=store) as scene:
        voice = await scene.studio.make_voice("ann", NEW)
        await scene.done(voice.example_take_id)
    store.voices[voice.id] = replace(store.voices[voice.id], status=Status.PROGRESS_25)
    async with stage(store=store):
        assert store.voices[voice.id].status is Status.READY


async def test_a_voice_without_an_example_is_an_error_at_the_next_start():
    store = FakeStore()
    async with stage(FakeBackend(gated=True), store) as scene:
        voice = await scene.studio.make_voice("ann", NEW)
    store.takes.clear()
    async with stage(store=store) as scene:
        assert store.voices[voice.id].status is Status.ERROR


@pytest.mark.parametrize(
    "request_",
    [
        replace(NEW, model="absent"),
        replace(NEW, default_style=("shouting",)),
        replace(NEW, example=Wording("...")),
    ],
)
async def test_a_voice_that_cannot_be_made_is_refused(request_):
    async with stage() as scene:
        before = set(scene.store.voices)
        with pytest.raises(InvalidInput):
            await scene.studio.make_voice("ann", request_)
        with pytest.raises(InvalidInput):
            await scene.studio.perform_voice("ann", request_, FakeListener(), client="socket")
        assert set(scene.store.voices) == before


async def test_a_change_of_a_voice_leaves_its_sound():
    async with stage() as scene:
        sound = scene.store.voices["v1"].design
        voice = await scene.studio.update_voice("ann", "v1", VoiceChange(name="Anna", gender=VoiceGender.MALE))
        assert (voice.request.name, voice.request.gender, voice.design) == ("Anna", VoiceGender.MALE, sound)
        with pytest.raises(InvalidInput):
            await scene.studio.update_voice("ann", "v1", VoiceChange(default_style=("shouting",)))


async def test_voices_of_a_model_that_comes_later_are_there_when_it_is():
    backend = FakeBackend()
    backend.state = Health(False, "loading")
    async with stage(backend) as scene:
        assert {voice.owner for voice in await scene.studio.list_voices("ann", Page())} == {"ann"}
        backend.state = Health(True)
        assert {voice.owner for voice in await scene.studio.list_voices("ann", Page())} == {"ann", None}


async def test_everybodys_voices_are_there_and_nobodys_to_change():
    async with stage() as scene:
        everybodys = next(voice for voice in await scene.studio.list_voices("bob", Page()) if voice.owner is None)
        with pytest.raises(Denied):
            await scene.studio.update_voice("bob", everybodys.id, VoiceChange(name="mine"))
        with pytest.raises(Denied):
            await scene.studio.delete_voice("bob", everybodys.id)
        with pytest.raises(NotFound):
            await scene.studio.delete_voice("bob", "v1")
