import base64
import json

import anyio
import httpx
import pytest

from tests.api.lipsync.door import Held, door, process
from tests.lipsync.performers import greys, portrait_threads

pytestmark = pytest.mark.anyio

PATH = "/api/v1/lip-sync"


@pytest.fixture
def anyio_backend():
    return "asyncio"


async def asked(live, body, **headers):
    async with httpx.AsyncClient(base_url=live.live.url, timeout=30) as http:
        content = body if isinstance(body, bytes) else json.dumps(body)
        return await http.post(PATH, content=content, headers=headers)


@pytest.mark.parametrize("with_type", [True, False])
async def test_a_picture_speaks_in_one_request(with_type):
    body = process(1.0, options={"model_type": "nota_wav2lip"})
    if not with_type:
        del body["type"]
    async with door() as live:
        answer = await asked(live, body)
    result = answer.json()
    assert (answer.status_code, result["type"], result["model_used"]) == (200, "result", "flat")
    assert len(greys(base64.b64decode(result["video_base64"]))) == 25


async def test_the_file_itself_may_be_wanted():
    async with door() as live:
        answer = await asked(live, process(1.0, options={"model_type": "nota_wav2lip"}), Accept="video/mp4")
    assert answer.headers["content-type"] == "video/mp4"
    assert (answer.headers["x-model-used"], answer.headers["x-requested-model"]) == ("flat", "nota_wav2lip")
    assert json.loads(answer.headers["x-fallback-reason"]) == "nota_wav2lip has no weights"
    assert len(greys(answer.content)) == 25


@pytest.mark.parametrize(
    ("body", "status", "error_type"),
    [
        (b"{", 422, "json_error"),
        (b"[]", 422, "validation_error"),
        ({}, 422, "validation_error"),
        (process(options={"model_type": "gan"}), 422, "validation_error"),
        (process(audio_base64="QUJD"), 422, "validation_error"),
    ],
)
async def test_what_cannot_be_taken_is_told(body, status, error_type):
    async with door() as live:
        answer = await asked(live, body)
    assert (answer.status_code, answer.json()["error_type"]) == (status, error_type)


async def test_what_takes_too_long_is_told():
    held = Held()
    async with door(held.engine, timeout=0.5) as live, anyio.create_task_group() as group:
        group.start_soon(held.released_after, 0.7)
        answer = await asked(live, process(100.0))
    assert (answer.status_code, answer.json()["error_type"]) == (503, "processing_error")


async def test_who_leaves_cancels():
    held = Held()
    async with door(held.engine) as live:
        async with anyio.create_task_group() as group:
            group.start_soon(asked, live, process(100.0))
            await held.there()
            group.cancel_scope.cancel()
        held.go_on()
        await live.live.emptied()
        assert portrait_threads() == []
