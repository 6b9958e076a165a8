from dataclasses import replace

import anyio
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.exc import IntegrityError

from app.errors import InvalidInput, Unavailable
from app.takes.prosody import AffectProsody, SignalProsody, SimpleProsody
from app.takes.shape import Shape
from app.takes.sql import SqlDeliveries, SqlStore
from app.takes.store import MAX_PAGE_LENGTH, Page
from app.takes.take import Recorded, Status, TakeRequest, Webhook, Wording
from app.takes.voice import Design, VoiceGender, VoiceRequest
from tests.databases import sqlite_url
from tests.takes.fake_store import FakeStore
from tests.takes.stores import connect, delivery, kept, store, take, voice

__all__ = ["kept", "store"]

pytestmark = pytest.mark.anyio

READY = Recorded(duration=22050, audio_rate=44100, normalized_text=("Hello.", "\u4f60\u597d\u3002"))
LONG_AGO, FOR_EVER = -(10**30), 10**30


def ids(items):
    return [item.id for item in items]


def styled(voice, *style):
    return replace(voice, request=replace(voice.request, default_style=style))


async def test_a_take_comes_back_as_it_was_asked_for(store):
    wording = Wording("Hi\0 \U0001f600", "en-GB", ("news", "calm"), SimpleProsody(-1, 2, 10))
    asked = replace(take(), request=TakeRequest(replace(wording, done_webhook=Webhook("https://a/", 5, 500)), "v1"))
    await store.add_takes([asked], maker="m")
    assert await store.find_take("ann", asked.id) == asked


async def test_every_prosody_comes_back(store):
    prosodies = [None, AffectProsody(1, 2, 3, 4, 5), SignalProsody(-10, 10, 0, 1)]
    asked = [TakeRequest(Wording("Hi.", prosody=prosody), "v1") for prosody in prosodies]
    await store.add_takes([replace(take(n), request=request) for n, request in enumerate(asked)], maker="m")
    assert [each.request for each in reversed(await store.list_takes("ann", Page()))] == asked


async def test_user_data_keeps_its_type(store):
    data = [None, "", "1", "\0\ud800", 0, 1, 1.0, -0.0, 2**53 + 1, 10**40, 1e300]
    asked = [replace(take(n), request=replace(take().request, user_data=each)) for n, each in enumerate(data)]
    await store.add_takes(asked, maker="m")
    found = [each.request.user_data for each in reversed(await store.list_takes("ann", Page()))]
    assert [repr(each) for each in found] == [repr(each) for each in data]


async def test_takes_are_added_all_or_none(kept):
    await kept.store.add_takes([take(2)], maker="m")
    with pytest.raises((IntegrityError, AssertionError)):
        await kept.store.add_takes([take(1), take(2)], maker="m", deliveries=[delivery()])
    assert await kept.store.find_take("ann", "t0001") is None
    assert await kept.deliveries.next_ms() is None


async def test_no_takes_at_all_are_fine(store):
    await store.add_takes([], maker="m")
    assert await store.list_takes("ann", Page()) == []


async def test_the_making_of_a_take_is_kept(store):
    await store.add_takes([take()], maker="m")
    ready = replace(take(), status=Status.READY, recorded=READY)
    assert await store.save_take(replace(take(), status=Status.STARTED))
    assert await store.save_take(ready)
    assert await store.find_take("ann", "t0001") == ready


async def test_an_error_is_kept_whatever_it_quotes(store):
    await store.add_takes([take()], maker="m")
    failed = replace(take(), status=Status.ERROR, error="no voice '\0'")
    await store.save_take(failed)
    assert await store.find_take("ann", "t0001") == failed


async def test_done_stays_done_and_owes_nothing_more(kept):
    for number, end in enumerate([Status.READY, Status.ERROR, Status.TIMEOUT]):
        done = take(number, status=end)
        await kept.store.add_takes([done], maker="m")
        assert not await kept.store.save_take(replace(done, status=Status.STARTED), deliveries=[delivery()])
        assert await kept.store.find_take("ann", done.id) == done
    assert await kept.deliveries.next_ms() is None


