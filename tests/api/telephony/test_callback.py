import json
import logging

import anyio
import httpx
import pytest

from app.calls.signature import Signature
from app.errors import Unavailable
from app.runtime.logs import MAX_LINE_LENGTH, TextFormatter
from tests.api.telephony.reports import reports
from tests.calls.fake_callbacks import FakeCallbacks
from tests.calls.test_callbacks import SlowCallbacks
from tests.calls.test_signature import NOW, SECRET, signed
from tests.eventually import eventually

pytestmark = pytest.mark.anyio

FORM = {"content-type": "application/x-www-form-urlencoded"}


async def test_the_documents_example_is_kept():
    """curl -X POST …/callback -H "Content-Type: application/json" -d '{"foo": "bar", "number": 42}'"""
    async with reports() as desk:
        reply = await desk.post(b'{"foo": "bar", "number": 42}', **{"content-type": "application/json"})
        found = await desk.found()

    assert reply.status_code == 204 and reply.content == b""
    assert found == {
        "data": [
            {
                "id": 1, "received_at": "2025-11-20T14:46:40.250Z", "method": "POST", "query": {}, "kind": "json",
                "data": {"foo": "bar", "number": 42}, "size": 28, "truncated": False, "signed": False,
            }
        ],
        "total": 1, "page": 1, "per_page": 20, "total_pages": 1,
    }  # fmt: skip


@pytest.mark.parametrize(
    "body, headers, kind, data",
    [
        (b"[1,2.50]", {}, "json", [1, 2.5]),
        (b"42", {}, "json", 42),
        (b'"text"', FORM, "json", "text"),
        (b"null", {}, "json", None),
        (b"", {}, "empty", None),
        (b"{", {}, "text", "{"),
        (b"\0\xff", {"content-type": "application/json"}, "text", "\0\ufffd"),
        (b"a=1&a=2&b=%20", FORM, "form", {"a": ["1", "2"], "b": " "}),
        (b"a=1", {"content-type": "Application/X-WWW-Form-Urlencoded; charset=utf-8"}, "form", {"a": "1"}),
        (b'{"a":1', FORM, "form", {'{"a":1': ""}),
        (b"[" * 800 + b"]" * 800, {}, "json", None),
    ],
)
async def test_anything_is_answered_with_204_and_kept(body, headers, kind, data):
    async with reports() as desk:
        reply = await desk.post(body, **headers)
        found = (await desk.search()).text

    assert reply.status_code == 204 and reply.content == b""
    if len(body) < 100:
        [callback] = json.loads(found)["data"]
        assert (callback["kind"], callback["data"], callback["size"]) == (kind, data, len(body))
    else:
        assert body.decode() in found  # deeper than some readers go


async def test_a_get_is_kept_with_its_query():
    async with reports() as desk:
        reply = await desk.get("?status=answered&to=%2B44&tag=a&tag=b&token=secret")
        found = await desk.found()

    assert reply.status_code == 204
    [callback] = found["data"]
    assert callback["query"] == {"status": "answered", "to": "+44", "tag": ["a", "b"]}
    assert (callback["method"], callback["kind"], callback["data"]) == ("GET", "empty", None)


async def test_other_methods_are_none():
    async with reports() as desk:
        assert (await desk.http.put("/callback", content=b"{}")).status_code == 405


async def test_of_a_long_body_the_beginning_is_kept_and_its_fields_are_found():
    async with reports() as desk:
        reply = await desk.post(json.dumps({"transcript": "x" * 500_000, "uuid": "63f6"}).encode())
        found = await desk.found("?uuid=63f6")

    assert reply.status_code == 204
    [callback] = found["data"]
    assert callback["truncated"] is True and callback["size"] > 500_000 and len(callback["data"]) == 16_384


async def test_a_body_beyond_all_bounds_is_refused():
    async with reports() as desk:
        reply = await desk.post(b"x" * (1024 * 1024 + 1))
        found = await desk.found()

    assert reply.status_code == 413 and found["total"] == 0


async def test_it_is_told_in_one_line_without_secrets(caplog):
    body = json.dumps({"status": "answered\n2026-11-20 ERROR forged\x1b[31m", "token": "hunter2", "x": "y" * 9000})

    with caplog.at_level(logging.INFO, logger="app.api.telephony.callback"):
        async with reports() as desk:
            await desk.post(body.encode(), "?call=7&api_key=hunter2&secret=hunter2")

    [record] = [record for record in caplog.records if record.name == "app.api.telephony.callback"]
    told = TextFormatter().format(record)
    assert told.isprintable() and len(told) < 2000 < MAX_LINE_LENGTH
    assert "answered" in told and "call=7" in told and "hunter2" not in told


async def test_a_bearer_of_the_platform_is_no_wrong_credential_of_ours():
    async with reports(auth_required=True) as desk:
        reply = await desk.post(b"{}", authorization=signed())

        assert reply.status_code == 204
        assert (await desk.found())["data"][0]["signed"] is False
        assert (await desk.http.get("/api/v1/callbacks")).status_code == 401


async def test_with_a_secret_only_the_platform_is_heard():
    async with reports(signature=Signature(SECRET, clock=lambda: NOW)) as desk:
        body = b'{"status":"answered","uuid":"63f61863-4a51-4f6b-86e1-46edebcf9356"}'
        good = await desk.post(body, authorization=signed())
        again = await desk.post(body, authorization=signed())
        refused = [
            await desk.post(body),
            await desk.get("?status=answered"),
            await desk.post(body + b" ", authorization=signed()),
            await desk.post(body, authorization=signed("another secret")),
            await desk.post(body, authorization=signed(iat=int(NOW) - 301)),
        ]
        query = await desk.get("?a=b", authorization=signed(body=b'{"a":"b"}'))
        found = await desk.found()

    assert good.status_code == again.status_code == query.status_code == 204
    assert [reply.status_code for reply in refused] == [401] * 5
    assert refused[0].headers["www-authenticate"] == "Bearer"
    assert refused[0].json() == {"detail": "the callback is not signed"}
    assert found["total"] == 3 and all(callback["signed"] for callback in found["data"])


async def test_what_cannot_be_kept_is_not_answered_as_if():
    class Away(FakeCallbacks):
        async def add(self, arrivals, *, keep):
            raise Unavailable("the sqlite database cannot do this now")

    async with reports(store=Away()) as desk:
        assert (await desk.post(b"{}")).status_code == 503


async def test_a_storm_waits_in_groups_and_only_so_many_wait():
    store = SlowCallbacks()
    async with reports(store=store, max_waiting=5) as desk, anyio.create_task_group() as group:
        replies: list[httpx.Response] = []

        async def post() -> None:
            replies.append(await desk.post(b"{}"))

        group.start_soon(post)
        await store.began.wait()
        for _ in range(8):
            group.start_soon(post)
        await eventually(lambda: len(replies) == 3)
        assert [reply.status_code for reply in replies] == [429] * 3
        assert replies[0].headers["retry-after"] == "1"
        store.may.set()

    assert [reply.status_code for reply in replies].count(204) == 6
    assert [len(group) for group in store.groups] == [1, 5]
