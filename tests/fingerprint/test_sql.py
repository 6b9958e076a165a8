from dataclasses import replace

import anyio
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.errors import InvalidInput, Taken, Unavailable
from app.fingerprint.labels import Labels
from app.fingerprint.sql import SqlStore
from app.fingerprint.store import MAX_PAGE_LENGTH, Changes, NewSound, Outcome, Page, StoredFingerprint, StoreFigures
from tests.databases import sqlite_url
from tests.eventually import eventually
from tests.fingerprint.fake_store import FakeStore
from tests.fingerprint.stores import connect, new_track, shared, store

__all__ = ["shared", "store"]

pytestmark = pytest.mark.anyio

SPOKEN = {"video_id": "a/b c\u00e9", "title": "\u5c0f\u660e \U0001f600 'x' %_", "url": "https://a.example/?q=1"}


async def added(store, *numbers, **labels):
    return [kept.track for kept in await store.add([new_track(number, **labels) for number in numbers])]


async def outcomes(store, *tracks):
    return [kept.outcome for kept in await store.add(tracks)]


def ids(tracks):
    return [track.id for track in tracks]


async def test_a_track_comes_back_as_it_was_added(store):
    new = new_track(7, thumbnail_url="http://a.example/b.jpg", **SPOKEN)
    [kept] = await store.add([new])
    assert kept.track == new.kept_as(kept.track.id)
    assert kept.outcome is Outcome.ADDED
    assert await store.find([kept.track.id]) == [kept.track] == [await store.find_content(new.content_hash)]


async def test_a_fingerprint_comes_back_byte_for_byte(store):
    sound = bytes(range(256)) * 300
    [kept] = await store.add([new_track(sound=sound, version=3)])
    assert await store.fingerprints([kept.track.id, 99]) == [StoredFingerprint(kept.track.id, 3, sound)]


async def test_who_has_no_name_is_named_by_the_content(store):
    [track] = await added(store, 1)
    assert track.video_id == track.title == track.content_hash[:16]
    assert (track.url, track.thumbnail_url) == (None, None)


async def test_the_same_content_is_kept_once(store):
    [first] = await added(store, 1, title="One")
    [again] = await store.add([new_track(1, title="Other", video_id="x")])
    assert (again.outcome, again.track) == (Outcome.KNOWN, first)
    assert (await store.changes(0)).generation == 1


async def test_the_same_content_twice_at_once_is_kept_once(store):
    one, two = new_track(1), replace(new_track(1), labels=Labels(title="Other"))
    assert await outcomes(store, one, two) == [Outcome.ADDED, Outcome.KNOWN]
    assert (await store.list_tracks(Page())).total == 1


async def test_a_newer_algorithm_replaces_the_fingerprint_alone(store):
    [first] = await added(store, 1, title="One")
    renewed = replace(new_track(1, version=2, title="Other"), duration=9.0, fingerprint=b"better")
    [kept] = await store.add([renewed])
    assert kept.outcome is Outcome.RENEWED
    assert kept.track == replace(first, version=2, duration=9.0) == (await store.find([first.id]))[0]
    assert await store.fingerprints([first.id]) == [StoredFingerprint(first.id, 2, b"better")]
    assert await outcomes(store, new_track(1, version=1)) == [Outcome.KNOWN]


async def test_a_name_is_one_tracks(store):
    [first] = await added(store, 1, video_id="x")
    [refused] = await store.add([new_track(2, video_id="x")])
    assert (refused.outcome, refused.track) == (Outcome.TAKEN, first)
    assert await outcomes(store, new_track(3, video_id="y"), new_track(4, video_id="y")) == ["added", "taken"]
    assert (await store.list_tracks(Page())).total == 2


async def test_nothing_added_is_nothing_changed(store):
    assert await store.add([]) == []
    assert await store.changes(0) == Changes(0)


async def test_the_newest_come_first_in_pages(store):
    tracks = await added(store, *range(1, 8))
    pages = [await store.list_tracks(Page(length=3, number=number)) for number in (1, 2, 3, 4)]
    assert [page.total for page in pages] == [7] * 4
    assert [track for page in pages for track in page.tracks] == tracks[::-1]


