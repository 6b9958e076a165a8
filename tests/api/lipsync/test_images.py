"""Pictures that are sent once and named afterwards."""

import httpx
import pytest

from app.api.lipsync.limits import LipsyncLimits
from app.lipsync.album import name_of
from tests.api.lipsync.door import Held, door, process
from tests.eventually import eventually
from tests.lipsync.performers import greys, png

pytestmark = pytest.mark.anyio

PATH = "/api/v1/lip-sync/images"
AS_PNG = {"content-type": "image/png"}
UNKNOWN = {"detail": "the image_id is not known, or not any more: send the picture again"}


@pytest.fixture
def anyio_backend():
    return "asyncio"


def client(live):
    return httpx.AsyncClient(base_url=live.live.url, timeout=30)


def named(image_id, **changes):
    return process(0.2, image_base64=None, image_id=image_id, **changes)


@pytest.mark.parametrize("form", [False, True])
async def test_a_picture_is_kept_described_and_forgotten(form):
    image = png(width=80, height=65)
    body = {"files": {"image": ("a.png", image)}} if form else {"content": image, "headers": AS_PNG}
    told = {"image_id": name_of(image), "width": 80, "height": 64, "faces": 2}
    async with door(faces=2) as live, client(live) as http:
        kept = await http.post(PATH, **body)
        assert (kept.status_code, kept.json()) == (201, told)
        again = await http.get(f"{PATH}/{told['image_id']}")
        assert (again.status_code, again.json()) == (200, told)
        gone = await http.delete(f"{PATH}/{told['image_id']}")
        assert (gone.status_code, gone.content) == (204, b"")
        for answer in (await http.get(f"{PATH}/{name_of(image)}"), await http.delete(f"{PATH}/{name_of(image)}")):
            assert (answer.status_code, answer.json()) == (404, UNKNOWN | {"error_type": "validation_error"})


async def test_pictures_are_not_listed():
    async with door() as live, client(live) as http:
        await http.post(PATH, content=png(), headers=AS_PNG)
        assert (await http.get(PATH)).status_code == 405


async def test_a_picture_speaks_by_its_name_everywhere():
    async with door() as live, client(live) as http, live.client() as one, live.client() as other:
        await one.send(process(0.2))
        _, first = await one.until("result", "error")
        assert first["image_id"] == name_of(png())
        await other.send(named(first["image_id"], options={"stream": True}))
        before, second = await other.until("result", "error")
        assert second["image_id"] == first["image_id"] and second["frames_processed"] == 5
        third = await http.post("/api/v1/lip-sync", json=named(first["image_id"]), headers={"accept": "video/mp4"})
        assert (len(greys(third.content)), third.headers["x-image-id"]) == (5, first["image_id"])


@pytest.mark.parametrize("image_id", ["0" * 64, "", "nothing", "../../etc/passwd"])
async def test_an_unknown_name_is_told_and_the_connection_stays(image_id):
    async with door() as live, client(live) as http, live.client() as socket:
        await socket.send(named(image_id))
        _, error = await socket.until("result", "error")
        assert (error["error_type"], error["message"]) == ("validation_error", UNKNOWN["detail"])
        answer = await http.post("/api/v1/lip-sync", json=named(image_id))
        assert (answer.status_code, answer.json()["error_type"]) == (422, "validation_error")
        await socket.send(process(0.2))
        assert (await socket.until("result", "error"))[1]["frames_processed"] == 5


async def test_a_picture_that_is_forgotten_while_it_speaks_is_forgotten_then():
    held = Held()
    async with door(held.engine) as live, client(live) as http, live.client() as socket:
        await socket.send(process(1.0))
        await held.there()
        assert (await http.delete(f"{PATH}/{name_of(png())}")).status_code == 204
        held.go_on()
        assert (await socket.until("result", "error"))[1]["frames_processed"] == 25
        await eventually(lambda: live.atelier.kept_bytes == 0)
        assert live.atelier.album.size == 0
        await socket.send(process(0.2))
        await socket.until("result", "error")
        assert live.atelier.kept_bytes > 0


async def test_a_picture_goes_when_others_need_the_room():
    first, second = png(1, 64, 64), png(2, 64, 64)
    async with door(album_bytes=len(first) + len(second) - 1) as live, client(live) as http:
        for image in (first, second):
            await http.post(PATH, content=image, headers=AS_PNG)
        assert [(await http.get(f"{PATH}/{name_of(each)}")).status_code for each in (first, second)] == [404, 200]


async def test_a_picture_of_a_job_that_was_refused_is_kept_if_it_could_be_read():
    damaged = process(0.2)
    damaged["image_base64"] = damaged["image_base64"][:80]
    async with door(faces=0) as live, live.client() as socket:
        for message, size in ((damaged, 0), (process(0.2), 1)):
            await socket.send(message)
            assert (await socket.until("result", "error"))[1]["type"] == "error"
            assert len(live.atelier.album) == size


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"content": b"", "headers": AS_PNG}, "no image"),
        ({"content": b"GIF89a", "headers": AS_PNG}, "not a JPEG, PNG or WebP"),
        ({"content": png()[:60], "headers": AS_PNG}, ""),
        ({"content": bytes(1025), "headers": AS_PNG}, "max 0.000976562MB"),
        ({"files": {"picture": ("a.png", png())}}, "no image"),
        ({"files": {"image": (None, "text")}}, "no image"),
        ({"content": b"--x", "headers": {"content-type": "multipart/form-data; boundary=x"}}, "breaks off"),
        ({"content": b"--x", "headers": {"content-type": "multipart/form-data"}}, "boundary"),
        ({"content": b"x", "headers": {"content-type": "multipart/form-data; boundary=x"}}, "form cannot be read"),
    ],
)
async def test_what_is_no_picture_is_refused(body, said):
    async with door(limits=LipsyncLimits(max_image_bytes=1024)) as live, client(live) as http:
        answer = await http.post(PATH, **body)
        assert (answer.status_code, answer.json()["error_type"]) == (422, "validation_error")
        assert said in answer.json()["detail"] and len(live.atelier.album) == 0