async def test_of_two_servers_that_end_a_take_one_does(kept):
    await kept.store.add_takes([take()], maker="m")
    ended: list[bool] = []

    async def end(store, status, number):
        ended.append(await store.save_take(take(status=status), deliveries=[delivery(number)]))

    async with anyio.create_task_group() as group:
        group.start_soon(end, kept.store, Status.READY, 1)
        group.start_soon(end, kept.other_store, Status.TIMEOUT, 2)
    assert sorted(ended) == [False, True]
    assert len(await kept.deliveries.claim(now_ms=0, until_ms=1, limit=9)) == 1


async def test_deleted_stays_deleted(store):
    await store.add_takes([take()], maker="m")
    assert [await store.delete_take("ann", "t0001") for _ in range(2)] == [True, False]
    assert not await store.save_take(take(status=Status.READY))
    assert await store.find_take("ann", "t0001") is None


async def test_accounts_see_nothing_of_each_other(store):
    await store.add_takes([take(1, owner="ann"), take(2, owner="bob")], maker="m")
    assert await store.find_take("bob", "t0001") is None
    assert not await store.delete_take("bob", "t0001")
    assert not await store.save_take(take(1, owner="bob", status=Status.READY))
    assert ids(await store.list_takes("bob", Page())) == ["t0002"]
    assert ids(await store.list_takes("bob", Page(ids=("t0001", "t0002")))) == ["t0002"]


async def test_the_newest_come_first(store):
    await store.add_takes([take(n, at=at) for n, at in [(1, 30), (2, 10), (3, 20), (5, 20), (4, 20)]], maker="m")
    assert ids(await store.list_takes("ann", Page())) == ["t0001", "t0005", "t0004", "t0003", "t0002"]


