import threading
from contextlib import asynccontextmanager
from dataclasses import replace

import anyio
import pytest

from app.errors import Unavailable
from app.fingerprint.follower import BATCH, INDEX_POOL, Follower, Paces
from app.fingerprint.index import FILE_NAME, Index
from app.runtime.workers import Workers
from tests.eventually import eventually
from tests.fingerprint.fake_store import FakeStore
from tests.fingerprint.indexes import compile_kernels, cut, found, track
from tests.fingerprint.stores import new_track, shared

__all__ = ["shared"]

pytestmark = pytest.mark.anyio

EAGER = Paces(poll=0.01, lost_notice=0.02, idle=3600.0)


@pytest.fixture(autouse=True, scope="module")
def compiled_kernels(tmp_path_factory):
    compile_kernels(tmp_path_factory.mktemp("index"))


def sounding(number, **others):
    """Return a track whose peaks are those of `track(number)`."""
    return replace(new_track(number, sound=track(number).to_bytes()), **others)


@asynccontextmanager
async def following(store, folder, **options):
    index = Index(folder, origin="a")
    options.setdefault("paces", EAGER)
    async with Follower(store, index, Workers({INDEX_POOL: 2}), **options) as follower:
        await eventually(lambda: follower.is_in_step)
        yield follower, index
    index.close()


async def test_what_others_change_is_followed(shared, tmp_path):
    [first] = await shared.store.add([sounding(1)])
    async with following(shared.store, tmp_path) as (_, index):
        assert index.figures().tracks == 1
        await shared.other.add([sounding(2), sounding(3)])
        await eventually(lambda: finds_content(index, 2) and finds_content(index, 3))
        await shared.other.remove([first.track.id])
        await eventually(lambda: not finds_content(index, 1))


async def test_what_nobody_told_is_found_by_its_generation(shared, tmp_path, monkeypatch):
    async def listen_deafly(heard):
        heard()  # it can tell, and loses every notice
        await anyio.sleep_forever()

    monkeypatch.setattr(shared.store, "listen", listen_deafly)
    async with following(shared.store, tmp_path, paces=Paces(poll=3600, lost_notice=0.02, idle=3600)) as (_, index):
        for number in range(1, 4):
            await shared.other.add([sounding(number)])
            await eventually(lambda number=number: finds_content(index, number))
        assert index.generation == 3


async def test_one_round_brings_all_that_is_there(tmp_path):
    store = FakeStore()
    await store.add([sounding(number) for number in range(BATCH + 3)])
    async with following(store, tmp_path) as (_, index):
        assert index.figures().tracks == BATCH + 3
        assert index.generation == store.generation


async def test_who_asks_waits_for_nothing_but_the_round(tmp_path):
    store = FakeStore()
    async with following(store, tmp_path, paces=Paces(3600, 3600, 3600)) as (follower, index):
        await store.add([sounding(5)])
        await follower.catch_up()
        assert finds_content(index, 5)


async def test_a_renewed_fingerprint_takes_the_place_of_the_old(tmp_path):
    store = FakeStore()
    async with following(store, tmp_path) as (follower, index):
        await store.add([sounding(1, version=0)])
        await follower.catch_up()
        assert index.figures().tracks == 0
        await store.add([sounding(1)])
        await follower.catch_up()
        assert finds_content(index, 1)
        await store.add([sounding(1, version=2, fingerprint=b"of a later version")])
        await follower.catch_up()
        assert index.figures().tracks == 0


async def test_a_damaged_fingerprint_spares_the_others(tmp_path, caplog):
    store = FakeStore()
    await store.add([sounding(1), new_track(2, sound=b"damaged"), sounding(3)])
    async with following(store, tmp_path) as (_, index):
        assert finds_content(index, 1) and finds_content(index, 3)
    assert "track 2 cannot be found: 7 bytes that do not begin" in caplog.text


async def test_a_sound_that_the_index_refuses_spares_the_others(tmp_path, caplog, monkeypatch):
    monkeypatch.setattr("app.fingerprint.newcomer.MOST_PER_FRAME", 0)
    store = FakeStore()
    await store.add([sounding(1), sounding(2)])
    async with following(store, tmp_path) as (_, index):
        assert index.figures().tracks == 0
    assert "track 1 cannot be found" in caplog.text and "track 2 cannot be found" in caplog.text


