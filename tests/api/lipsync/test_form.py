"""Portraits that are asked for by a form, as curl sends it."""

import base64
import json

import anyio
import httpx
import pytest

from app.api.lipsync import form as form_module
from app.api.lipsync.form import MAX_FILES, MAX_TEXTS
from app.api.lipsync.limits import LipsyncLimits
from tests.api.lipsync.door import door
from tests.lipsync.performers import greys, png, tone

pytestmark = pytest.mark.anyio

PATH = "/api/v1/lip-sync"
AUDIO, IMAGE = ("a.wav", tone(1.0)), ("p.png", png())
FILES = {"audio": AUDIO, "image": IMAGE}
FLAT = {"options": '{"model_type":"flat","fps":10}'}
BOUNDARY = "multipart/form-data; boundary=x"


@pytest.fixture
def anyio_backend():
    return "asyncio"


async def asked(live, **body):
    async with httpx.AsyncClient(base_url=live.live.url, timeout=30) as http:
        return await http.post(PATH, **body)


async def test_files_and_options_as_curl_sends_them():
    async with door() as live:
        answer = await asked(live, files=FILES, data=FLAT)
        result = answer.json()
        assert (answer.status_code, result["frames_processed"], result["model_used"]) == (200, 10, "flat")
        assert len(greys(base64.b64decode(result["video_base64"]))) == 10
        again = {"image_id": result["image_id"], **FLAT}
        answer = await asked(live, files={"audio": AUDIO}, data=again, headers={"accept": "video/mp4"})
        assert len(greys(answer.content)) == 10


async def test_nothing_of_a_form_is_on_the_disk(monkeypatch):
    def refuse(file):
        raise AssertionError("on the disk")

    monkeypatch.setattr("tempfile.SpooledTemporaryFile.rollover", refuse)
    large = ("a.wav", tone(100.0))
    async with door() as live:
        answer = await asked(live, files={"audio": large, "image": ("p.gif", b"GIF89a")})
    assert "not a JPEG" in answer.json()["detail"]


def part(name, content, *, file=False):
    return f'--x\r\nContent-Disposition: form-data; name="{name}"{"; filename=f" * file}\r\n\r\n{content}\r\n'


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"files": {"audio": AUDIO}}, "Missing required fields: image_base64"),
        ({"files": {"image": IMAGE}, "data": FLAT}, "Missing required fields: audio_base64"),
        ({"files": {**FILES, "portrait": IMAGE}}, "a file is called audio, image, video, not portrait"),
        ({"files": {"audio": (None, "text"), "image": IMAGE}}, "audio must be a file"),
        ({"files": {"audio": ("a.wav", b""), "image": IMAGE}}, "Empty audio or image data"),
        ({"files": {**FILES, "video": ("v.mp4", b"x")}}, "only one of image_base64, video_base64"),
        ({"files": FILES, "data": {"options": "{"}}, "options: Invalid JSON"),
        ({"files": FILES, "data": {"options": '{"fps": "fast"}'}}, "fps"),
        ({"files": FILES, "data": {"options": '{"fps": 1e9}'}}, "fps is"),
        ({"files": FILES, "data": {"type": "cancel"}}, "type"),
        ({"files": {"audio": ("a.wav", bytes(2**20 + 1)), "image": IMAGE}}, "Audio file too large (max 1MB)"),
        ({"files": [("image", IMAGE)] * (MAX_FILES + 1)}, "Too many files"),
        ({"files": [(f"t{each}", (None, "x")) for each in range(MAX_TEXTS + 1)]}, "Too many fields"),
        ({"files": {"text": (None, "x" * 300_000)}}, "maximum size"),
        ({"content": b"", "headers": {"content-type": BOUNDARY}}, "breaks off"),
        ({"content": b"--x--\r\n", "headers": {"content-type": BOUNDARY}}, "Missing required fields"),
        ({"content": part("text", "Hi"), "headers": {"content-type": BOUNDARY}}, "breaks off"),
        ({"content": part("audio", "Hi", file=True), "headers": {"content-type": BOUNDARY}}, "breaks off"),
        ({"content": b"\0" * 1000, "headers": {"content-type": BOUNDARY}}, "form cannot be read"),
        ({"content": b"x", "headers": {"content-type": "multipart/form-data"}}, "boundary"),
    ],
)
async def test_what_is_wrong_with_a_form_is_told(body, said):
    async with door(limits=LipsyncLimits(max_audio_bytes=2**20)) as live:
        answer = await asked(live, **body)
        assert answer.status_code == 422 and said in answer.json()["detail"]
        assert len(live.ended) == live.atelier.jobs == 0


async def test_a_body_that_does_not_come_is_told(monkeypatch):
    monkeypatch.setattr(form_module, "UPLOAD_SECONDS", 0.05)
    async with door() as live:
        connection = await anyio.connect_tcp("127.0.0.1", live.live.port)
        head = f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n"
        await connection.send(head.encode() + b'{"text":')
        with anyio.fail_after(20):
            answer = await connection.receive()
        assert b" 503 " in answer and b"did not come" in answer
        await connection.aclose()


async def test_who_leaves_in_the_middle_of_a_body_leaves_nothing():
    async with door() as live:
        connection = await anyio.connect_tcp("127.0.0.1", live.live.port)
        await connection.send(f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n".encode() + b"{")
        await connection.aclose()
        await live.live.emptied()
        assert live.ended == []


async def test_json_may_call_itself_anything():
    body = {"audio_base64": base64.b64encode(AUDIO[1]).decode(), "image_base64": base64.b64encode(IMAGE[1]).decode()}
    async with door() as live:
        answer = await asked(live, content=json.dumps(body), headers={"content-type": "text/plain"})
    assert answer.status_code == 200
