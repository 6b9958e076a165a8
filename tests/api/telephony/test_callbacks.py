import anyio
import pytest

from tests.api.telephony.reports import reports

pytestmark = pytest.mark.anyio


async def test_fields_are_found_by_their_exact_values():
    async with reports() as desk:
        await desk.post(b'{"status":"answered","uuid":"a","from":"447700900000","price":0.0100}')
        await desk.post(b'{"status":"completed","uuid":"a"}')
        await desk.get("?status=answered&uuid=b")

        assert (await desk.found("?status=answered"))["total"] == 2
        assert (await desk.found("?status=answered&uuid=a"))["total"] == 1
        assert (await desk.found("?from=447700900000&price=0.0100"))["total"] == 1
        assert (await desk.found("?status=answer"))["total"] == 0
        assert (await desk.found("?nothing=here"))["data"] == []


async def test_pages_come_newest_first():
    async with reports() as desk:
        for n in range(5):
            await desk.post(b"%d" % n)

        first, last = await desk.found("?per_page=2"), await desk.found("?per_page=2&page=3")

    assert [callback["data"] for callback in first["data"]] == [4, 3]
    assert (first["total"], first["page"], first["per_page"], first["total_pages"]) == (5, 1, 2, 3)
    assert [callback["data"] for callback in last["data"]] == [0]


@pytest.mark.parametrize(
    "query, data",
    [
        ("since=100", [2, 1]),
        ("since=1970-01-01T00:01:40Z", [2, 1]),
        ("since=1970-01-01T00:01:40", [2, 1]),
        ("until=1970-01-01T02:01:40%2B02:00", [0]),
        ("since=100&until=200", [1]),
        ("until=0001-01-01T00:00:00Z", []),
        ("since=9999-12-31T23:59:59Z", []),
    ],
)
async def test_times_bound_what_is_found(query, data):
    times = iter([0.0, 100.0, 200.0])
    async with reports(clock=lambda: next(times)) as desk:
        for n in range(3):
            await desk.post(b"%d" % n)

        assert [callback["data"] for callback in (await desk.found(f"?{query}"))["data"]] == data


async def test_only_the_newest_stay():
    async with reports(keep=3) as desk:
        for n in range(5):
            await desk.post(b'{"n":%d}' % n)

        assert [callback["data"]["n"] for callback in (await desk.found())["data"]] == [4, 3, 2]
        assert (await desk.found("?n=1"))["total"] == 0


@pytest.mark.parametrize(
    "query", ["page=0", "per_page=0", "per_page=1001", "since=yesterday", "&".join(f"a{n}=" for n in range(21))]
)
async def test_a_wrong_question_is_told(query):
    async with reports() as desk:
        assert (await desk.search(f"?{query}")).status_code == 422


async def test_administrators_alone_may_ask():
    async with reports() as desk:
        assert (await desk.http.get("/api/v1/callbacks")).status_code == 401
        assert (await desk.search(roles=())).status_code == 403
        assert (await desk.search()).status_code == 200


async def test_numbers_come_back_as_they_were_written():
    async with reports() as desk:
        await desk.post(b'{"price":0.0100,"big":12345678901234567890123}')

        assert b'{"price":0.0100,"big":12345678901234567890123}' in (await desk.search()).content


async def test_a_hundred_at_once_are_all_there():
    async with reports() as desk:
        async with anyio.create_task_group() as group:
            for n in range(100):
                group.start_soon(desk.post, b'{"n":%d}' % n)

        found = await desk.found("?per_page=1000")

    assert sorted(callback["data"]["n"] for callback in found["data"]) == list(range(100))
