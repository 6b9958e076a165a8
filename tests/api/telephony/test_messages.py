import json
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.api.telephony.messages import (
    EchoOptions,
    PlayOptions,
    decode,
    decode_echo_options,
    decode_play_options,
    encode,
)
from app.calls.call import (
    CallForm,
    Clear,
    Cleared,
    Connected,
    Dtmf,
    Failed,
    MusicHeard,
    MusicStopped,
    Notify,
    Other,
    Played,
    Say,
    Spoken,
)
from app.errors import InvalidInput, NotFound
from tests.api.stream.door import track
from tests.fingerprint.fake_recognizer import hit

CONNECTED = {"event": "websocket:connected"}


@pytest.mark.parametrize(
    ("told", "event"),
    [
        (CONNECTED | {"content-type": "audio/l16;rate=16000", "prop1": "x"}, Connected(CallForm(16_000))),
        (CONNECTED | {"content-type": "AUDIO/L16; channels=1; RATE=8000"}, Connected(CallForm(8_000))),
        (CONNECTED | {"content-type": "audio/l16"}, Connected(None)),
        (CONNECTED | {"content-type": "audio/opus;rate=16000"}, Connected(None)),
        (CONNECTED, Connected(None)),
        ({"event": "websocket:dtmf", "digit": "#", "duration": 260}, Dtmf("#")),
        ({"event": "websocket:dtmf", "dtmf": {"digit": "5"}}, Dtmf("5")),
        ({"event": "websocket:dtmf"}, Other()),
        ({"event": "websocket:cleared"}, Other()),
        ({"event": "anything", "action": "clear"}, Other()),
        ({"action": "clear"}, Clear()),
        ({"action": "notify", "payload": {"a": [1]}}, Notify({"a": [1]})),
        ({"action": "notify"}, Notify({})),
        ({"action": "notify", "payload": "no object"}, Notify({})),
        ({"event": "speak", "text": "hi"}, Say("hi")),
        (
            {"event": "speak", "text": "hi", "voice": "v", "language": "en", "id": "1", "more": 2},
            Say("hi", "v", "en", "1"),
        ),
        ({"action": "dance"}, None),
        ({}, None),
        ([], None),
        (3, None),
    ],
)
def test_what_clients_tell_is_read(told, event):
    assert decode(json.dumps(told)) == event


@pytest.mark.parametrize("told", [{}, {"text": 3}, {"text": None}, {"text": "hi", "voice": 3}])
def test_a_speak_that_cannot_be_read_says_why(told):
    with pytest.raises(InvalidInput, match="speak"):
        decode(json.dumps({"event": "speak"} | told))


@given(st.text() | st.text(alphabet=string.punctuation + "eventacio:"))
def test_any_text_is_read_or_is_not(text):
    decode(text)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_any_json_with_an_event_is_understood(content):
    assert decode(json.dumps({"event": "other", "content": content})) == Other()


@pytest.mark.parametrize(
    ("news", "told"),
    [
        (Cleared(), {"event": "websocket:cleared"}),
        (Played({"a": "é"}), {"event": "websocket:notify", "payload": {"a": "é"}}),
        (Spoken("1", 1.23456), {"event": "chorus:spoken", "id": "1", "seconds": 1.235}),
        (MusicStopped(), {"event": "chorus:lost"}),
        (Failed(NotFound("there is none"), "1"), {"event": "chorus:error", "id": "1", "message": "there is none"}),
        (
            Failed(ZeroDivisionError("a secret")),
            {"event": "chorus:error", "id": None, "message": "the server failed on this"},
        ),
        (
            MusicHeard(((hit(), track()),), 2.0),
            {
                "event": "chorus:match",
                "matches": [
                    {
                        "video_id": "abc123",
                        "title": "Song Title",
                        "url": "https://youtube.com/watch?v=abc123",
                        "thumbnail_url": "https://i.ytimg.com/vi/abc123/default.jpg",
                        "start_time": 37.3,
                        "end_time": 40.3,
                        "similarity_score": 0.95,
                        "confidence": 0.92,
                    }
                ],
                "seconds": 2.0,
            },
        ),
    ],
)
def test_what_clients_are_told(news, told):
    assert json.loads(encode(news)) == told


def test_options_are_read():
    known = ["echo", "speak"]
    assert decode_echo_options({}, processors=known) == EchoOptions()
    assert decode_echo_options({"processor": "", "rate": ""}, processors=known) == EchoOptions()
    chosen = decode_echo_options({"processor": "speak", "rate": "8000"}, processors=known)
    assert chosen == EchoOptions("speak", CallForm(8_000))
    assert decode_play_options({}) == decode_play_options({"format": "raw"}) == PlayOptions()
    assert decode_play_options({"format": "L16"}) == PlayOptions(CallForm(16_000))
    assert decode_play_options({"format": "l16", "rate": "24000"}) == PlayOptions(CallForm(24_000))
    assert decode_play_options({"pace": "32000"}) == PlayOptions(None, 32_000)


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"format": "opus"}, "format"),
        ({"format": "l16", "rate": "11025"}, "rate"),
        ({"format": "l16", "rate": "٨٠٠٠"}, "rate"),
        ({"rate": "8000"}, "rate"),
        ({"pace": "999"}, "pace"),
        ({"pace": "1e5"}, "pace"),
        ({"pace": "9" * 50}, "pace"),
        ({"format": "l16", "pace": "32000"}, "pace"),
    ],
)
def test_options_that_there_are_not_are_refused(query, field):
    with pytest.raises(InvalidInput) as caught:
        decode_play_options(query)
    assert caught.value.field == field
