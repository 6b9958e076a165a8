import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from app.api.telephony.ncco import ncco
from app.calls.ncco import event_url
from tests.calls.vonage import vonage_writes
from tests.live_server import live_server

pytestmark = pytest.mark.anyio

SAMPLE = b'[{"action":"talk","text":"This is a sample Vonage NCCO talk action."}]'
REFUSAL = {"error": "Unsupported or invalid endpoint. Use ws(s)://, sip:, or phone number."}
REPORTS = "https://calls.example.org/callback"


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    app = FastAPI()
    app.include_router(ncco(event_url("https://calls.example.org/callback/")))
    async with live_server(app) as live, httpx.AsyncClient(base_url=live.url) as opened:
        yield opened


async def actions(client: httpx.AsyncClient, target: str) -> Any:
    """Ask as the bytes say, and have the vendor judge what comes."""
    reply = await client.get(httpx.URL(str(client.base_url) + target))
    assert reply.status_code == 200, reply.text
    assert reply.headers["content-type"] == "application/json"
    ncco = reply.json()
    assert [vonage_writes(action) for action in ncco] == ncco
    return ncco


async def refusal(client: httpx.AsyncClient, target: str) -> Any:
    reply = await client.get(target)
    assert reply.status_code == 422, reply.text
    return [(error["loc"], error["type"]) for error in reply.json()["detail"]]


async def test_the_sample_is_the_documents_to_the_byte(client):
    reply = await client.get("/ncco/talk")

    assert reply.content == SAMPLE and reply.headers["content-type"] == "application/json"


async def test_a_text_is_spoken_as_it_is_wished(client):
    [action] = await actions(
        client,
        "/ncco/talk?text=Guten+Tag%21&language=de-DE&style=3&premium=true&level=-0.5&loop=2&bargeIn=true",
    )

    assert action == {
        "action": "talk", "text": "Guten Tag!", "language": "de-DE", "style": 3, "premium": True, "level": -0.5,
        "loop": 2, "bargeIn": True,
    }  # fmt: skip


async def test_a_websocket_is_connected_as_the_document_says(client):
    reply = await client.get("/ncco/connect", params={"endpoint": "wss://example.org/ws/echo"})

    assert reply.content == (
        b'[{"action":"connect","endpoint":[{"type":"websocket","uri":"wss://example.org/ws/echo",'
        b'"content-type":"audio/l16;rate=16000"}],"eventUrl":["https://calls.example.org/callback"],'
        b'"randomFromNumber":true}]'
    )


@pytest.mark.parametrize(
    "query, endpoint",
    [
        ("endpoint=sip:a@example.org", {"type": "sip", "uri": "sip:a@example.org"}),
        ("endpoint=sip:+4477@example.org", {"type": "sip", "uri": "sip:+4477@example.org"}),
        ("endpoint=447700900000", {"type": "phone", "number": "447700900000"}),
        ("endpoint=+447700900000", {"type": "phone", "number": "447700900000"}),
        (
            "endpoint=wss://h/ws/echo?processor=speak&to=442079460000&uuid=63f61863",
            {"type": "websocket", "uri": "wss://h/ws/echo?processor=speak", "content-type": "audio/l16;rate=16000"},
        ),
        ("endpoint=%2B447700900000", {"type": "phone", "number": "447700900000"}),
        (
            "endpoint=wss://h/a&rate=8000",
            {"type": "websocket", "uri": "wss://h/a", "content-type": "audio/l16;rate=8000"},
        ),
        (
            "endpoint=wss%3A%2F%2Fh%2Fws%2Fplay%2Fa%2520b.wav%3Fformat%3Dl16%26rate%3D24000",
            {
                "type": "websocket", "uri": "wss://h/ws/play/a%20b.wav?format=l16&rate=24000",
                "content-type": "audio/l16;rate=24000",
            },
        ),
        (
            "endpoint=sip:a@b&headers=X-Id:7&headers=when:10:30",
            {"type": "sip", "uri": "sip:a@b", "headers": {"X-Id": "7", "when": "10:30"}},
        ),
    ],
)  # fmt: skip
async def test_endpoints(client, query, endpoint):
    [action] = await actions(client, f"/ncco/connect?{query}")

    assert action["endpoint"] == [endpoint] and action["eventUrl"] == [REPORTS]


