import json
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.api.danmu import messages
from app.audio.format import Format
from app.errors import (
    BackendUnavailable,
    ChorusError,
    Draining,
    InvalidInput,
    MissingCredential,
    QueueFull,
    RateLimited,
    TextTooLong,
    VoiceNotFound,
    WorkerLost,
)
from app.tts.speech import BackendReport, Gender, Mark, MarkKind, Quality, Speech, Voice

GOLDEN = Path(__file__).parents[2] / "golden" / "danmu"
REQUESTS = ("tts", "tts-2", "tts_stream", "get_voices", "backend_status", "queue_status", "cancel", "heartbeat_ack")

VOICE = Voice("cmn+f2", "Chinese (Mandarin), female 2", "zh-CN", Gender.FEMALE, "espeak")
SPEECH = Speech(b"RIFF" + bytes(66_106), Format.WAV, 22_050, 1.5, VOICE)
MARKS = (
    Mark(MarkKind.WORD, "你好", 0.0, 0.31234567),
    Mark(MarkKind.PHONEME, "n", 0.0, 0.07),
    Mark(MarkKind.PHONEME, "i", 0.07, 0.11),
)
TIMESTAMPS = {
    "words": [{"text": "你好", "start": 0.0, "end": 0.3123}],
    "phonemes": [{"text": "n", "start": 0.0, "end": 0.07}, {"text": "i", "start": 0.07, "end": 0.11}],
}
REPORT = BackendReport("espeak", True, None, 4, 1, 2, 0.004, None)


def golden(name: str) -> Any:
    return json.loads((GOLDEN / f"{name}.json").read_text())


def shape(value: Any) -> Any:
    """The keys and kinds of a message; numbers are one kind."""
    match value:
        case dict():
            return {key: shape(inner) for key, inner in value.items()}
        case list():
            return [shape(value[0])] if value else []
        case bool():
            return "bool"
        case int() | float():
            return "number"
        case _:
            return type(value).__name__


def includes(ours: Any, documented: Any) -> bool:
    if isinstance(documented, dict) and isinstance(ours, dict):
        return all(key in ours and includes(ours[key], inner) for key, inner in documented.items())
    if isinstance(documented, list) and isinstance(ours, list):
        return not documented or includes(ours[0], documented[0])
    return bool(ours == documented)


@pytest.mark.parametrize("name", REQUESTS)
def test_every_request_of_the_document_decodes(name):
    incoming = messages.decode(json.dumps(golden(name)))
    assert incoming.__struct_config__.tag == golden(name)["type"]


def test_the_documents_request_asks_what_it_says():
    fields = messages.decode(json.dumps(golden("tts-2"))).data
    request = fields.request()
    assert (request.text, request.voice, request.backend) == ("Hello, world!", "zh-CN-XiaoxiaoNeural", "edge")
    assert (request.quality, request.format, request.sample_rate) == (Quality.MEDIUM, Format.WAV, 22_050)


@pytest.mark.parametrize(
    ("name", "ours"),
    [
        ("tts_response", messages.encode_tts("a", SPEECH)),
        ("tts_response-2", messages.encode_tts("a", SPEECH)),
        ("tts_chunk", messages.encode_chunk("a", SPEECH, index=0, total=3, text="This")),
        ("tts_complete", messages.encode_complete("a", total_duration=15.6, chunks_sent=3)),
        ("voices_response", messages.encode_voices("a", [VOICE])),
        ("backend_status_response", messages.encode_backend_status("a", REPORT)),
        ("cancel_response", messages.encode_cancel("a", request_id="b", cancelled=True)),
        ("error", messages.encode_failure("a", BackendUnavailable("xtts", reason="no model", available=["espeak"]))),
        ("heartbeat", messages.encode_heartbeat(datetime(2025, 6, 13, 10, 30, tzinfo=UTC))),
    ],
)
def test_every_reply_has_what_the_document_shows(name, ours):
    assert includes(shape(json.loads(ours)), shape(golden(name)))


def test_the_heartbeat_is_the_documents():
    now = datetime(2025, 6, 13, 10, 30, tzinfo=UTC)
    assert json.loads(messages.encode_heartbeat(now)) == golden("heartbeat")


def test_the_queue_status_adds_up_as_in_the_document():
    reports = [
        BackendReport("edge", True, None, 1, 1, 1, 1.0, None),
        BackendReport("xtts", True, None, 4, 1, 1, 1.0, 0.4),
    ]
    ours = json.loads(messages.encode_queue_status("req_005", reports, position=2, estimated_wait=3.2))
    assert ours == golden("queue_status_response")


def test_null_means_absent():
    message = '{"id":"1","type":"tts","data":{"text":"a","voice":null,"backend":null,"quality":null,"format":null}}'
    request = messages.decode(message).data.request()
    assert (request.voice, request.backend, request.quality, request.format) == (None, None, "medium", "wav")


