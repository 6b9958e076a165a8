"""The studio on every store there is, with real recordings: what it says is what is kept."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import anyio
import pytest

from app.audio.format import Format
from app.errors import NotFound
from app.runtime.http import HttpClient
from app.runtime.workers import Workers
from app.takes.recordings import Recordings
from app.takes.store import Page
from app.takes.studio import Studio, StudioLimits
from app.takes.take import Status, Webhook
from app.takes.voice import VoiceChange, VoiceGender, VoiceRequest
from app.takes.webhooks import Webhooks
from app.tts.cache import SpeechCache
from app.tts.synthesizer import Synthesizer
from tests.eventually import eventually
from tests.takes.receiver import receiving
from tests.takes.stage import FOUR, WHOLE, FakeListener, ask
from tests.takes.stores import Kept, kept
from tests.tts.fake_backend import FakeBackend

pytestmark = pytest.mark.anyio

__all__ = ["kept"]

NEW = VoiceRequest("Bea", "fake", VoiceGender.NONBINARY)


@asynccontextmanager
async def studio(kept: Kept, folder: Path, backend: FakeBackend | None = None, ports=(80,)) -> AsyncIterator[Studio]:
    workers = Workers({"codec": 2, "files": 2})
    cache = SpeechCache(max_bytes=0)
    async with (
        Synthesizer([backend or FakeBackend()], workers=workers, cache=cache, queue_depth=99) as synthesizer,
        HttpClient(ports=ports, allowed_networks=["127.0.0.0/8"]) as client,
        Webhooks(kept.deliveries, client, secret=b"s" * 32, attempts=3, deadline=5.0) as webhooks,
        Studio(
            synthesizer,
            kept.store,
            Recordings(folder, workers=workers),
            limits=StudioLimits(),
            maker="here",
            render=lambda item: str(item.status).encode(),
            on_owed=webhooks.look,
        ) as opened,
    ):
        yield opened


async def everybodys(opened: Studio) -> str:
    return next(voice.id for voice in await opened.list_voices("ann", Page()) if voice.owner is None)


async def test_a_take_that_was_listened_to_is_kept_as_it_was_told(kept, tmp_path):
    listener = FakeListener()
    async with studio(kept, tmp_path) as opened:
        request = replace(ask(FOUR), voice_id=await everybodys(opened))
        take = await opened.perform_take("ann", request, listener, client="socket")
    async with studio(kept, tmp_path) as opened:
        assert await opened.find_take("ann", take.id) == take
        recording = await opened.recording(take.id)
        audio = await recording.read(0, 10**6)
        copy = await opened.encoded(take.id, Format.FLAC)
    assert listener.log == [*WHOLE, Status.READY]
    assert audio[44:] == b"".join(part.pcm for part in listener.parts)
    assert copy.stat().st_size > 0


async def test_takes_and_a_voice_are_made_and_told_over_a_stop(kept, tmp_path):
    async with receiving() as receiver:
        hooks = {"status_webhook": Webhook(receiver.url), "done_webhook": Webhook(receiver.url)}
        async with studio(kept, tmp_path, FakeBackend(gated=True), (receiver.port,)) as opened:
            requests = [replace(ask(f"Number {n}.", **hooks), voice_id=await everybodys(opened)) for n in range(5)]
            takes = await opened.make_takes("ann", requests)
            voice = await opened.make_voice("ann", replace(NEW, done_webhook=Webhook(receiver.url)))
        async with studio(kept, tmp_path, ports=(receiver.port,)) as opened:
            for take in takes:
                await opened.encoded(take.id, Format.WAV)
            await opened.encoded(voice.example_take_id, Format.WAV)
            with anyio.fail_after(30):
                while await kept.deliveries.next_ms() is not None:  # noqa: ASYNC110 the store tells nobody
                    await anyio.sleep(0.01)
            made = [await opened.find_take("ann", take.id) for take in takes]
            assert (await opened.find_voice("ann", voice.id)).status is Status.READY
    assert {take.status for take in made} == {Status.READY}
    assert {take.request.wording.done_webhook.status_code for take in made} == {200}
    told = [body for _, body in receiver.got]
    assert told.count(b"ready") == 2 * len(takes) + 1
    assert len({headers["webhook-id"] for headers, _ in receiver.got}) == len(told)


async def test_what_is_deleted_is_gone_with_its_audio(kept, tmp_path):
    async with studio(kept, tmp_path) as opened:
        request = replace(ask(FOUR), voice_id=await everybodys(opened))
        take = await opened.perform_take("ann", request, FakeListener(), client="socket")
        await opened.delete_take("ann", take.id)
        with pytest.raises(NotFound):
            await opened.recording(take.id)
        assert await opened.list_takes("ann", Page()) == []
    await eventually(lambda: not [path for path in tmp_path.rglob("*.wav") if path.is_file()])


async def test_a_change_of_a_voice_while_it_is_made_is_kept(kept, tmp_path):
    listener = FakeListener()
    async with studio(kept, tmp_path) as opened:

        async def rename(item) -> None:
            if item.status is Status.STARTED:
                await opened.update_voice("ann", item.id, VoiceChange(name="Renamed"))

        listener.told = rename
        voice = await opened.perform_voice("ann", NEW, listener, client="socket")
        found = await opened.find_voice("ann", voice.id)
    assert (found.request.name, found.status) == ("Renamed", Status.READY)