@pytest.mark.parametrize("endpoint", ["", "ftp://h", "+0447700900000", "12", "wss://", "tel:447700900000", "a%00b"])
async def test_what_is_no_endpoint_is_refused_as_the_document_says(client, endpoint):
    reply = await client.get(f"/ncco/connect?endpoint={endpoint}")

    assert reply.status_code == 400 and reply.json() == REFUSAL
    assert reply.content == json.dumps(REFUSAL, separators=(",", ":")).encode()


async def test_a_missing_endpoint_is_fastapis_to_tell(client):
    assert await refusal(client, "/ncco/connect") == [(["query", "endpoint"], "missing")]


@pytest.mark.parametrize(
    "query, shown",
    [
        ("", {"randomFromNumber": True}),
        ("&randomFromNumber=false", {"randomFromNumber": False}),
        ("&from=+447700900001", {"from": "447700900001"}),
        ("&from=447700900001&randomFromNumber=false", {"from": "447700900001"}),
    ],
)
async def test_who_is_shown_as_calling(client, query, shown):
    [action] = await actions(client, f"/ncco/connect?endpoint=447700900000{query}")

    assert {name: action[name] for name in ("from", "randomFromNumber") if name in action} == shown


async def test_who_calls_in_is_not_shown_as_calling_on(client):
    """A platform that asks adds its own `from`, which is the number of a stranger."""
    asked = "to=442079460000&from=447700900009&conversation_uuid=CON-1&uuid=63f61863"
    [alone] = await actions(client, f"/ncco/connect?endpoint=447700900000&{asked}")
    [named] = await actions(client, f"/ncco/connect?endpoint=447700900000&from=447700900001&{asked}")

    assert alone["randomFromNumber"] is True and "from" not in alone
    assert named["from"] == "447700900001"


async def test_a_call_has_bounds(client):
    [action] = await actions(
        client, "/ncco/connect?endpoint=sip:a@b&timeout=30&limit=600&machineDetection=hangup&eventMethod=POST"
    )

    assert (action["timeout"], action["limit"], action["machineDetection"]) == (30, 600, "hangup")
    assert action["eventMethod"] == "POST"


async def test_a_call_is_recorded(client):
    assert await actions(client, "/ncco/record") == [{"action": "record", "eventUrl": [REPORTS]}]
    [action] = await actions(
        client,
        "/ncco/record?format=wav&channels=2&endOnSilence=5&endOnKey=%23&timeOut=60&beepStart=1&eventMethod=POST",
    )
    assert action == {
        "action": "record", "format": "wav", "split": "conversation", "channels": 2, "endOnSilence": 5, "endOnKey": "#",
        "timeOut": 60, "beepStart": True, "eventUrl": [REPORTS], "eventMethod": "POST",
    }  # fmt: skip


async def test_a_file_is_played(client):
    [action] = await actions(client, "/ncco/stream?streamUrl=https://h/audio/a%2520b.mp3&level=1&loop=0&bargeIn=false")

    assert action == {
        "action": "stream", "streamUrl": ["https://h/audio/a%20b.mp3"], "level": 1.0, "bargeIn": False, "loop": 0,
    }  # fmt: skip


