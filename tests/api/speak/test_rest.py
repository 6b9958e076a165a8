from urllib.parse import urlsplit

import pytest

from app.errors import NothingToSpeak, QueueFull, Unavailable
from app.takes.store import Page
from app.takes.take import Status, TakeRequest, Wording
from app.takes.voice import VoiceChange
from tests.api.speak.door import door
from tests.api.speak.examples import MODEL, VOICE_ID, golden
from tests.api.speak.fake_studio import FakeStudio

pytestmark = pytest.mark.anyio

TAKE = {"text": "hello", "voice_id": VOICE_ID}
VOICE = {"name": "Deborah", "model": "espeak", "gender": "female"}


async def test_the_version_is_told_to_everybody(tmp_path):
    async with door(tmp_path) as opened:
        assert (await opened.stranger.get("/v1/speak/version")).json() == {"version": 1, "minor": 0}


@pytest.mark.parametrize(
    "path", ["models", "models/espeak", "voices", "takes", "takes/t1", "takes/t1/wav", "websocket/espeak"]
)
async def test_anything_else_needs_an_account(tmp_path, path):
    async with door(tmp_path) as opened:
        reply = await opened.stranger.get(f"/v1/speak/{path}")
    assert reply.status_code == 401
    assert reply.headers["www-authenticate"] == "Bearer"
    assert list(reply.json()) == ["detail"]


async def test_models_are_listed_and_found(tmp_path):
    async with door(tmp_path) as opened:
        assert (await opened.get("/models")).json() == [golden("model")]
        assert (await opened.get("/models/espeak")).json() == golden("model")
        reply = await opened.get("/models/shakespeare")
    assert reply.status_code == 404
    assert MODEL.name in reply.json()["detail"]


async def test_a_take_is_answered_at_once(tmp_path):
    async with door(tmp_path) as opened:
        reply = await opened.http.post("/v1/speak/takes/generate", json={**TAKE, "user_data": 7})
        take = reply.json()
        assert (take["status"], take["user_data"], take["info"]) == ("waiting", 7, None)
        assert (await opened.get(f"/takes/{take['take_id']}")).json() == take


async def test_many_takes_are_answered_in_their_order(tmp_path):
    async with door(tmp_path) as opened:
        texts = ["one", "two", "three"]
        reply = await opened.http.post("/v1/speak/takes/generate", json=[TAKE | {"text": text} for text in texts])
    assert [take["text"] for take in reply.json()] == texts


async def test_no_takes_are_none(tmp_path):
    async with door(tmp_path) as opened:
        assert (await opened.http.post("/v1/speak/takes/generate", json=[])).json() == []


async def test_a_take_is_deleted_once(tmp_path):
    async with door(tmp_path) as opened:
        (take,) = await opened.studio.make_takes("ann", [TakeRequest(Wording("hello"), VOICE_ID)])
        assert (await opened.http.delete(f"/v1/speak/takes/{take.id}")).json() is True
        assert (await opened.http.delete(f"/v1/speak/takes/{take.id}")).status_code == 404


async def test_takes_of_others_are_not_there(tmp_path):
    async with door(tmp_path) as opened:
        (take,) = await opened.studio.make_takes("bob", [TakeRequest(Wording("hello"), VOICE_ID)])
        assert (await opened.get(f"/takes/{take.id}")).status_code == 404
        assert (await opened.get(f"/takes/{take.id}/wav")).status_code == 404
        assert (await opened.get("/takes")).json() == []


@pytest.mark.parametrize("id", ["t%00", "T1", "t'1", "%F0%9F%98%80", "t" * 65, "t1%0a"])
async def test_what_can_be_no_id_is_not_looked_for(tmp_path, id):
    async with door(tmp_path) as opened:
        assert (await opened.get(f"/takes/{id}")).status_code == 404
        assert (await opened.get(f"/voices/{id}")).status_code == 404