async def test_pages_joined_are_the_list(store):
    await store.add_takes([take(n, at=n // 2) for n in range(7)], maker="m")
    pages = [ids(await store.list_takes("ann", Page(length=3, number=n))) for n in (1, 2, 3, 4)]
    assert [len(page) for page in pages] == [3, 3, 1, 0]
    assert sum(pages, []) == ids(await store.list_takes("ann", Page()))


async def test_times_are_inclusive(store):
    await store.add_takes([take(n, at=n) for n in (1, 2, 3, 4)], maker="m")
    assert ids(await store.list_takes("ann", Page(older=3, newer=2))) == ["t0003", "t0002"]


async def test_no_time_is_too_far_away(store):
    await store.add_takes([take()], maker="m")
    far = [Page(older=FOR_EVER, newer=LONG_AGO), Page(older=LONG_AGO), Page(newer=FOR_EVER)]
    assert [len(await store.list_takes("ann", page)) for page in far] == [1, 0, 0]


async def test_behind_the_end_there_is_nothing(store):
    await store.add_takes([take()], maker="m")
    await store.add_voice(voice())
    for number in (2, 10**9, 10**30):
        assert await store.list_takes("ann", Page(number=number)) == []
        assert await store.list_voices("ann", Page(number=number)) == []


async def test_asked_for_by_id(store):
    await store.add_takes([take(n, at=n) for n in range(5)], maker="m")
    asked = Page(ids=("t0001", "t0003", "t9999", "t\0", "t\ud800"))
    assert ids(await store.list_takes("ann", asked)) == ["t0003", "t0001"]
    assert await store.list_takes("ann", Page(ids=())) == []


async def test_as_many_ids_as_a_page_may_have(store):
    every = tuple(f"t{n:04}" for n in range(MAX_PAGE_LENGTH))
    await store.add_takes([take(n) for n in range(MAX_PAGE_LENGTH)], maker="m")
    assert len(await store.list_takes("ann", Page(ids=every, length=MAX_PAGE_LENGTH))) == MAX_PAGE_LENGTH
    assert await store.known_takes(every) == set(every)


async def test_an_id_that_cannot_be_is_nobodys(store):
    await store.add_takes([take()], maker="m")
    for id in ["", "t\0", "t\ud800", "t\u00e9", "' OR 1=1 --"]:
        assert await store.find_take("ann", id) is None
        assert await store.find_voice("ann", id) is None
        assert await store.change_voice("ann", id, lambda voice: voice) is None
        assert not await store.delete_take("ann", id)
        assert not await store.delete_voice("ann", id)
        assert await store.known_takes([id]) == set()


async def test_which_takes_are_known(store):
    await store.add_takes([take(1, owner="ann"), take(2, owner="bob")], maker="m")
    assert await store.known_takes(["t0001", "t0002", "t0003"]) == {"t0001", "t0002"}
    assert await store.known_takes([]) == set()


async def test_what_a_server_has_not_done(store):
    await store.add_takes([take(n, owner=f"{n}", at=9 - n) for n in (3, 1, 2)], maker="m")
    await store.add_takes([take(4, status=Status.READY), take(5, status=Status.PROGRESS_50)], maker="m")
    await store.add_takes([take(6)], maker="other")
    first = await store.unfinished_takes("m", limit=2)
    assert ids(first) == ["t0001", "t0002"]
    assert ids(await store.unfinished_takes("m", limit=9, after="t0002")) == ["t0003", "t0005"]


async def test_what_nobody_has_done_for_long(store):
    await store.add_takes([take(n, owner=f"{n}", at=n) for n in (4, 3, 2)], maker="m")
    await store.add_takes([take(1, at=1, status=Status.ERROR), take(0, at=3)], maker="other")
    assert ids(await store.overdue_takes(before_ms=4, limit=9)) == ["t0002", "t0000", "t0003"]
    assert ids(await store.overdue_takes(before_ms=4, limit=1)) == ["t0002"]


async def test_a_voice_comes_back_as_it_was_asked_for(store):
    example = Wording("Hi.", prosody=SignalProsody(1, 2, 3, 4), status_webhook=Webhook("https://a/"))
    asked = VoiceRequest(
        "\u5c0f\u660e\0",
        "piper",
        VoiceGender.MALE,
        "deep",
        ("calm",),
        SimpleProsody(1, 1, 1),
        example,
        Webhook("https://b/"),
    )
    design = Design(2**63 - 1, VoiceGender.NONBINARY, Shape(0.1, -0.2, 0.3, 1e-9, 2.0, -1.0))
    kept = replace(voice(), request=asked, design=design)
    await store.add_voice(kept, maker="m")
    assert await store.find_voice("ann", kept.id) == kept


async def test_a_voice_that_is_there_stays_as_it_is(kept):
    await kept.store.add_voice(voice(owner=None, status=Status.READY))
    await kept.store.add_voice(voice(owner="bob"), deliveries=[delivery()])
    assert await kept.store.find_voice("ann", "v0001") == voice(owner=None, status=Status.READY)
    assert await kept.deliveries.next_ms() is None


async def test_the_making_of_a_voice_is_kept_beside_its_users_changes(kept):
    await kept.store.add_voice(voice(), maker="m")
    renamed = await kept.store.change_voice("ann", "v0001", lambda it: styled(it, "calm"))
    made = replace(voice(), status=Status.READY, example_take_id="t1")
    assert await kept.store.save_voice(made, deliveries=[delivery()])
    found = await kept.store.find_voice("ann", "v0001")
    assert found == replace(renamed, status=Status.READY, example_take_id="t1")
    assert await kept.deliveries.next_ms() == 0


async def test_a_voice_that_is_done_stays_done(kept):
    await kept.store.add_voice(voice(status=Status.READY))
    assert not await kept.store.save_voice(voice(status=Status.ERROR), deliveries=[delivery()])
    assert (await kept.store.find_voice("ann", "v0001")).status is Status.READY
    assert await kept.deliveries.next_ms() is None


async def test_changes_of_a_voice_at_once_are_all_kept(kept):
    await kept.store.add_voice(voice())

    async def add(store, style):
        for _ in range(5):
            await store.change_voice("ann", "v0001", lambda it: styled(it, *it.request.default_style, style))

    async with anyio.create_task_group() as group:
        group.start_soon(add, kept.store, "one")
        group.start_soon(add, kept.other_store, "other")
    found = await kept.store.find_voice("ann", "v0001")
    assert sorted(found.request.default_style) == ["one"] * 5 + ["other"] * 5


async def test_a_change_changes_nothing_but_what_was_asked_for(store):
    await store.add_voice(voice())
    design = Design(7, VoiceGender.MALE)
    everything = replace(voice(), design=design, status=Status.READY, owner="bob", example_take_id="t0009")
    changed = await store.change_voice("ann", "v0001", lambda _: everything)
    assert changed == await store.find_voice("ann", "v0001") == replace(voice(), design=design)


async def test_a_change_that_fails_changes_nothing(store):
    await store.add_voice(voice())

    def fail(voice):
        raise InvalidInput("no such style", field="default_style")

    with pytest.raises(InvalidInput):
        await store.change_voice("ann", "v0001", fail)
    assert await store.find_voice("ann", "v0001") == voice()


async def test_everybodys_voices_are_seen_by_all_and_changed_by_none(store):
    await store.add_voice(voice(owner=None, status=Status.READY))
    assert await store.find_voice("ann", "v0001") == await store.find_voice("bob", "v0001") is not None
    assert await store.change_voice("ann", "v0001", lambda it: it) is None
    assert not await store.delete_voice("ann", "v0001")


async def test_the_making_of_everybodys_voice_is_kept(store):
    await store.add_voice(voice(owner=None))
    assert await store.save_voice(voice(owner=None, status=Status.READY))
    assert not await store.save_voice(voice(owner="ann", status=Status.ERROR))


async def test_accounts_see_nothing_of_each_others_voices(store):
    await store.add_voice(voice(1, owner="ann"))
    assert await store.find_voice("bob", "v0001") is None
    assert await store.list_voices("bob", Page()) == []
    assert await store.change_voice("bob", "v0001", lambda it: it) is None
    assert not await store.save_voice(voice(1, owner="bob", status=Status.READY))
    assert not await store.delete_voice("bob", "v0001")


async def test_own_voices_and_everybodys_are_one_list(store):
    owners = ["ann", None, "bob", "ann", None, "ann"]
    for number, (owner, at) in enumerate(zip(owners, [40, 30, 35, 20, 20, 10], strict=True), 1):
        await store.add_voice(voice(number, owner=owner, at=at))
    assert ids(await store.list_voices("ann", Page())) == ["v0001", "v0002", "v0005", "v0004", "v0006"]
    assert ids(await store.list_voices("ann", Page(length=2, number=2))) == ["v0005", "v0004"]
    assert ids(await store.list_voices("ann", Page(older=30, newer=20, length=2))) == ["v0002", "v0005"]
    assert ids(await store.list_voices("ann", Page(ids=("v0002", "v0003", "v0006")))) == ["v0002", "v0006"]


async def test_a_voice_is_forgotten(store):
    await store.add_voice(voice())
    assert [await store.delete_voice("ann", "v0001") for _ in range(2)] == [True, False]
    assert not await store.save_voice(voice(status=Status.READY))
    assert await store.list_voices("ann", Page()) == []


async def test_voices_that_a_server_has_not_done(store):
    for number, maker in [(2, "m"), (1, "m"), (3, "other")]:
        await store.add_voice(voice(number), maker=maker)
    await store.add_voice(voice(4, status=Status.READY), maker="m")
    assert ids(await store.unfinished_voices("m")) == ["v0001", "v0002"]


TAKES = st.lists(st.tuples(st.integers(0, 4), st.sampled_from(["ann", "bob"])), max_size=12)
PAGES = st.builds(
    Page,
    ids=st.none() | st.lists(st.sampled_from([f"t{n:04}" for n in range(12)]), max_size=6).map(tuple),
    length=st.integers(1, 5),
    number=st.integers(1, 3),
    older=st.none() | st.integers(0, 4),
    newer=st.none() | st.integers(0, 4),
)


@given(takes=TAKES, pages=st.lists(PAGES, min_size=1, max_size=5))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_store_lists_alike(tmp_path_factory, takes, pages):
    anyio.run(compare, tmp_path_factory.mktemp("store"), takes, pages)


async def compare(folder, takes, pages):
    fake, made = FakeStore(), [take(n, at=at, owner=owner) for n, (at, owner) in enumerate(takes)]
    async with connect(sqlite_url(folder)) as database:
        await database.migrate()
        real = SqlStore(database)
        for each in (fake, real):
            await each.add_takes(made, maker="m")
        for page in pages:
            assert await real.list_takes("ann", page) == await fake.list_takes("ann", page)


async def test_an_outage_is_said():
    async with connect("postgresql://ann@127.0.0.1:1/none") as database:
        with pytest.raises(Unavailable):
            await SqlStore(database).add_takes([take()], maker="m")
        with pytest.raises(Unavailable):
            await SqlDeliveries(database).next_ms()


async def test_takes_outlive_the_server(tmp_path):
    for turn in range(2):
        async with connect(sqlite_url(tmp_path)) as database:
            await database.migrate()
            if turn == 0:
                await SqlStore(database).add_takes([take()], maker="m")
            assert ids(await SqlStore(database).unfinished_takes("m", limit=9)) == ["t0001"]
