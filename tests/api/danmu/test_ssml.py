import httpx
import pytest

from app.api.danmu import messages
from app.errors import InvalidInput
from app.tts.backends.tone import Tone
from tests.api.danmu.door import door

pytestmark = pytest.mark.anyio

MARKUP = '<speak>ab<break time="500ms"/><voice name="en-low">cd</voice></speak>'


@pytest.mark.parametrize(("wanted", "asked"), [("true", True), ("false", False), ("null", False)])
def test_markup_is_asked_for(wanted, asked):
    incoming = messages.decode(f'{{"id": "1", "type": "tts", "data": {{"text": "a", "ssml": {wanted}}}}}')
    assert isinstance(incoming, messages.Tts)
    assert incoming.data.request().ssml is asked


def test_chunks_of_markup_are_refused():
    incoming = messages.decode('{"id": "1", "type": "tts_stream", "data": {"text": "a", "ssml": true}}')
    assert isinstance(incoming, messages.TtsStream)
    with pytest.raises(InvalidInput, match="spoken whole, by tts") as refused:
        incoming.data.request()
    assert refused.value.field == "ssml"


async def test_markup_is_spoken_with_its_pause():
    async with door(Tone()) as opened, opened.client() as client:
        reply = await client.ask("tts", {"text": MARKUP, "ssml": True, "timestamps": True})
    data = reply["data"]
    assert data["metadata"]["duration"] == pytest.approx(0.7, abs=0.01)
    assert [word["text"] for word in data["timestamps"]["words"]] == ["a", "b", "c", "d"]
    assert data["timestamps"]["words"][2]["start"] == pytest.approx(0.6, abs=0.01)


@pytest.mark.parametrize("markup", ["1 < 2", "<speak><audio src='x'/></speak>", "<!DOCTYPE a><speak>a</speak>"])
async def test_bad_markup_is_told_with_the_rule(markup):
    async with door(Tone()) as opened, opened.client() as client:
        reply = await client.ask("tts", {"text": markup, "ssml": True})
    assert reply["error"]["code"] == "INVALID_MESSAGE_FORMAT"
    assert reply["error"]["message"].startswith("SSML: ")
    assert reply["error"]["details"] == {"field": "text"}


async def test_markup_over_rest():
    async with door(Tone()) as opened, httpx.AsyncClient(base_url=opened.url) as http:
        whole = await http.post("/tts", json={"text": MARKUP, "ssml": True})
        stream = await http.get("/tts/stream", params={"text": MARKUP, "ssml": "true", "format": "pcm"})
        refused = await http.post("/tts", json={"text": "a", "ssml": True})
    assert whole.json()["metadata"]["duration"] == pytest.approx(0.7, abs=0.01)
    assert len(stream.content) / 2 / 22_050 == pytest.approx(0.7, abs=0.01)
    assert refused.status_code == 422


async def test_chunks_of_a_mixed_text_keep_its_voice():
    text = "大家好，欢迎来到直播间。 GG. 今天我们玩一个新的游戏，谢谢大家。"
    async with door(Tone(character_ms=5)) as opened, opened.client() as client:
        await client.send("tts_stream", {"text": text, "chunk_size": 14})
        replies = [await client.receive()]
        while replies[-1]["type"] == "tts_chunk":
            replies.append(await client.receive())
    assert {reply["data"]["metadata"]["voice"] for reply in replies[:-1]} == {"zh"}
