from dataclasses import replace

import anyio
import pytest

from app.errors import NotFound, Taken, Unavailable
from app.fingerprint.catalogue import Catalogue
from app.fingerprint.follower import INDEX_POOL
from app.fingerprint.labels import Labels
from app.fingerprint.store import Page
from app.runtime.workers import Workers
from tests.eventually import eventually
from tests.fingerprint.fake_store import FakeStore
from tests.fingerprint.indexes import compile_kernels, cut, found, track
from tests.fingerprint.stores import new_track

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True, scope="module")
def compiled_kernels(tmp_path_factory):
    compile_kernels(tmp_path_factory.mktemp("index"))


def sounding(number, **labels):
    return new_track(number, sound=track(number).to_bytes(), **labels)


@pytest.fixture
def store():
    return FakeStore()


@pytest.fixture
async def catalogue(store, tmp_path):
    async with Catalogue(store, tmp_path, Workers({INDEX_POOL: 2})) as catalogue:
        await catalogue.catch_up()
        yield catalogue


def place(catalogue, number):
    """Return the id under which the sound of a track is found, and where."""
    return found(catalogue.index().view(), cut(track(number).peaks, 200))


async def test_what_is_added_is_found_at_once(catalogue):
    [kept] = await catalogue.add([sounding(1, title="One")])
    assert place(catalogue, 1) == (kept.track.id, 200)
    assert await catalogue.find([kept.track.id, 99]) == [kept.track] == [await catalogue.track(kept.track.id)]


async def test_what_is_removed_is_not_found_any_more(catalogue):
    [kept] = await catalogue.add([sounding(1)])
    await catalogue.find([kept.track.id])
    assert await catalogue.remove([kept.track.id, 99]) == {kept.track.id}
    assert place(catalogue, 1) is None
    assert await catalogue.find([kept.track.id]) == []
    with pytest.raises(NotFound):
        await catalogue.track(kept.track.id)


async def test_labels_are_read_once_until_they_change(catalogue, store, monkeypatch):
    [kept] = await catalogue.add([sounding(1, title="One")])
    id, read, find = kept.track.id, [], store.find
    monkeypatch.setattr(store, "find", lambda ids: read.append(list(ids)) or find(ids))
    for _ in range(3):
        assert (await catalogue.find([id]))[0].title == "One"
    await catalogue.relabel(id, lambda old: replace(old, title="Two"))
    assert (await catalogue.find([id]))[0].title == "Two"
    assert read == [[id], [id]]


async def test_what_another_server_changes_is_not_remembered(catalogue, store):
    [kept] = await catalogue.add([sounding(1, title="One")])
    await catalogue.find([kept.track.id])
    await store.relabel(kept.track.id, lambda old: replace(old, title="Two"))
    await eventually(lambda: not catalogue._remembered)
    assert (await catalogue.find([kept.track.id]))[0].title == "Two"


async def test_what_is_read_before_a_change_is_not_remembered_after_it(catalogue, store, monkeypatch):
    [kept] = await catalogue.add([sounding(1, title="One")])
    find = store.find

    async def find_slowly(ids):
        tracks = await find(ids)
        await catalogue.relabel(kept.track.id, lambda old: replace(old, title="Two"))
        return tracks

    monkeypatch.setattr(store, "find", find_slowly)
    await catalogue.find([kept.track.id])
    monkeypatch.setattr(store, "find", find)
    assert (await catalogue.find([kept.track.id]))[0].title == "Two"


async def test_memory_is_bounded(catalogue, monkeypatch):
    monkeypatch.setattr("app.fingerprint.catalogue.REMEMBERED", 2)
    ids = [kept.track.id for kept in await catalogue.add([sounding(number) for number in range(4)])]
    await catalogue.find(ids[:3])
    await catalogue.find([ids[1], ids[3]])
    assert list(catalogue._remembered) == [ids[1], ids[3]]


