"""The whole server with its own engine, as the document's client talks to it."""

import base64
import io
import json

import av
import cv2
import pytest
from websockets.asyncio.client import connect

from app.main import create_app, socket_limits
from app.settings import Settings
from tests.lipsync.performers import tone
from tests.lipsync.portraits import astronaut, needs_models
from tests.live_server import live_server

pytestmark = [pytest.mark.anyio, needs_models]


@pytest.fixture
def anyio_backend():
    return "asyncio"


async def test_a_photo_speaks_without_any_weights(tmp_path):
    app = create_app(Settings(_env_file=None, data_dir=tmp_path, tts_backends=("tone",)))
    photo = cv2.imencode(".jpg", astronaut())[1].tobytes()
    request = {
        "type": "process",
        "audio_base64": base64.b64encode(tone(2.0, 22_050)).decode(),
        "image_base64": base64.b64encode(photo).decode(),
        "options": {"model_type": "nota_wav2lip", "resize_factor": 2},
    }
    async with live_server(app, limits_for=socket_limits) as live, connect(f"{live.ws_url}/ws/lip-sync") as socket:
        assert json.loads(await socket.recv())["type"] == "connection"
        await socket.send(json.dumps(request))
        async for text in socket:
            if (message := json.loads(text))["type"] in ("result", "error"):
                break

    assert message["type"] == "result", message
    assert (message["model_used"], message["faces"], message["face_is_rough"]) == ("warp", 1, False)
    with av.open(io.BytesIO(base64.b64decode(message["video_base64"]))) as video:
        assert [stream.codec_context.name for stream in video.streams] == ["h264", "aac"]
        assert (video.streams.video[0].width, video.streams.audio[0].codec_context.sample_rate) == (256, 22_050)
        assert sum(1 for _ in video.decode(video=0)) == message["frames_processed"] == 50


def test_the_largest_files_of_the_document_fit_into_a_message():
    limits = socket_limits("/ws/lip-sync")
    assert limits.max_message_bytes > (50 + 10) * 2**20 * 4 / 3 + 2**20
    assert limits.message_deadline >= 500
