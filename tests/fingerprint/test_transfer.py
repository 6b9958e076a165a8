import io
from contextlib import aclosing
from dataclasses import replace

import pytest

from app.errors import InvalidInput, Unavailable
from app.fingerprint.store import Outcome, Page
from app.fingerprint.transfer import BATCH, export, import_archive
from app.runtime.workers import FILES_POOL, Workers
from tests.fingerprint.fake_store import FakeStore
from tests.fingerprint.indexes import track
from tests.fingerprint.stores import new_track, shared, store

__all__ = ["shared", "store"]

pytestmark = pytest.mark.anyio


def sounding(number, **labels):
    return replace(new_track(number, sound=track(number).to_bytes(), **labels), duration=track(number).duration)


async def exported(store):
    async with aclosing(export(store)) as pieces:
        return b"".join([piece async for piece in pieces])


async def taken(store, data):
    return await import_archive(io.BytesIO(data), store.add, Workers({FILES_POOL: 1}))


async def test_a_catalogue_goes_from_one_store_to_another(store):
    first = FakeStore()
    await first.add([sounding(number, title=f"Title {number}") for number in range(1, BATCH + 4)])
    await first.remove([2])
    report = await taken(store, await exported(first))
    assert report.outcomes[Outcome.ADDED] == BATCH + 2 and report.flaws == []
    assert await labels_and_sounds(store) == await labels_and_sounds(first)
    assert await exported(store) == (await exported(first))


async def test_an_import_again_changes_nothing(store):
    await store.add([sounding(1), sounding(2)])
    before = await store.changes(0)
    report = await taken(store, await exported(store))
    assert report.outcomes[Outcome.KNOWN] == 2
    assert await store.changes(0) == before


async def test_a_name_that_is_taken_is_told():
    one, other = FakeStore(), FakeStore()
    await one.add([sounding(1, video_id="x"), sounding(2)])
    await other.add([sounding(3, video_id="x", title="Three")])
    report = await taken(other, await exported(one))
    assert (report.outcomes[Outcome.TAKEN], report.outcomes[Outcome.ADDED]) == (1, 1)
    assert report.flaws[0].reason == "video_id 'x' is another track's: 'Three'"


async def test_an_empty_catalogue_is_a_catalogue(store):
    report = await taken(store, await exported(store))
    assert not any(report.outcomes.values()) and report.flaws == []


async def test_what_is_no_archive_is_refused(store):
    with pytest.raises(InvalidInput):
        await taken(store, b"hello")


async def test_what_came_before_the_damage_is_kept():
    one, other = FakeStore(), FakeStore()
    await one.add([sounding(number) for number in range(2 * BATCH)])
    data = await exported(one)
    with pytest.raises(InvalidInput, match="cannot be read"):
        await taken(other, data[: len(data) - 12_345])
    assert len(other.rows) == BATCH


async def test_what_is_removed_meanwhile_is_left_out_whole(monkeypatch):
    store = FakeStore()
    await store.add([sounding(number) for number in range(1, 4)])
    find = store.find

    async def find_later(ids):
        await store.remove([2])
        return await find(ids)

    monkeypatch.setattr(store, "find", find_later)
    report = await taken(FakeStore(), await exported(store))
    assert report.outcomes[Outcome.ADDED] == 2 and report.flaws == []


async def test_an_outage_is_raised():
    async def fail(tracks):
        raise Unavailable("no database")

    store = FakeStore()
    await store.add([sounding(1)])
    with pytest.raises(Unavailable):
        await import_archive(io.BytesIO(await exported(store)), fail, Workers({FILES_POOL: 1}))


async def labels_and_sounds(store):
    page = (await store.list_tracks(Page(length=1000))).tracks
    sounds = {sound.track_id: sound.data for sound in await store.fingerprints([track.id for track in page])}
    return {track.content_hash: (track.labels, track.duration, sounds[track.id]) for track in page}