@pytest.mark.parametrize(("text", "found"), [("ONE", [1, 3]), ("%", [2]), ("_", []), ("", [3, 2, 1]), ("\0", [])])
async def test_titles_are_searched(store, text, found):
    for number, title in enumerate(["One", "50%", "Someone"], 1):
        await added(store, number, title=title)
    page = await store.list_tracks(Page(text=text))
    assert sorted(ids(page.tracks)) == sorted(found)
    assert page.total == len(found)


async def test_a_name_or_a_hash_is_looked_up(store):
    one, two = await added(store, 1, 2)
    assert (await store.list_tracks(Page(video_id=one.video_id))).tracks == [one]
    assert (await store.list_tracks(Page(content_hash=two.content_hash))).tracks == [two]
    for nobody in ("", "X", "\0", "\ud800"):
        assert (await store.list_tracks(Page(video_id=nobody))).total == 0


@pytest.mark.parametrize("page", [{"length": 0}, {"length": MAX_PAGE_LENGTH + 1}, {"number": 0}])
def test_a_page_has_bounds(page):
    with pytest.raises(InvalidInput):
        Page(**page)


async def test_beyond_all_bounds_there_is_nothing(store):
    await added(store, 1)
    assert (await store.list_tracks(Page(number=10**30))).tracks == []
    assert await store.find([10**30, -1]) == []
    assert await store.fingerprints([10**30]) == []
    assert await store.remove([10**30]) == frozenset()


async def test_labels_are_changed(store):
    [track] = await added(store, 1, **SPOKEN)
    changed = await store.relabel(track.id, lambda old: replace(old, title="New", url=None))
    assert changed == replace(track, title="New", url=None) == (await store.find([track.id]))[0]
    assert await store.relabel(99, lambda old: old) is None


async def test_a_name_and_a_title_stay_when_nothing_is_said_of_them(store):
    [track] = await added(store, 1, **SPOKEN)
    changed = await store.relabel(track.id, lambda old: Labels())
    assert (changed.video_id, changed.title, changed.url) == (track.video_id, track.title, None)


async def test_nobody_takes_anothers_name(store):
    one, two = await added(store, 1, 2)
    with pytest.raises(Taken):
        await store.relabel(two.id, lambda old: replace(old, video_id=one.video_id))
    assert await store.find([two.id]) == [two]
    assert (await store.changes(0)).generation == 1


async def test_what_is_removed_is_gone(store):
    tracks = await added(store, 1, 2, 3)
    assert await store.remove([tracks[0].id, tracks[2].id, 99]) == {tracks[0].id, tracks[2].id}
    assert (await store.list_tracks(Page())).tracks == [tracks[1]]
    assert await store.fingerprints(ids(tracks)) == [StoredFingerprint(tracks[1].id, 1, b"sound 2 of version 1")]


async def test_an_id_is_never_given_again(store):
    [gone] = await added(store, 1)
    await store.remove([gone.id])
    [back] = await added(store, 1)
    assert back.id > gone.id


async def test_who_was_away_hears_what_changed(store):
    one, two, three = await added(store, 1, 2, 3)
    since = (await store.changes(0)).generation
    await store.relabel(one.id, lambda old: replace(old, title="New"))
    await store.remove([two.id])
    await store.add([new_track(3, version=2)])
    sounds = (NewSound(three.id, since + 3),)
    assert await store.changes(since) == Changes(since + 3, sounds, (one.id, three.id), (two.id,))
    assert await store.changes(since + 3) == Changes(since + 3)
    assert (await store.changes(0)).sounds == (NewSound(one.id, since), *sounds)


async def test_new_sounds_come_in_the_order_in_which_they_came(store):
    one, two = await added(store, 1, 2)
    [three] = await added(store, 3)
    await store.add([new_track(1, version=2)])
    told = (await store.changes(0)).sounds
    assert told == (NewSound(two.id, 1), NewSound(three.id, 2), NewSound(one.id, 3))


async def test_what_changes_nothing_passes_no_generation(store):
    [track] = await added(store, 1)
    await store.relabel(track.id, lambda old: old)
    await store.remove([99])
    await store.add([new_track(1)])
    assert (await store.changes(0)).generation == 1


async def test_ids_follow_each_other(store):
    tracks = await added(store, 1, 2, 3)
    assert await store.next_ids(0, limit=2) == ids(tracks[:2])
    assert await store.next_ids(tracks[1].id, limit=9) == [tracks[2].id]
    assert await store.next_ids(tracks[2].id, limit=9) == []


