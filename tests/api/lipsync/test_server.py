"""The whole server with its own engine and its own voice, as clients talk to it."""

import base64
import io
import json
from contextlib import asynccontextmanager

import av
import cv2
import httpx
import numpy as np
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from app.assembly.speaker import SynthesizedSpeaker
from app.lipsync.mouth.mouth import OPEN
from app.lipsync.mouth.phonemes import spoken as mouth_of
from app.lipsync.script import Script
from app.main import create_app, socket_limits
from app.settings import Settings
from tests.lipsync.performers import tone
from tests.lipsync.portraits import astronaut, astronaut_face, needs_models
from tests.live_server import live_server

pytestmark = [pytest.mark.anyio, needs_models]

PATH = "/api/v1/lip-sync"
TEXT = "Maybe my mother would bake five apple pies. Bob was humming by the open window, oh, what a happy moment!"


@pytest.fixture
def anyio_backend():
    return "asyncio"


@asynccontextmanager
async def whole(tmp_path, **settings):
    app = create_app(Settings(_env_file=None, data_dir=tmp_path, **settings))
    async with live_server(app, limits_for=socket_limits) as live:
        yield live, app.state.services


def photo():
    return cv2.imencode(".jpg", astronaut())[1].tobytes()


async def drawn(socket, **request):
    """Ask for a portrait; returns the result and the binary messages."""
    await socket.send(json.dumps({"type": "process", **request}))
    parts = []
    async for message in socket:
        if isinstance(message, bytes):
            parts.append(message)
        elif (told := json.loads(message))["type"] in ("result", "error"):
            assert told["type"] == "result", told
            return told, parts
    raise AssertionError("closed")


async def test_a_photo_speaks_without_any_weights(tmp_path):
    request = {
        "audio_base64": base64.b64encode(tone(2.0, 22_050)).decode(),
        "image_base64": base64.b64encode(photo()).decode(),
        "options": {"model_type": "nota_wav2lip", "resize_factor": 2},
    }
    async with whole(tmp_path, tts_backends=("tone",)) as (live, _), connect(f"{live.ws_url}/ws/lip-sync") as socket:
        assert json.loads(await socket.recv())["type"] == "connection"
        message, _ = await drawn(socket, **request)

    assert (message["model_used"], message["faces"], message["face_is_rough"]) == ("warp", 1, False)
    with av.open(io.BytesIO(base64.b64decode(message["video_base64"]))) as video:
        assert [stream.codec_context.name for stream in video.streams] == ["h264", "aac"]
        assert (video.streams.video[0].width, video.streams.audio[0].codec_context.sample_rate) == (256, 22_050)
        assert sum(1 for _ in video.decode(video=0)) == message["frames_processed"] == 50


async def test_a_text_is_spoken_by_lips_that_know_its_phonemes(tmp_path):
    async with (
        whole(tmp_path, tts_backends=("espeak",)) as (live, services),
        httpx.AsyncClient(base_url=live.url, timeout=60) as http,
        connect(f"{live.ws_url}/ws/lip-sync") as socket,
    ):
        kept = (await http.post(f"{PATH}/images", content=photo(), headers={"content-type": "image/jpeg"})).json()
        assert (kept["width"], kept["height"], kept["faces"]) == (512, 512, 1)
        said = {"text": TEXT, "voice": "en-gb+f5", "speed": 0.75}
        result, parts = await drawn(socket, **said, image_id=kept["image_id"], options={"stream": True})
        metrics = (await http.get("/metrics")).text
        spoken = await SynthesizedSpeaker(services.synthesizer).speak(Script(**said), client="")

    assert (result["voice"], result["backend"], result["image_id"]) == ("en-gb+f5", "espeak", kept["image_id"])
    assert 'portraits_ended_total{model="warp",outcome="done"} 1.0' in metrics
    assert f"portrait_album_bytes {float(len(photo()))}" in metrics
    with av.open(io.BytesIO(b"".join(parts))) as video:
        pictures = [frame.to_ndarray(format="gray") for frame in video.decode(video=0)]
    mouth = mouth_of(spoken.phonemes, fps=25, frames=len(pictures))[:, OPEN]
    x, y = np.round(astronaut_face().landmarks[14]).astype(int)
    dark = np.array([-float(picture[y : y + 7, x - 8 : x + 9].mean()) for picture in pictures])
    by_shift = {shift: np.corrcoef(np.roll(dark, -shift), mouth)[0, 1] for shift in range(-5, 6)}
    assert by_shift[0] > 0.6 and abs(max(by_shift, key=by_shift.__getitem__)) <= 1


async def test_where_credentials_are_needed_pictures_need_them_too(tmp_path):
    async with (
        whole(tmp_path, tts_backends=("tone",), auth_required=True) as (live, _),
        httpx.AsyncClient(base_url=live.url) as http,
    ):
        for answer in (
            await http.post(PATH, json={}),
            await http.post(f"{PATH}/images", content=photo()),
            await http.get(f"{PATH}/images/{'0' * 64}"),
            await http.delete(f"{PATH}/images/{'0' * 64}"),
        ):
            assert answer.status_code == 401
        with pytest.raises(InvalidStatus):
            async with connect(f"{live.ws_url}/ws/lip-sync"):
                pass


async def test_pictures_are_bounded_before_they_are_read(tmp_path):
    async with (
        whole(tmp_path, tts_backends=("tone",), lipsync_max_image_bytes=2**20) as (live, services),
        httpx.AsyncClient(base_url=live.url) as http,
    ):
        answer = await http.post(f"{PATH}/images", content=bytes(2**21))
        assert answer.status_code == 413
        answer = await http.post(f"{PATH}/images", content=bytes(2**20 + 1))
        assert (answer.status_code, answer.json()["detail"]) == (422, "Image file too large (max 1MB)")
        assert services.atelier.album.size == 0


def test_the_largest_files_of_the_document_fit_into_a_message():
    limits = socket_limits("/ws/lip-sync")
    assert limits.max_message_bytes > (50 + 10) * 2**20 * 4 / 3 + 2**20
    assert limits.message_deadline >= 500
