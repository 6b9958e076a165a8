from contextlib import asynccontextmanager

import anyio
import httpx
import pytest
from fastapi import FastAPI

from app.api.stream.recognize import Places, recognize
from app.api.stream.uploads import Uploads
from app.errors import InvalidAudio, Overloaded, Unavailable
from app.fingerprint.cues import Cue
from app.fingerprint.identifier import Identified, Sighting
from app.runtime.workers import FILES_POOL, Workers
from tests.api.stream.door import track
from tests.eventually import eventually
from tests.live_server import live_server
from tests.wire import wire

pytestmark = pytest.mark.anyio

PATH = "/api/v1/recognize"
FOUND = Identified(183.25, [Sighting(Cue(1, 12.0, 90.5, 30.25, 1.02, 8.5, 0.99999999, 0.91), track())])


class FakeIdentifier:
    """Hears what a test tells it to."""

    def __init__(self):
        self.outcome = FOUND
        self.asked = []
        self.gate = anyio.Event()
        self.gate.set()
        self.left = 0

    async def identify(self, path, *, client):
        self.asked.append((path.read_bytes(), client))
        try:
            await self.gate.wait()
        except BaseException:
            self.left += 1
            raise
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome


class Door:
    def __init__(self, live, identifier, folder):
        self.live = live
        self.identifier = identifier
        self.folder = folder

    async def post(self, **content):
        async with httpx.AsyncClient(base_url=self.live.url) as client:
            return await client.post(PATH, **content)


@asynccontextmanager
async def door(folder, *, places=8):
    app, identifier = FastAPI(), FakeIdentifier()
    app.include_router(recognize(identifier, Uploads(folder / "up", Workers({FILES_POOL: 2})), places=places))
    async with live_server(app) as live:
        yield Door(live, identifier, folder / "up")
        await live.emptied()
    assert not (folder / "up").exists() or list((folder / "up").iterdir()) == []


@pytest.mark.parametrize("content", [{"content": b"sound"}, {"files": {"file": ("mix.mp3", b"sound")}}])
async def test_what_is_heard_is_told(tmp_path, content):
    async with door(tmp_path) as live:
        answer = await live.post(**content)
        assert live.identifier.asked == [(b"sound", "127.0.0.1")]
    assert answer.json() == {
        "duration": 183.25,
        "matches": [
            {
                "video_id": "abc123",
                "title": "Song Title",
                "url": "https://youtube.com/watch?v=abc123",
                "thumbnail_url": "https://i.ytimg.com/vi/abc123/default.jpg",
                "recording_start": 12.0,
                "recording_end": 90.5,
                "start_time": 30.25,
                "end_time": 110.32,
                "speed": 1.02,
                "similarity_score": 0.91,
                "confidence": 1.0,
            }
        ],
    }


async def test_a_cue_sheet_is_told_to_who_wants_one(tmp_path):
    async with door(tmp_path) as live:
        answer = await live.post(files={"file": ("mix.mp3", b"sound")}, params={"format": "cue"})
        assert answer.headers["content-type"] == "application/x-cue"
        assert answer.text.startswith('FILE "mix.mp3" MP3\r\n') and "INDEX 01 00:12:00" in answer.text
        assert (await live.post(content=b"sound", params={"format": "xml"})).status_code == 422


async def test_nothing_heard_is_an_answer(tmp_path):
    async with door(tmp_path) as live:
        live.identifier.outcome = Identified(3.0, [])
        assert (await live.post(content=b"sound")).json() == {"duration": 3.0, "matches": []}


@pytest.mark.parametrize(
    ("error", "status"), [(InvalidAudio("no sound", field="file"), 422), (Unavailable("no database"), 503)]
)
async def test_an_error_is_told(tmp_path, error, status):
    async with door(tmp_path) as live:
        live.identifier.outcome = error
        answer = await live.post(content=b"sound")
        assert (answer.status_code, answer.json()["detail"]) == (status, str(error))


async def test_who_leaves_is_not_listened_to_any_more(tmp_path):
    async with door(tmp_path) as live, wire(live.live.port) as client:
        live.identifier.gate = anyio.Event()
        await client.send(f"POST {PATH} HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nsound".encode())
        await eventually(lambda: len(live.identifier.asked) == 1)
        client.reset()
        await eventually(lambda: live.identifier.left == 1)
        await eventually(lambda: list(live.folder.iterdir()) == [])


async def test_one_client_cannot_take_all_places(tmp_path):
    statuses = []

    async def ask(live):
        statuses.append((await live.post(content=b"sound")).status_code)

    async with door(tmp_path, places=8) as live:
        live.identifier.gate = anyio.Event()
        async with anyio.create_task_group() as group:
            for _ in range(2):
                group.start_soon(ask, live)
            await eventually(lambda: len(live.identifier.asked) == 2)
            refused = await live.post(content=b"sound")
            live.identifier.gate.set()
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "5")
        assert statuses == [200, 200]
        assert (await live.post(content=b"sound")).status_code == 200


def test_places_are_shared():
    places = Places(4)
    with places.place("a"):
        with pytest.raises(Overloaded), places.place("a"):
            pass
        with places.place("b"), places.place("c"), places.place("d"), pytest.raises(Overloaded), places.place("e"):
            pass
        with places.place("e"):
            pass
    unlimited = Places(0)
    with unlimited.place("a"), unlimited.place("a"), unlimited.place("a"):
        pass
