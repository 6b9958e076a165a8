import pytest

from tests.api.speak.door import door

pytestmark = pytest.mark.anyio


async def test_the_schema_tells_of_this_door_alone_and_to_everybody(tmp_path):
    async with door(tmp_path) as opened:
        schema = (await opened.stranger.get("/v1/speak/openapi.json")).json()
    assert {path.split("/")[2] for path in schema["paths"]} == {"speak"}
    assert {"/v1/speak/version", "/v1/speak/takes/generate", "/v1/speak/audio/{take_id}/{format}"} <= set(
        schema["paths"]
    )


async def test_the_schema_tells_what_is_sent_and_what_is_answered(tmp_path):
    async with door(tmp_path) as opened:
        schema = (await opened.stranger.get("/v1/speak/openapi.json")).json()
    names = set(schema["components"]["schemas"])
    assert {"TakeGenerate", "TakeResponse", "VoiceGenerate", "VoiceInfo", "VoiceUpdate", "TTSModel", "Failure"} <= names
    assert "HTTPValidationError" not in names


async def test_the_schema_says_which_routes_need_a_token(tmp_path):
    async with door(tmp_path) as opened:
        paths = (await opened.stranger.get("/v1/speak/openapi.json")).json()["paths"]
    assert "security" in paths["/v1/speak/takes"]["get"]
    assert "security" not in paths["/v1/speak/version"]["get"]


@pytest.mark.parametrize("page", ["docs", "redoc"])
async def test_the_pages_read_the_schema_beside_them(tmp_path, page):
    async with door(tmp_path) as opened:
        reply = await opened.stranger.get(f"/v1/speak/{page}")
    assert reply.headers["content-type"].startswith("text/html")
    assert "openapi.json" in reply.text
    assert "/openapi.json" not in reply.text


async def test_a_wrong_token_does_not_close_what_is_open(tmp_path):
    async with door(tmp_path) as opened:
        wrong = {"Authorization": "Bearer wrong"}
        for path in ("version", "docs", "redoc", "openapi.json"):
            assert (await opened.stranger.get(f"/v1/speak/{path}", headers=wrong)).status_code == 200