async def test_keys_and_words_are_taken(client):
    assert await actions(client, "/ncco/input") == [
        {"action": "input", "type": ["dtmf"], "dtmf": {}, "eventUrl": [REPORTS]}
    ]
    [action] = await actions(
        client,
        "/ncco/input?type=dtmf&type=speech&maxDigits=4&timeOut=0&submitOnHash=true&language=en-GB&context=yes"
        "&context=no&endOnSilence=0.4&startTimeout=5&maxDuration=60&saveAudio=false&sensitivity=10",
    )
    assert action["dtmf"] == {"timeOut": 0, "maxDigits": 4, "submitOnHash": True}
    assert action["speech"] == {
        "language": "en-GB", "context": ["yes", "no"], "endOnSilence": 0.4, "startTimeout": 5, "maxDuration": 60,
        "saveAudio": False, "sensitivity": 10,
    }  # fmt: skip


async def test_a_call_comes_into_a_room(client):
    [action] = await actions(
        client,
        "/ncco/conversation?name=Team+A&musicOnHoldUrl=http://h/a.mp3&startOnEnter=false&endOnExit=true&record=true"
        "&canHear=63f6&mute=true",
    )

    assert action == {
        "action": "conversation", "name": "Team A", "musicOnHoldUrl": ["http://h/a.mp3"], "startOnEnter": False,
        "endOnExit": True, "record": True, "canHear": ["63f6"], "mute": True, "eventUrl": [REPORTS],
    }  # fmt: skip


async def test_a_payload_is_reported(client):
    assert await actions(client, "/ncco/notify") == [{"action": "notify", "payload": {}, "eventUrl": [REPORTS]}]
    [action] = await actions(client, '/ncco/notify?payload={"step":1,"deep":[{"a":null}]}&eventMethod=GET')
    assert action["payload"] == {"step": 1, "deep": [{"a": None}]} and action["eventMethod"] == "GET"


@pytest.mark.parametrize(
    "target, field, type",
    [
        ("talk?text=", "text", "string_too_short"),
        (f"talk?text={'x' * 1501}", "text", "string_too_long"),
        ("talk?level=1.5", "level", "less_than_equal"),
        ("talk?level=nan", "level", "finite_number"),
        ("talk?loop=-1", "loop", "greater_than_equal"),
        ("talk?style=calm", "style", "int_parsing"),
        ("talk?bargeIn=perhaps", "bargeIn", "bool_parsing"),
        ("connect?endpoint=wss://h/&rate=44100", "rate", "value_error"),
        ("connect?endpoint=wss://h/&headers=novalue", "headers", "value_error"),
        ("connect?endpoint=447700900000&headers=a:b", "headers", "value_error"),
        ("connect?endpoint=447700900000&from=ann", "from", "value_error"),
        ("connect?endpoint=447700900000&from=447700900001&randomFromNumber=true", "randomFromNumber", "value_error"),
        ("connect?endpoint=447700900000&limit=7201", "limit", "less_than_equal"),
        ("record?channels=33", "channels", "less_than_equal"),
        ("record?endOnKey=12", "endOnKey", "string_pattern_mismatch"),
        ("record?format=flac", "format", "literal_error"),
        ("stream", "streamUrl", "missing"),
        ("stream?streamUrl=file:///etc/passwd", "streamUrl", "string_pattern_mismatch"),
        ("conversation", "name", "missing"),
        ("conversation?name=a&canSpeak=63f6&mute=true", "mute", "value_error"),
        ("notify?eventMethod=PUT", "eventMethod", "literal_error"),
    ],
)
async def test_a_wrong_value_is_told_as_fastapi_does(client, target, field, type):
    assert await refusal(client, f"/ncco/{target}") == [(["query", field], type)]


@pytest.mark.parametrize("payload", ["[]", "1", "{", '{"a":NaN}', '{"a":' * 33 + "1" + "}" * 33, '{"a":' * 4000])
async def test_a_payload_that_is_no_object_is_refused(client, payload):
    assert await refusal(client, f"/ncco/notify?payload={payload}") == [(["query", "payload"], "value_error")]


async def test_a_payload_may_be_deep(client):
    [action] = await actions(client, "/ncco/notify?payload=" + '{"a":' * 32 + "1" + "}" * 32)

    assert json.dumps(action["payload"]).count("a") == 32