@pytest.mark.parametrize(
    ("query", "page"),
    [
        ("", Page(length=1000)),
        ("length=5", Page(length=5)),
        ("length=7&page=3&older=20&newer=10", Page(None, 7, 3, 20, 10)),
        ("{id}=t1,t2", Page(("t1", "t2"), 1000)),
        ("{id}=t1&{id}=t2,t1", Page(("t1", "t2"), 1000)),
        ("{id}=", Page((), 1000)),
        ("{id}=T1,t2,", Page(("t2",), 1000)),
    ],
)
@pytest.mark.parametrize(("path", "id"), [("takes", "take_id"), ("voices", "voice_id")])
async def test_a_list_is_asked_for_in_pages(tmp_path, path, id, query, page):
    async with door(tmp_path) as opened:
        reply = await opened.get(f"/{path}?{query.format(id=id)}")
        assert (reply.json(), opened.studio.asked) == ([], [("ann", page)])


@pytest.mark.parametrize("query", ["length=0", "length=1001", "page=0", "older=-1", "newer=x", "length="])
@pytest.mark.parametrize("path", ["takes", "voices"])
async def test_a_page_that_is_none_is_refused(tmp_path, path, query):
    async with door(tmp_path) as opened:
        reply = await opened.get(f"/{path}?{query}")
    assert (reply.status_code, reply.json()["field"]) == (422, query.partition("=")[0])


async def test_a_thousand_ids_may_be_asked_for_and_no_more(tmp_path):
    async with door(tmp_path) as opened:
        ids = [f"t{number:026}" for number in range(1001)]
        assert (await opened.get(f"/takes?take_id={','.join(ids[:1000])}")).status_code == 200
        assert (await opened.get(f"/takes?take_id={','.join(ids)}")).status_code == 422


async def test_a_voice_is_made_told_and_deleted(tmp_path):
    async with door(tmp_path) as opened:
        voice = (await opened.http.post("/v1/speak/voices/generate", json=VOICE)).json()
        assert (voice["status"], voice["example_take"]) == ("waiting", None)
        assert (await opened.get(f"/voices/{voice['voice_id']}")).json() == voice
        assert (await opened.get("/voices")).json() == [voice]
        assert (await opened.http.delete(f"/v1/speak/voices/{voice['voice_id']}")).json() is True
        assert (await opened.get(f"/voices/{voice['voice_id']}")).status_code == 404


async def test_a_voice_is_changed_in_what_is_named(tmp_path):
    async with door(tmp_path) as opened:
        voice = (await opened.http.post("/v1/speak/voices/generate", json=VOICE)).json()
        reply = await opened.http.post(f"/v1/speak/voices/{voice['voice_id']}", json={"name": "Ann", "gender": None})
        assert reply.json() is True
        assert opened.studio.asked == [("ann", VoiceChange(name="Ann"))]


@pytest.mark.parametrize("path", ["/websocket/espeak", "/websocket?model=espeak"])
async def test_a_websocket_has_a_url_of_its_own_under_both_names(tmp_path, path):
    async with door(tmp_path) as opened:
        urls = (await opened.get(path)).json()
        assert list(urls) == ["websocket_url", "worker_websocket_url"]
        assert len(set(urls.values())) == 1
        assert urls["websocket_url"].startswith(f"{opened.live.ws_url}/v1/speak/ws/espeak?sig=")
        assert opened.token() not in urls["websocket_url"]


async def test_a_websocket_for_no_model_has_none(tmp_path):
    async with door(tmp_path) as opened:
        assert (await opened.get("/websocket/shakespeare")).status_code == 404
        assert (await opened.get("/websocket")).json() == {"detail": "model: field required", "field": "model"}