async def test_everything_is_counted(store):
    assert await store.figures() == StoreFigures()
    await store.add([new_track(1, sound=b"12"), new_track(2, sound=b"345"), new_track(3, version=2, sound=b"6")])
    assert await store.figures() == StoreFigures(3, 6.0, 6, 1, {1: 2, 2: 1})


async def test_two_servers_that_add_the_same_keep_it_once(shared):
    async def add(store):
        for number in range(20):
            await store.add([new_track(number), new_track(number + 1)])

    async with anyio.create_task_group() as group:
        group.start_soon(add, shared.store)
        group.start_soon(add, shared.other)
    page = await shared.store.list_tracks(Page())
    assert (page.total, len({track.content_hash for track in page.tracks})) == (21, 21)


async def test_who_follows_the_generations_misses_nothing(shared):
    seen: set[int] = set()

    async def write(store, first):
        for number in range(first, first + 15):
            await store.add([new_track(number)])

    async def follow(done):
        since = 0
        while not done.is_set() or (await shared.store.changes(since)).generation > since:
            changes = await shared.store.changes(since)
            seen.update(sound.track_id for sound in changes.sounds)
            since = changes.generation
            await anyio.lowlevel.checkpoint()

    async with anyio.create_task_group() as followers:
        done = anyio.Event()
        followers.start_soon(follow, done)
        async with anyio.create_task_group() as writers:
            writers.start_soon(write, shared.store, 0)
            writers.start_soon(write, shared.other, 100)
        done.set()
    assert seen == set(ids((await shared.store.list_tracks(Page())).tracks))
    assert len(seen) == 30


async def test_a_catalogue_has_a_name_of_its_own(shared):
    assert await shared.store.origin() == await shared.other.origin() != await FakeStore().origin()


async def test_a_change_is_told_to_who_listens(shared):
    heard: list[int] = []

    async def listen():
        await shared.other.listen(lambda: heard.append(1))
        heard.append(0)

    async with anyio.create_task_group() as group:
        group.start_soon(listen)
        await eventually(lambda: bool(heard))
        if heard != [0]:  # SQLite cannot tell
            [track] = await added(shared.store, 1)
            await eventually(lambda: len(heard) == 2)
            await shared.store.add([new_track(1)])
            await shared.store.relabel(track.id, lambda old: replace(old, title="New"))
            await eventually(lambda: len(heard) == 3)
            await shared.store.remove([track.id])
            await eventually(lambda: len(heard) == 4)
        group.cancel_scope.cancel()


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.lists(st.tuples(st.integers(1, 5), st.integers(1, 3)), max_size=3)),
        st.tuples(st.just("name"), st.tuples(st.integers(1, 6), st.sampled_from("xyz"))),
        st.tuples(st.just("remove"), st.lists(st.integers(1, 6), max_size=2)),
    ),
    max_size=12,
)


@given(steps=STEPS, since=st.integers(0, 6))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_store_does_alike(tmp_path_factory, steps, since):
    anyio.run(compare, tmp_path_factory.mktemp("store"), steps, since)


async def compare(folder, steps, since):
    fake = FakeStore()
    async with connect(sqlite_url(folder)) as database:
        await database.migrate()
        real = SqlStore(database)
        for step in steps:
            assert await play(real, *step) == await play(fake, *step)
        assert await real.list_tracks(Page()) == await fake.list_tracks(Page())
        assert await real.changes(since) == await fake.changes(since)
        assert await real.figures() == await fake.figures()


async def play(store, what, values):
    match what:
        case "add":
            return await store.add([new_track(number, version=version) for number, version in values])
        case "remove":
            return await store.remove(values)
        case _:
            try:
                return await store.relabel(values[0], lambda old: replace(old, video_id=values[1]))
            except Taken:
                return "taken"


async def test_an_outage_is_said():
    async with connect("postgresql://ann@127.0.0.1:1/none") as database:
        with pytest.raises(Unavailable):
            await SqlStore(database).add([new_track()])
        with pytest.raises(Unavailable):
            await SqlStore(database).changes(0)


async def test_tracks_outlive_the_server(tmp_path):
    for turn in range(2):
        async with connect(sqlite_url(tmp_path)) as database:
            await database.migrate()
            if turn == 0:
                await SqlStore(database).add([new_track()])
            assert (await SqlStore(database).list_tracks(Page())).total == 1
