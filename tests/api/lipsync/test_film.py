"""Films through the whole server, with a network of random numbers."""

import base64

import httpx
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: pip install '.[lipsync]'")

from app.lipsync.networks.registry import FILES, FOLDER, PLANS  # noqa: E402
from app.main import create_app, socket_limits  # noqa: E402
from app.settings import Settings  # noqa: E402
from tests.lipsync.films import film, moving_face  # noqa: E402
from tests.lipsync.performers import greys, png, tone  # noqa: E402
from tests.lipsync.portraits import MODELS, needs_models  # noqa: E402
from tests.lipsync.random_weights import contrasty_network, save  # noqa: E402
from tests.live_server import live_server  # noqa: E402

pytestmark = [pytest.mark.anyio, needs_models]

PATH = "/api/v1/lip-sync"
NAME = "nota_wav2lip"


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.fixture
async def http(tmp_path):
    (tmp_path / FOLDER).mkdir()
    save(contrasty_network(PLANS[NAME]).state_dict(), tmp_path / FOLDER / FILES[NAME][0])
    (tmp_path / "faces").symlink_to(MODELS)
    settings = Settings(
        _env_file=None,
        data_dir=tmp_path / "data",
        models_dir=tmp_path,
        tts_backends=("tone",),
        lipsync_device="cpu",
        lipsync_max_video_bytes=2**20,
        lipsync_max_video_seconds=1,
        lipsync_timeout_seconds=600,
    )
    async with (
        live_server(create_app(settings), limits_for=socket_limits) as live,
        httpx.AsyncClient(base_url=live.url, timeout=600) as client,
    ):
        yield client


def head(seconds: float = 0.4) -> bytes:
    return film(moving_face(round(seconds * 25))[0])


async def test_a_film_speaks_in_json_and_in_a_form(http):
    body = {
        "audio_base64": base64.b64encode(tone(0.6)).decode(),
        "video_base64": base64.b64encode(head()).decode(),
        "options": {"model_type": NAME},
    }
    result = (await http.post(PATH, json=body)).json()
    assert (result["model_used"], result["frames_processed"], result["image_id"]) == (NAME, 15, None)
    assert len(greys(base64.b64decode(result["video_base64"]))) == 15

    files = {"audio": ("a.wav", tone(0.6)), "video": ("v.mp4", head())}
    answer = await http.post(PATH, files=files, params={"stream": "true"})
    assert answer.headers["x-model-used"] == NAME and "x-image-id" not in answer.headers
    assert len(greys(answer.content)) == 15

    health = (await http.get("/ws/health")).json()
    assert health["engines"] == {"warp": None, NAME: None, "wav2lip": "wav2lip has no weights"}


async def test_films_that_cannot_be_taken_are_told(http):
    for video, said in (
        (bytes(2**20 + 1), "Video file too large (max 1MB)"),
        (head(2.0), "lasts 2 s"),
        (head()[:2000], ""),
        (png(), ""),
    ):
        files = {"audio": ("a.wav", tone(0.6)), "video": ("v.mp4", video)}
        answer = await http.post(PATH, files=files)
        assert (answer.status_code, answer.json()["error_type"]) == (422, "validation_error"), said
        assert said in answer.json()["detail"]