async def test_a_start_with_a_snapshot_reads_only_what_is_new(tmp_path, monkeypatch):
    store = FakeStore()
    await store.add([sounding(1), sounding(2)])
    async with following(store, tmp_path) as (_, index):
        index.merge()
    await store.add([sounding(3)])
    await store.remove([1])
    read: list[int] = []
    fingerprints = store.fingerprints
    monkeypatch.setattr(store, "fingerprints", lambda ids: read.extend(ids) or fingerprints(ids))
    async with following(store, tmp_path) as (_, index):
        assert [finds_content(index, number) for number in (1, 2, 3)] == [False, True, True]
    assert read == [3]


async def test_what_another_process_merged_is_taken_over(tmp_path, monkeypatch):
    store = FakeStore()
    monkeypatch.setattr(store, "listen", lambda heard: anyio.lowlevel.checkpoint())
    await store.add([sounding(1)])
    async with following(store, tmp_path, paces=Paces(3600, 3600, 3600)) as (follower, index):
        await store.add([sounding(2)])
        async with following(store, tmp_path) as (_, other):
            other.merge()
        await follower.catch_up()
        assert index.figures().memory_bytes == 0
        assert finds_content(index, 2)


async def test_a_round_that_is_broken_off_is_gone_on_with(tmp_path, monkeypatch):
    monkeypatch.setattr("app.fingerprint.follower.BATCH", 2)
    store, read, fingerprints = FakeStore(), [], FakeStore.fingerprints
    for number in range(1, 6):
        await store.add([sounding(2 * number), sounding(2 * number + 1)])

    async def answer(ids):
        read.append(list(ids))
        if len(read) == 3:
            raise Unavailable("no database")
        return await fingerprints(store, ids)

    monkeypatch.setattr(store, "fingerprints", answer)
    index = Index(tmp_path, origin="a")
    async with Follower(store, index, Workers({INDEX_POOL: 2}), paces=EAGER) as follower:
        await eventually(lambda: follower.is_in_step)
    assert read == [[1, 2], [3, 4], [5, 6], [5, 6], [7, 8], [9, 10]]
    assert (index.generation, index.figures().tracks) == (store.generation, 10)


async def test_a_generation_that_is_there_in_part_is_not_reached(tmp_path, monkeypatch):
    monkeypatch.setattr("app.fingerprint.follower.BATCH", 2)
    store, reached = FakeStore(), []
    await store.add([sounding(number) for number in range(3)])
    await store.add([sounding(number) for number in range(3, 6)])
    monkeypatch.setattr(Index, "reached", lambda index, generation: reached.append(generation))
    index = Index(tmp_path, origin="a")
    async with Follower(store, index, Workers({INDEX_POOL: 2}), paces=Paces(3600, 3600, 3600)) as follower:
        await eventually(lambda: follower.is_in_step)
    assert reached[:3] == [0, 1, 2]


async def test_much_that_is_new_is_merged_in_the_midst_of_a_round(tmp_path, monkeypatch):
    monkeypatch.setattr("app.fingerprint.follower.BATCH", 2)
    monkeypatch.setattr("app.fingerprint.follower.MOST_MEMORY_BYTES", 1)
    store = FakeStore()
    for number in range(1, 6):
        await store.add([sounding(number)])
    async with following(store, tmp_path) as (_, index):
        await eventually(lambda: index.figures().snapshot_bytes > 0)
        assert all(finds_content(index, number) for number in range(1, 6))


async def test_tracks_wait_until_those_before_are_merged(tmp_path, monkeypatch):
    monkeypatch.setattr("app.fingerprint.follower.BATCH", 1)
    monkeypatch.setattr("app.fingerprint.follower.MOST_MEMORY_BYTES", 1)
    store, may_merge, merge = FakeStore(), threading.Event(), Index.merge
    monkeypatch.setattr(Index, "merge", lambda index, stop: may_merge.wait(20) and merge(index, stop))
    await store.add([sounding(number) for number in range(1, 7)])
    index = Index(tmp_path, origin="a")
    async with Follower(store, index, Workers({INDEX_POOL: 2}), paces=EAGER) as follower:
        await eventually(lambda: follower._merging.statistics().locked)
        assert index.figures().tracks == 1
        may_merge.set()
        await eventually(lambda: follower.is_in_step)
    assert index.figures().tracks == 6