async def test_urls_are_those_by_which_the_client_came(tmp_path):
    proxied = {"X-Forwarded-Proto": "https", "Host": "voice.example.com"}
    async with door(tmp_path, root_path="/chorus", forwarded_allow_ips=["127.0.0.1"]) as opened:
        (take,) = await opened.studio.make_takes("ann", [TakeRequest(Wording("hello"), VOICE_ID)])
        found = (await opened.get("/websocket/espeak", headers=proxied)).json()["websocket_url"]
        audio = (await opened.get(f"/takes/{take.id}/wav", headers=proxied)).headers["location"]
    assert found.startswith("wss://voice.example.com/chorus/v1/speak/ws/espeak?sig=")
    assert audio.startswith(f"https://voice.example.com/chorus/v1/speak/audio/{take.id}/wav?sig=")


async def test_a_proxy_that_nobody_trusts_changes_no_scheme(tmp_path):
    async with door(tmp_path) as opened:
        found = (await opened.get("/websocket/espeak", headers={"X-Forwarded-Proto": "https"})).json()
    assert urlsplit(found["websocket_url"]).scheme == "ws"


async def test_a_url_signed_behind_a_proxy_opens(tmp_path):
    async with door(tmp_path, root_path="/chorus") as opened:
        url = urlsplit(await opened.socket_url())
        stripped = f"{opened.live.ws_url}{url.path.removeprefix('/chorus')}?{url.query}"
        async with opened.socket(stripped) as socket:
            await (await socket.ping())


async def test_a_signed_url_opens_nothing_else(tmp_path):
    async with door(tmp_path) as opened:
        signature = urlsplit(await opened.socket_url()).query
        for path in ("websocket/espeak", "takes", "ws/espeak2"):
            assert (await opened.stranger.get(f"/v1/speak/{path}?{signature}")).status_code == 401


@pytest.mark.parametrize(
    ("error", "status"), [(NothingToSpeak(), 422), (QueueFull("full", retry_after=2.5), 429), (Unavailable("no"), 503)]
)
async def test_what_the_studio_refuses_is_told(tmp_path, error, status):
    async with door(tmp_path, FakeStudio(refusal=error)) as opened:
        reply = await opened.http.post("/v1/speak/takes/generate", json=TAKE)
    assert (reply.status_code, reply.json()["detail"]) == (status, str(error))
    assert reply.headers.get("retry-after") == ("3" if status == 429 else None)


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        ({"voice_id": "v1"}, "text: field required"),
        ([TAKE, {"voice_id": "v1"}], "1.text: field required"),
        (TAKE | {"prosody": {"pace": 11}}, "prosody.pace: input should be less than or equal to 10"),
        (3, "must be an object"),
    ],
)
async def test_a_body_that_breaks_a_rule_is_told_which(tmp_path, body, detail):
    async with door(tmp_path) as opened:
        reply = await opened.http.post("/v1/speak/takes/generate", json=body)
    assert (reply.status_code, reply.json()["detail"]) == (422, detail)


@pytest.mark.parametrize("body", ["", "{", '{"text": "\\ud83d", "voice_id": "v1"}', "[" * 100_000, "1" * 5000])
async def test_a_body_that_is_none_is_refused(tmp_path, body):
    async with door(tmp_path) as opened:
        headers = {"Content-Type": "application/json"}
        reply = await opened.http.post("/v1/speak/takes/generate", content=body, headers=headers)
    assert reply.status_code in (400, 422)
    assert reply.json()["detail"]


async def test_where_audio_is_depends_on_the_account_alone(tmp_path):
    async with door(tmp_path) as opened:
        (take,) = await opened.studio.make_takes("ann", [TakeRequest(Wording("hello"), VOICE_ID)])
        opened.studio.change(take.id, status=Status.ERROR, error="it broke")
        for format in ("wav", "mp3", "flac", "m4a", "webm"):
            assert (await opened.get(f"/takes/{take.id}/{format}")).status_code == 307
        assert (await opened.get(f"/takes/{take.id}/ogg")).json()["field"] == "format"
