import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.api.speak import messages
from app.api.speak.framing import Mode
from app.api.speak.messages import COMMANDS, GenerateTake, GenerateVoice, Undecodable, decode
from app.errors import NotFound
from app.takes.prosody import AffectProsody, SimpleProsody
from app.takes.take import TakeRequest, Webhook, Wording
from app.takes.voice import VoiceGender, VoiceRequest
from tests.api.speak.examples import TAKE, VOICE, VOICE_ID, golden


def command(command="/takes/generate", /, *, request_id=7, stream=None, **data) -> str:
    message = {"command": command, "request_id": request_id, "data": {"text": "hello", "voice_id": "v1", **data}}
    return json.dumps(message if stream is None else {**message, "stream": stream})


def refused(message) -> Undecodable:
    with pytest.raises(Undecodable) as caught:
        decode(message)
    return caught.value


def test_what_the_vendors_python_sends_is_read():
    asked = decode(json.dumps(golden("takes_generate")))
    wording = Wording(
        "Hello there, I am Daisys!",
        prosody=SimpleProsody(0, 2, -3),
        done_webhook=Webhook("https://example.com/done"),
    )
    assert asked == GenerateTake(0, Mode.CHUNKS, TakeRequest(wording, VOICE_ID))


def test_what_the_vendors_javascript_sends_is_read():
    asked = decode(json.dumps(golden("take_generate")))
    wording = Wording("Hello there", status_webhook=Webhook("https://example.com/status"))
    assert asked == GenerateTake(1, Mode.PARTS, TakeRequest(wording, VOICE_ID, user_data="line 7"))


def test_a_voice_is_asked_for():
    asked = decode(json.dumps(golden("voices_generate")))
    wanted = VoiceRequest(
        "Deborah",
        "espeak",
        VoiceGender.FEMALE,
        default_style=("calm",),
        default_prosody=AffectProsody(1, 0, 2, -1, 3),
        example=Wording("Hello there"),
        done_webhook=Webhook("https://example.com/done"),
    )
    assert asked == GenerateVoice(0, Mode.CHUNKS, wanted)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_known(name):
    asked = decode(command(name, name="Deborah", model="espeak", gender="female"))
    assert isinstance(asked, GenerateTake if "take" in name else GenerateVoice)


@pytest.mark.parametrize("request_id", [0, 1, -1, "0", "", "a" * 256, 2**63 - 1])
def test_an_id_keeps_its_kind(request_id):
    found = decode(command(request_id=request_id)).request_id
    assert (found, type(found)) == (request_id, type(request_id))


@pytest.mark.parametrize(
    ("stream", "mode"),
    [(None, Mode.PARTS), ({}, Mode.PARTS), ({"mode": "parts"}, Mode.PARTS), ({"mode": "chunks"}, Mode.CHUNKS)],
)
def test_parts_are_sent_whole_unless_chunks_are_asked_for(stream, mode):
    assert decode(command(stream=stream)).mode is mode


def test_a_stream_that_is_null_is_absent():
    message = json.loads(command()) | {"stream": None}
    assert decode(json.dumps(message)).mode is Mode.PARTS


@pytest.mark.parametrize(
    ("message", "field"),
    [
        (command("/takes/delete"), "command"),
        (command(3), "command"),
        (command(stream={"mode": "bits"}), "stream.mode"),
        (command(stream=3), "stream"),
        (command(text=3), "data.text"),
        (command(voice_id=None), "data.voice_id"),
        (command(prosody={"pitch": 11}), "data.prosody.pitch"),
        (command("/voices/generate"), "data.name"),
        ('{"command": "/takes/generate", "request_id": 7}', "data"),
        ('{"command": "/takes/generate", "request_id": 7, "data": []}', "data"),
        ('{"request_id": 7, "data": {}}', "command"),
    ],
)
def test_a_fault_is_told_to_its_request(message, field):
    error = refused(message)
    assert (error.field, error.request_id) == (field, 7)
    assert field in str(error)


@pytest.mark.parametrize("fault", ['"text": "\\ud83d"', '"speed": NaN'])
def test_a_text_that_only_lenient_parsers_read_still_tells_whom_to_answer(fault):
    message = f'{{"command": "/takes/generate", "request_id": 7, "stream": {{"mode": "chunks"}}, "data": {{{fault}}}}}'
    error = refused(message)
    assert (error.request_id, error.mode) == (7, Mode.CHUNKS)


@pytest.mark.parametrize(
    "message",
    [
        b"{}",
        "",
        "hello",
        "[]",
        "3",
        "{}",
        command(request_id=None),
        command(request_id=True),
        command(request_id=1.5),
        command(request_id=[]),
        command(request_id="a" * 257),
        command(request_id="\ud83d"),
        command(request_id=2**63),
        command(request_id=10**30),
        "[" * 200_000,
        '{"request_id": 7, "data": ' + "[" * 200_000,
    ],
    ids=lambda message: repr(message)[:40],
)
def test_a_message_that_names_no_request_is_refused(message):
    assert refused(message).request_id is None


@given(st.text() | st.binary())
def test_no_message_breaks_the_door(message):
    refused(message)


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), lambda inner: st.lists(inner)))
def test_no_data_breaks_the_door(data):
    with suppress(Undecodable):
        asked = decode(command(text=data, voice_id=data))
        assert asked.request.wording.text == data


def test_a_status_is_told_as_in_the_example():
    assert json.loads(messages.encode_status(0, TAKE)) == golden("take_status")
    assert json.loads(messages.encode_status(1, VOICE)) == golden("voice_status")


def test_an_error_is_told_as_in_the_example():
    assert json.loads(messages.encode_failure(1, NotFound("voice 'v1' does not exist"))) == golden("error")


def test_an_error_of_no_request_names_none():
    told = json.loads(messages.encode_failure(None, Undecodable("request_id: field required")))
    assert told == golden("error-2")


def test_what_is_not_ours_is_told_without_its_text():
    told = json.loads(messages.encode_failure(0, ValueError("a secret")))
    assert (told["message"], told["request_id"]) == (messages.INTERNAL_ERROR, 0)