async def test_a_catalogue_that_was_put_back_is_followed(tmp_path, caplog):
    store, earlier = FakeStore(), FakeStore()
    await store.add([sounding(1)])
    await store.add([sounding(2)])
    await earlier.add([sounding(3)])
    async with following(store, tmp_path) as (_, index):
        index.merge()
    async with following(earlier, tmp_path) as (_, index):
        assert [finds_content(index, number) for number in (1, 2, 3)] == [False, False, True]
    assert "put back to an earlier state" in caplog.text


async def test_a_damaged_snapshot_is_made_anew(tmp_path):
    store = FakeStore()
    await store.add([sounding(1)])
    async with following(store, tmp_path) as (_, index):
        index.merge()
    path = tmp_path / FILE_NAME
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    async with following(store, tmp_path) as (_, index):
        await eventually(lambda: index.figures().snapshot_bytes == 0 and finds_content(index, 1))


async def test_changes_are_followed_while_the_snapshot_is_read(tmp_path, monkeypatch):
    store, may_end = FakeStore(), threading.Event()
    await store.add([sounding(1)])
    async with following(store, tmp_path) as (_, index):
        index.merge()
    monkeypatch.setattr(Index, "is_whole", lambda index, stop: may_end.wait(20) and False)
    async with following(store, tmp_path) as (follower, index):
        await store.add([sounding(2)])
        await eventually(lambda: finds_content(index, 2))
        may_end.set()  # it was damaged
        await eventually(lambda: index.figures().snapshot_bytes == 0 and follower.is_in_step)
        assert finds_content(index, 1) and finds_content(index, 2)


async def test_a_rebuilt_index_is_the_same(tmp_path):
    store = FakeStore()
    await store.add([sounding(1), sounding(2)])
    async with following(store, tmp_path) as (follower, index):
        index.merge()
        await follower.rebuild()
        assert finds_content(index, 1) and finds_content(index, 2)
        assert index.figures().snapshot_bytes == 0


async def test_a_merge_comes_when_it_is_due(tmp_path, monkeypatch):
    monkeypatch.setattr("app.fingerprint.index.LEAST_DUE", 1)
    store = FakeStore()
    await store.add([sounding(1)])
    async with following(store, tmp_path) as (_, index):
        await eventually(lambda: index.figures().snapshot_bytes > 0)


async def test_a_small_merge_comes_when_nothing_else_does(tmp_path):
    store, now = FakeStore(), [0.0]
    await store.add([sounding(1)])
    async with following(store, tmp_path, clock=lambda: now[0]) as (_, index):
        assert index.figures().snapshot_bytes == 0
        now[0] = 3600.0
        await eventually(lambda: index.figures().snapshot_bytes > 0)


async def test_a_folder_that_refuses_costs_only_the_next_start(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr("app.fingerprint.index.LEAST_DUE", 1)
    (tmp_path / "file").touch()
    store = FakeStore()
    await store.add([sounding(1)])
    async with following(store, tmp_path / "file") as (_, index):
        await eventually(lambda: "the next start will take longer" in caplog.text)
        assert finds_content(index, 1)


async def test_an_outage_passes(tmp_path, monkeypatch, caplog):
    store = FakeStore()
    changes = store.changes

    async def fail(since):
        raise Unavailable("no database")

    async with following(store, tmp_path) as (follower, index):
        monkeypatch.setattr(store, "changes", fail)
        await eventually(lambda: not follower.is_in_step)
        with pytest.raises(Unavailable):
            await follower.catch_up()
        monkeypatch.setattr(store, "changes", changes)
        await store.add([sounding(1)])
        await eventually(lambda: finds_content(index, 1))
    assert caplog.text.count("does not follow the catalogue until the database answers") == 1


async def test_a_store_that_stops_telling_is_asked(tmp_path, monkeypatch):
    store = FakeStore()

    async def fail(heard):
        raise Unavailable("no notices")

    monkeypatch.setattr(store, "listen", fail)
    async with following(store, tmp_path) as (_, index):
        await store.add([sounding(1)])
        await eventually(lambda: finds_content(index, 1))


def finds_content(index, number):
    """Tell whether the sound of a track is found, under whatever id."""
    answer = found(index.view(), cut(track(number).peaks, 200))
    return answer is not None and answer[1] == 200 and index.view().reel.number_of(answer[0]) is not None
