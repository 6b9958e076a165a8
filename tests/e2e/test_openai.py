"""OpenAI's own client against the whole server, with an API key of the server's."""

import httpx
import openai
import pytest

from app.audio.decode import decode
from tests.e2e.served import served

KEY = "sk-an-api-key-of-this-server"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with served(tmp_path_factory.mktemp("openai"), API_KEYS=KEY, AUTH_REQUIRED="true") as server:
        yield server


@pytest.fixture
def client(server):
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key=KEY, max_retries=0) as client:
        yield client


def test_a_key_of_the_server_opens_everything(client):
    with client.audio.speech.with_streaming_response.create(
        model="tts-1", voice="nova", input="你好，欢迎来到直播间！", response_format="opus"
    ) as reply:
        clip = decode(b"".join(reply.iter_bytes()), sample_rate=None, max_samples=10**7, max_bytes=10**7)
    assert clip.duration > 0.5
    assert {model.id for model in client.models.list()} >= {"tts-1", "tts-1-hd", "gpt-4o-mini-tts", "espeak"}


def test_a_wrong_key_is_an_authentication_error(client):
    with pytest.raises(openai.AuthenticationError) as refused:
        client.with_options(api_key="sk-wrong").models.list()
    assert (refused.value.code, refused.value.type) == ("invalid_api_key", "invalid_request_error")


def test_a_body_that_is_too_large_is_refused_in_openais_words(client):
    with pytest.raises(openai.APIStatusError) as refused:
        client.audio.speech.create(model="tts-1", voice="nova", input="a" * 2**20)
    assert (refused.value.status_code, refused.value.code) == (413, "body_too_large")


def test_voices_are_listed_for_whoever_has_the_key(server):
    with httpx.Client(base_url=server.url) as http:
        assert http.get("/v1/audio/voices").status_code == 401
        voices = http.get("/v1/audio/voices", headers={"X-API-Key": KEY}).json()["voices"]
    assert {"alloy", "cmn+f2"} <= {voice["id"] for voice in voices}