async def test_labels_of_nobody_cannot_be_changed(catalogue):
    with pytest.raises(NotFound, match="track 99 does not exist"):
        await catalogue.relabel(99, lambda old: old)
    one, two = await catalogue.add([sounding(1), sounding(2)])
    with pytest.raises(Taken):
        await catalogue.relabel(two.track.id, lambda old: Labels(one.track.video_id))


async def test_everything_is_counted(catalogue):
    await catalogue.add([sounding(1), sounding(2)])
    figures = await catalogue.figures()
    assert (figures.store.tracks, figures.index.tracks, figures.is_in_step) == (2, 2, True)
    assert (await catalogue.list_tracks(Page())).total == 2


async def test_the_index_is_made_anew(catalogue):
    await catalogue.add([sounding(1)])
    epoch = catalogue.index().view().epoch
    catalogue.rebuild()
    await eventually(lambda: catalogue.index().view().epoch > epoch and place(catalogue, 1) is not None)


async def test_threads_wait_for_the_index(store, tmp_path, monkeypatch):
    gate, origin = anyio.Event(), store.origin

    async def open_gate():
        await gate.wait()
        return await origin()

    monkeypatch.setattr(store, "origin", open_gate)
    async with Catalogue(store, tmp_path, Workers({INDEX_POOL: 2})) as catalogue, anyio.create_task_group() as group:
        with pytest.raises(Unavailable, match="still being opened"):
            catalogue.index(patience=0.0)
        with pytest.raises(Unavailable, match="still being opened"):
            catalogue.rebuild()
        assert (await catalogue.figures()).index is None
        await catalogue.add([sounding(1)])
        indices = []

        async def wait():
            indices.append(await anyio.to_thread.run_sync(catalogue.index))

        group.start_soon(wait)
        gate.set()
        await eventually(lambda: bool(indices))


async def test_an_outage_at_the_start_passes(store, tmp_path, monkeypatch):
    monkeypatch.setattr("app.fingerprint.catalogue.LOOK_SECONDS", 0.01)
    answers, origin = [Unavailable("no database"), None], store.origin

    async def fail_once():
        if error := answers.pop(0):
            raise error
        return await origin()

    monkeypatch.setattr(store, "origin", fail_once)
    async with Catalogue(store, tmp_path, Workers({INDEX_POOL: 2})) as catalogue:
        await catalogue.catch_up()
        assert answers == []


async def test_an_outage_after_a_change_passes(catalogue, store, monkeypatch, caplog):
    async def fail(since):
        raise Unavailable("no database")

    monkeypatch.setattr(store, "changes", fail)
    [kept] = await catalogue.add([sounding(1)])
    assert kept.track.id
    assert "can be found when the database answers" in caplog.text


async def test_the_index_is_opened_when_there_are_tracks(store, tmp_path, monkeypatch):
    monkeypatch.setattr("app.fingerprint.catalogue.LOOK_SECONDS", 0.01)
    looked, next_ids = [], store.next_ids
    monkeypatch.setattr(store, "next_ids", lambda after, limit: looked.append(1) or next_ids(after, limit=limit))
    async with Catalogue(store, tmp_path, Workers({INDEX_POOL: 2})) as catalogue:
        await eventually(lambda: len(looked) > 3)
        assert (await catalogue.figures()).index is None
        await store.add([sounding(1)])  # as a command does
        await eventually(lambda: catalogue._follower is not None)
        await catalogue.catch_up()
        assert place(catalogue, 1) == (1, 200)


async def test_who_closes_before_it_is_open_leaves_nobody_waiting(store, tmp_path, monkeypatch):
    monkeypatch.setattr(store, "origin", anyio.sleep_forever)
    async with Catalogue(store, tmp_path, Workers({INDEX_POOL: 2})) as catalogue:
        pass
    with pytest.raises(Unavailable, match="closed"):
        catalogue.index()
