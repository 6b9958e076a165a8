import os
import time
from contextlib import asynccontextmanager

import anyio
import httpx
import pytest
from fastapi import FastAPI, Request

from app.api.stream.failure import StreamRoute
from app.api.stream.uploads import ABANDONED_SECONDS, Uploads
from app.runtime.body_limit import BodyLimit
from app.runtime.workers import FILES_POOL, Workers
from tests.eventually import eventually
from tests.live_server import live_server
from tests.wire import wire

pytestmark = pytest.mark.anyio

LARGE = 3_000_000
PATH = "/upload"


class Place:
    """A server that says what arrived."""

    def __init__(self, folder, **options):
        self.folder = folder
        self.uploads = Uploads(folder, Workers({FILES_POOL: 2}), **options)
        self.held = anyio.Event()
        self.url = ""
        self.port = 0

    @property
    def files(self):
        return list(self.folder.iterdir()) if self.folder.exists() else []

    async def post(self, **content):
        async with httpx.AsyncClient(base_url=self.url) as client:
            return await client.post(PATH, **content)


@asynccontextmanager
async def place(folder, **options):
    app, place = FastAPI(), Place(folder / "uploads", **options)
    app.router.route_class = StreamRoute

    @app.post(PATH)
    async def take(request: Request):
        async with place.uploads.receive(request) as upload:
            place.held.set()
            size = upload.path.stat().st_size
            return {"name": upload.name, "size": size, "files": len(place.files), "fields": dict(upload.fields)}

    app.add_middleware(BodyLimit, max_bytes=2 * LARGE)
    async with live_server(app) as live:
        place.url, place.port = live.url, live.port
        yield place
        await live.emptied()
    assert place.files == []


async def test_a_body_that_is_the_file(tmp_path):
    async with place(tmp_path) as server:
        said = (
            await server.post(content=b"x" * LARGE, params={"title": " One ", "filename": "a.mp3", "url": ""})
        ).json()
        assert said == {"name": "a.mp3", "size": LARGE, "files": 1, "fields": {"title": "One", "filename": "a.mp3"}}


async def test_a_form_with_the_file(tmp_path):
    async with place(tmp_path) as server:
        said = (await server.post(files={"file": ("a.mp3", b"x" * LARGE)}, data={"title": "One", "url": " "})).json()
        assert said == {"name": "a.mp3", "size": LARGE, "files": 1, "fields": {"title": "One"}}


async def test_a_body_that_comes_in_pieces(tmp_path):
    async def pieces():
        for _ in range(30):
            yield b"x" * 100_000

    async with place(tmp_path) as server:
        assert (await server.post(content=pieces())).json()["size"] == LARGE


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ({"content": b""}, "the file is empty"),
        ({"files": {"file": ("a.mp3", b"")}}, "the file is empty"),
        ({"data": {"title": "One"}, "headers": {"content-type": "multipart/form-data; boundary=x"}}, "form"),
        ({"headers": {"content-type": "multipart/form-data"}, "content": b"x"}, "needs a boundary"),
    ],
)
async def test_what_is_no_file_is_refused(tmp_path, content, told):
    async with place(tmp_path) as server:
        answer = await server.post(**content)
        assert answer.status_code == 422 and told in answer.json()["detail"]


async def test_more_than_may_be_is_refused_and_leaves_nothing(tmp_path):
    async def pieces():
        for _ in range(100):
            yield b"x" * 100_000

    async with place(tmp_path) as server:
        answer = await server.post(content=pieces())
        assert (answer.status_code, answer.json()["detail"]) == (413, "the body is larger than 6000000 bytes")
        assert server.files == []


async def begin(client, size=LARGE):
    head = f"POST {PATH} HTTP/1.1\r\nHost: a\r\nContent-Length: {size}\r\n\r\n"
    await client.send(head.encode() + b"x" * 100_000)


async def test_who_leaves_half_way_leaves_nothing(tmp_path):
    async with place(tmp_path) as server, wire(server.port) as client:
        await begin(client)
        await eventually(lambda: len(server.files) == 1)
        client.reset()
        await eventually(lambda: server.files == [])
        assert not server.held.is_set()


async def test_who_stops_sending_is_not_waited_for(tmp_path):
    async with place(tmp_path, patience=0.05) as server, wire(server.port) as client:
        await begin(client)
        head = await client.read_head()
        assert b"503" in head.split(b"\r\n")[0]
        await eventually(lambda: server.files == [])


async def test_a_disk_that_refuses_is_said(tmp_path):
    (tmp_path / "uploads").write_text("in the way")
    uploads = Uploads(tmp_path / "uploads", Workers({FILES_POOL: 2}))
    app = FastAPI()
    app.router.route_class = StreamRoute

    @app.post(PATH)
    async def take(request: Request):
        async with uploads.receive(request):
            return {}

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://a") as client:
        answer = await client.post(PATH, content=b"x")
    assert answer.status_code == 503 and "the file cannot be kept" in answer.json()["detail"]


async def test_what_a_killed_server_left_is_removed(tmp_path):
    async with place(tmp_path) as server:
        server.folder.mkdir()
        for name, age in (("old.part", ABANDONED_SECONDS + 60), ("new.part", 60)):
            (server.folder / name).write_bytes(b"x")
            os.utime(server.folder / name, (time.time() - age,) * 2)
        await server.post(content=b"x")
        assert [file.name for file in server.files] == ["new.part"]
        (server.folder / "new.part").unlink()