@pytest.mark.parametrize("data", ["", ',"data":null', ',"data":{}'])
@pytest.mark.parametrize("kind", ["get_voices", "backend_status", "queue_status"])
def test_data_may_be_absent_where_nothing_is_needed(kind, data):
    assert messages.decode(f'{{"id":"1","type":"{kind}"{data}}}').id == "1"


@pytest.mark.parametrize(
    ("message", "id", "field"),
    [
        ("", None, None),
        ("{", None, None),
        ("[]", None, None),
        ('"tts"', None, None),
        ("[" * 100_000 + "]" * 100_000, None, None),
        ('{"id":"1","type":"queue_status","data":' + "[" * 100_000 + "]" * 100_000 + "}", None, None),
        (b'{"id":"1","type":"queue_status"}', None, None),
        ('{"id":"1","type":"queue_status","data":NaN}', "1", None),
        ('{"id":"1","type":"tts","data":{"text":"\\ud83d"}}', "1", None),
        ('{"id":"\\ud83d","type":"tts","data":{"text":"a"}}', None, None),
        ('{"id":"1","type":"queue_status","data":NaN' + " " * 65_536 + "}", None, None),
        ('{"id":"1"}', "1", "type"),
        ('{"id":"1","type":"sing"}', "1", "type"),
        ('{"id":"1","type":7}', "1", "type"),
        ('{"type":"queue_status"}', None, "id"),
        ('{"id":null,"type":"queue_status"}', None, "id"),
        ('{"id":7,"type":"queue_status"}', None, "id"),
        ('{"id":"","type":"queue_status"}', None, "id"),
        ('{"id":"' + "x" * 257 + '","type":"queue_status"}', None, "id"),
        ('{"id":"1","type":"tts"}', "1", "data"),
        ('{"id":"1","type":"tts","data":null}', "1", "data"),
        ('{"id":"1","type":"tts","data":{}}', "1", "data.text"),
        ('{"id":"1","type":"tts","data":{"text":null}}', "1", "data.text"),
        ('{"id":"1","type":"tts","data":{"text":7}}', "1", "data.text"),
        ('{"id":"1","type":"tts","data":{"text":"a","quality":"best"}}', "1", "data.quality"),
        ('{"id":"1","type":"tts","data":{"text":"a","format":"wma"}}', "1", "data.format"),
        ('{"id":"1","type":"tts","data":{"text":"a","sample_rate":"22050"}}', "1", "data.sample_rate"),
        ('{"id":"1","type":"cancel","data":{}}', "1", "data.request_id"),
        ('{"id":"1","type":"cancel","data":{"request_id":1}}', "1", "data.request_id"),
    ],
)
def test_what_is_no_message_is_explained(message, id, field):
    with pytest.raises(messages.Undecodable) as raised:
        messages.decode(message)
    assert (raised.value.id, raised.value.field) == (id, field)
    told = json.loads(messages.encode_failure(raised.value.id, raised.value))
    assert told["error"]["code"] == "INVALID_MESSAGE_FORMAT"
    assert len(told["error"]["message"]) < 300


@pytest.mark.parametrize("format", ["m4a", "webm", "pcm"])
def test_a_format_of_another_door_is_refused(format):
    fields = messages.SpeechFields(text="a", format=Format(format))
    with pytest.raises(InvalidInput, match="must be one of wav, mp3, ogg, flac, aac"):
        fields.request()


@pytest.mark.parametrize(("wanted", "applied"), [(None, 100), (1, 10), (10, 10), (250, 250), (5000, 1000)])
def test_the_chunk_size_is_kept_within_bounds(wanted, applied):
    assert messages.StreamFields(text="a", chunk_size=wanted).chunk_characters == applied


@pytest.mark.parametrize(("field", "value"), [("speed", 0.2), ("speed", 4.5), ("max_age", -1), ("max_age", 90_000)])
def test_numbers_out_of_range_are_refused(field, value):
    with pytest.raises(InvalidInput) as raised:
        messages.SpeechFields(text="a", **{field: value}).request()
    assert raised.value.field == field


@pytest.mark.parametrize("encode", [messages.encode_tts, partial(messages.encode_chunk, index=0, total=1, text="你好")])
def test_timestamps_are_told_if_asked_for_and_known(encode):
    marked = replace(SPEECH, marks=MARKS)
    assert "timestamps" not in json.loads(encode("a", marked))["data"]
    assert json.loads(encode("a", marked, with_timestamps=True))["data"]["timestamps"] == TIMESTAMPS
    assert json.loads(encode("a", SPEECH, with_timestamps=True))["data"]["timestamps"] is None
    assert encode("a", marked, with_timestamps=True).isascii()


