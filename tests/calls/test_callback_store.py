"""What every store of callbacks does: the fake, SQLite and PostgreSQL."""

import anyio
import pytest

from app.calls.callback import MAX_KEPT_BYTES, Kind
from app.calls.callbacks import Store, Wanted
from tests.calls.stores import Shared, report, shared, store

__all__ = ["shared", "store"]

pytestmark = pytest.mark.anyio


def bodies(found):
    return [callback.body for callback in found.callbacks]


async def test_what_was_kept_is_found_newest_first(store: Store):
    await store.add([report(b"1", at=1000), report(b"2", at=2000)], keep=0)
    await store.add([report(b"3", at=3000)], keep=0)

    found = await store.search(Wanted())

    assert bodies(found) == [b"3", b"2", b"1"] and found.total == 3
    assert [callback.id for callback in found.callbacks] == [3, 2, 1]
    assert [callback.received_ms for callback in found.callbacks] == [3000, 2000, 1000]


async def test_a_report_comes_back_as_it_was(store: Store):
    body = b"\0\xff\n'; DROP TABLE callbacks; --"
    await store.add([report(body, query=b"a=%00&b=\xff")], keep=0)

    [callback] = (await store.search(Wanted())).callbacks

    assert (callback.body, callback.query, callback.method) == (body, b"a=%00&b=\xff", "POST")
    assert callback.kind is Kind.TEXT and callback.size == len(body)
    assert not callback.truncated and callback.signed is False


async def test_of_a_long_body_the_beginning_is_kept(store: Store):
    body = b'{"status":"' + b"x" * 100_000 + b'","uuid":"63f6"}'
    await store.add([report(body)], keep=0)

    [callback] = (await store.search(Wanted(fields=(("uuid", "63f6"),)))).callbacks

    assert callback.body == body[:MAX_KEPT_BYTES] and callback.size == len(body) and callback.truncated


async def test_every_field_has_to_be_there(store: Store):
    await store.add(
        [
            report(b'{"status":"answered","uuid":"a","price":1}'),
            report(b'{"status":"answered","uuid":"b"}'),
            report(b'{"status":"completed","uuid":"a"}'),
            report(query=b"status=answered&uuid=a"),
        ],
        keep=0,
    )

    async def count(*fields: tuple[str, str]) -> int:
        return (await store.search(Wanted(fields=fields))).total

    assert await count(("status", "answered")) == 3
    assert await count(("status", "answered"), ("uuid", "a")) == 2
    assert await count(("status", "answered"), ("uuid", "a"), ("price", "1")) == 1
    assert (
        await count(("status", "Answered")) == await count(("status", "")) == await count(("answered", "status")) == 0
    )
    assert await count(("status", "answered"), ("status", "answered")) == 3


async def test_times_bound_what_is_found(store: Store):
    await store.add([report(b"%d" % n, at=1000 * n) for n in range(5)], keep=0)

    assert bodies(await store.search(Wanted(since_ms=2000))) == [b"4", b"3", b"2"]
    assert bodies(await store.search(Wanted(until_ms=2000))) == [b"1", b"0"]
    assert bodies(await store.search(Wanted(since_ms=1000, until_ms=3000))) == [b"2", b"1"]


async def test_pages_follow_each_other(store: Store):
    await store.add([report(b"%d" % n) for n in range(5)], keep=0)

    pages = [await store.search(Wanted(length=2, number=number)) for number in (1, 2, 3, 4, 10**9)]

    assert [bodies(page) for page in pages] == [[b"4", b"3"], [b"2", b"1"], [b"0"], [], []]
    assert {page.total for page in pages} == {5}


async def test_only_the_newest_stay(store: Store):
    for n in range(10):
        await store.add([report(b'{"n":%d}' % n)], keep=3)

    assert bodies(await store.search(Wanted())) == [b'{"n":9}', b'{"n":8}', b'{"n":7}']
    assert (await store.search(Wanted(fields=(("n", "6"),)))).total == 0
    await store.add([report(b"%d" % n) for n in range(7)], keep=3)
    assert bodies(await store.search(Wanted())) == [b"6", b"5", b"4"]


async def test_two_servers_share_one_bound(shared: Shared):
    async with anyio.create_task_group() as group:
        for n in range(20):
            place = shared.store if n % 2 else shared.other
            group.start_soon(lambda place=place, n=n: place.add([report(b'{"n":%d}' % n)] * 2, keep=5))

    found = await shared.other.search(Wanted())

    assert found.total == 5 and len({callback.id for callback in found.callbacks}) == 5


async def test_a_storm_of_one_transaction(store: Store):
    await store.add([report(b'{"n":%d,"even":%d}' % (n, n % 2)) for n in range(256)], keep=100)

    assert (await store.search(Wanted())).total == 100
    assert (await store.search(Wanted(fields=(("even", "0"),)))).total == 50
