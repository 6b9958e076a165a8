import json
from collections.abc import Iterable, Iterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Request
from hypothesis import given
from hypothesis import strategies as st
from starlette.types import Message, Receive, Scope, Send

from app.runtime.body_limit import BodyLimit
from tests.runtime.plain_server import serving

pytestmark = pytest.mark.anyio

LIMIT = 10


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with the length of the body."""
    length = 0
    while True:
        message = await receive()
        length += len(message["body"])
        if not message["more_body"]:
            break
    await start(send)
    await send({"type": "http.response.body", "body": str(length).encode()})


async def start(send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})


async def call(app: Any, *chunks: bytes, announced: str | None = None, path: str = "/a") -> list[Message]:
    headers = [] if announced is None else [(b"content-length", announced.encode())]
    coming = iter([{"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks])
    sent: list[Message] = []

    async def receive() -> Message:
        return next(coming, {"type": "http.request", "body": b"", "more_body": False})

    async def send(message: Message) -> None:
        sent.append(message)

    await app({"type": "http", "path": path, "headers": headers}, receive, send)
    return sent


@given(st.lists(st.binary(max_size=8), max_size=6))
async def test_law_no_more_than_the_limit_passes(chunks: list[bytes]) -> None:
    total = sum(map(len, chunks))
    begin, body = await call(BodyLimit(echo, max_bytes=LIMIT), *chunks)
    if total <= LIMIT:
        assert (begin["status"], body["body"]) == (200, str(total).encode())
    else:
        assert (begin["status"], json.loads(body["body"])) == (413, {"detail": "the body is larger than 10 bytes"})


@pytest.mark.parametrize(("announced", "status"), [("10", 200), ("11", 413), ("many", 200), ("-1", 200), ("", 200)])
async def test_what_announces_itself_as_too_large_is_not_read(announced: str, status: int) -> None:
    sent = await call(BodyLimit(echo, max_bytes=LIMIT), b"", announced=announced)
    assert sent[0]["status"] == status


@pytest.mark.parametrize(
    ("path", "size", "status"), [("/a", 11, 200), ("/a", 21, 413), ("/b", 11, 413), ("/c", 99, 200)]
)
async def test_a_path_may_have_another_bound(path: str, size: int, status: int) -> None:
    app = BodyLimit(echo, max_bytes=LIMIT, others={"/a": 20, "/c": 0})
    for how in ({"announced": str(size)}, {}):
        chunks = () if how else (b"a" * size,)
        assert (await call(app, *chunks, path=path, **how))[0]["status"] == status


async def test_the_words_are_chosen_by_path() -> None:
    app = BodyLimit(echo, max_bytes=LIMIT, describe=lambda path, error: {path: str(error)})
    _, body = await call(app, announced="11")
    assert json.loads(body["body"]) == {"/a": "the body is larger than 10 bytes"}


async def test_what_is_already_being_answered_ends_with_the_error() -> None:
    async def hasty(scope: Scope, receive: Receive, send: Send) -> None:
        await start(send)
        await echo(scope, receive, send)

    with pytest.raises(Exception, match="413"):
        await call(BodyLimit(hasty, max_bytes=LIMIT), b"a" * 11)


async def test_who_goes_on_after_the_end_of_the_body_is_let_be() -> None:
    async def hasty(scope: Scope, receive: Receive, send: Send) -> None:
        await start(send)
        with pytest.raises(Exception, match="413"):
            await receive()
        await send({"type": "http.response.body", "body": b"half"})

    begin, body = await call(BodyLimit(hasty, max_bytes=LIMIT), b"a" * 11)
    assert (begin["status"], body["body"]) == (200, b"half")


async def test_what_is_no_request_passes() -> None:
    scopes: list[Scope] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        scopes.append(scope)

    async def nothing(*messages: Any) -> Any: ...

    await BodyLimit(app, max_bytes=LIMIT)({"type": "websocket"}, nothing, nothing)
    assert scopes == [{"type": "websocket"}]


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    app = FastAPI()

    @app.post("/take")
    async def take(request: Request, body: dict[str, str]) -> dict[str, str]:
        return body

    app.add_middleware(BodyLimit, max_bytes=1000)
    with serving(app) as address:
        yield f"http://{address}"


def in_pieces(size: int) -> Iterable[bytes]:
    yield b'{"a": "'
    yield b"a" * size
    yield b'"}'


def post(url: str, **content: Any) -> httpx.Response:
    return httpx.post(url, headers={"content-type": "application/json"}, trust_env=False, **content)


def test_a_framework_behind_it_is_overruled(address: str) -> None:
    for path in ("/take", "/nowhere"):
        whole = post(address + path, content=b'{"a": "' + b"a" * 2000 + b'"}')
        assert (whole.status_code, whole.json()) == (413, {"detail": "the body is larger than 1000 bytes"})
    pieces = post(f"{address}/take", content=in_pieces(2000))
    assert (pieces.status_code, pieces.json()) == (413, {"detail": "the body is larger than 1000 bytes"})
    assert post(f"{address}/take", content=in_pieces(900)).json() == {"a": "a" * 900}