@pytest.mark.parametrize(("wanted", "asked"), [("true", True), ("false", False), ("null", False)])
def test_timestamps_are_asked_for(wanted, asked):
    data = f'{{"text": "a", "timestamps": {wanted}}}'
    for kind in ("tts", "tts_stream"):
        incoming = messages.decode(f'{{"id": "1", "type": "{kind}", "data": {data}}}')
        assert incoming.data.request().timestamps is asked


@given(st.integers(0, 787_000), st.integers(0, 9000))
def test_no_reply_with_timestamps_is_larger_than_one_mebibyte(size, count):
    speech = Speech(bytes(size), Format.WAV, 22_050, 99.0, VOICE, marks=MARKS[:1] * count)
    try:
        reply = messages.encode_tts("a" * 256, speech, with_timestamps=True)
    except messages.ReplyTooLarge as error:
        assert error.length > messages.MAX_MESSAGE_BYTES
    else:
        assert len(reply) <= messages.MAX_MESSAGE_BYTES


def test_a_reply_beyond_one_mebibyte_names_the_ways_out():
    long = Speech(bytes(786_433), Format.WAV, 22_050, 17.8, VOICE)
    with pytest.raises(messages.ReplyTooLarge) as raised:
        messages.encode_tts("a", long)
    told = json.loads(messages.encode_failure("a", raised.value))["error"]
    assert told["code"] == "TEXT_TOO_LONG"
    assert told["details"]["use"] == "tts_stream"
    assert told["details"]["formats"] == ["ogg", "mp3", "aac"]


@given(st.integers(0, 786_600))
def test_no_reply_is_larger_than_one_mebibyte(size):
    speech = Speech(bytes(size), Format.WAV, 22_050, size / 44_100, VOICE)
    try:
        reply = messages.encode_tts("a" * 256, speech)
    except messages.ReplyTooLarge:
        assert size > 785_000
    else:
        assert len(reply.encode()) <= messages.MAX_MESSAGE_BYTES


@pytest.mark.parametrize(
    ("error", "code", "details"),
    [
        (
            TextTooLong("t", length=2, limit=1),
            "TEXT_TOO_LONG",
            {"field": "text", "length": 2, "limit": 1, "unit": "characters"},
        ),
        (InvalidInput("t", field="sample_rate"), "INVALID_MESSAGE_FORMAT", {"field": "sample_rate"}),
        (VoiceNotFound("x", backend="espeak"), "VOICE_NOT_FOUND", {"voice": "x", "backend": "espeak"}),
        (RateLimited("t", retry_after=1.23456), "RATE_LIMITED", {"retry_after": 1.235}),
        (QueueFull("t"), "QUEUE_FULL", {}),
        (Draining("t"), "BACKEND_UNAVAILABLE", {}),
        (MissingCredential("t"), "UNAUTHORIZED", {}),
        (WorkerLost("t"), "INTERNAL_ERROR", {}),
        (ChorusError("t"), "INTERNAL_ERROR", {}),
    ],
)
def test_each_error_has_its_code(error, code, details):
    told = json.loads(messages.encode_failure("a", error))
    assert (told["id"], told["type"], told["status"]) == ("a", "error", "error")
    assert (told["error"]["code"], told["error"]["details"], told["error"]["message"]) == (code, details, str(error))


def test_what_is_not_ours_is_not_told():
    told = json.loads(messages.encode_failure("a", ZeroDivisionError("/etc/passwd")))
    assert told["error"]["code"] == "INTERNAL_ERROR"
    assert "passwd" not in told["error"]["message"]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)
likely = st.fixed_dictionaries(
    {},
    optional={
        "id": st.text(max_size=5) | json_values,
        "type": st.sampled_from(messages.TYPES) | json_values,
        "data": st.dictionaries(st.sampled_from(["text", "voice", "backend", "request_id", "chunk_size"]), json_values)
        | json_values,
        "timestamp": json_values,
    },
)


@given(likely | json_values)
def test_whatever_json_comes_is_a_message_or_undecodable(value):
    try:
        incoming = messages.decode(json.dumps(value))
    except messages.Undecodable as error:
        assert json.loads(messages.encode_failure(error.id, error))["status"] == "error"
    else:
        assert incoming.__struct_config__.tag == value["type"]


@given(st.text() | st.binary())
def test_whatever_comes_never_raises_anything_else(message):
    with pytest.raises(messages.Undecodable):
        messages.decode(message)


@given(st.text(), st.text(min_size=1, max_size=256), st.none() | st.text())
def test_a_request_survives_the_wire(text, id, voice):
    sent = json.dumps({"id": id, "type": "tts", "data": {"text": text, "voice": voice}}, ensure_ascii=True)
    try:
        incoming = messages.decode(sent)
    except messages.Undecodable:  # a lone surrogate is not UTF-8
        assert any(0xD800 <= ord(character) < 0xE000 for character in text + id + (voice or ""))
    else:
        assert (incoming.id, incoming.data.text, incoming.data.voice) == (id, text, voice)
