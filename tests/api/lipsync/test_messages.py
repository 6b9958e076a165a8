import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from app.api.lipsync import messages
from app.api.lipsync.messages import Cancel, Ping, Undecodable
from app.api.lipsync.process import Options, Process
from app.errors import InvalidInput
from app.lipsync.album import UnknownPicture
from app.lipsync.clip import Opening, Portrayal, Progress
from app.lipsync.script import Script, Spoken

GOLDEN = Path(__file__).parents[2] / "golden" / "lipsync"
PORTRAYAL = Portrayal(
    "warp", "nota_wav2lip", "no weights", 2, False, 150, 6.0, 25.0, 512, 512, "avc1.64001e", 45.2, 12.5, b"video", 5
)
SITTING = SimpleNamespace(portrayal=PORTRAYAL, image_id="ab" * 32, spoken=None)
SPOKEN = SimpleNamespace(portrayal=PORTRAYAL, image_id=None, spoken=Spoken(b"", None, "f1", "espeak"))


def golden(name):
    return json.loads((GOLDEN / f"{name}.json").read_text())


def result(sitting):
    return messages.encode_result("abc123", sitting, seconds=12.5, timestamp=1.5)


@pytest.mark.parametrize(("name", "kind"), [("process", Process), ("ping", Ping), ("cancel", Cancel)])
def test_the_document_s_requests_are_read(name, kind):
    assert isinstance(messages.decode(json.dumps(golden(name))), kind)


def test_the_document_s_options_reach_the_engine():
    order = messages.decode(json.dumps(golden("process"))).order()
    assert order.model == "nota_wav2lip"
    assert (order.pads, order.resize_factor, order.smooth) == ((0, 10, 0, 0), 1, True)


@pytest.mark.parametrize("options", [None, {}, dict.fromkeys(Options.__struct_fields__)])
def test_what_is_absent_or_null_is_the_default(options):
    order = messages.decode(json.dumps({"type": "process", "options": options})).order()
    assert (order.model, order.pads, order.smooth, order.fps, order.face) == (
        "nota_wav2lip",
        (0, 10, 0, 0),
        True,
        25,
        None,
    )


def test_a_script_has_what_the_speech_engine_wants_to_know():
    said = {"text": "Hi", "voice": "f1", "backend": "espeak", "language": "en-GB", "speed": 1.5, "ssml": True}
    assert Process(**said).script() == Script("Hi", "f1", "espeak", "en-GB", 1.5, True)
    assert Process(text="Hi", voice="", speed=None).script() == Script("Hi")
    assert Process(audio_base64="QUJD", voice="f1").script() is None


@pytest.mark.parametrize("speed", [0.2, 4.1, -1])
def test_nothing_is_spoken_too_fast_or_too_slowly(speed):
    with pytest.raises(InvalidInput, match="speed"):
        Process(text="Hi", speed=speed).script()


def test_the_texts_of_a_form_are_read():
    process = messages.decode_fields({"text": "Hi", "speed": "1.5", "ssml": "true", "options": '{"fps":30}', "x": "y"})
    assert (process.text, process.speed, process.ssml, process.order().fps) == ("Hi", 1.5, True, 30)


@pytest.mark.parametrize(
    ("fields", "error_type"),
    [({"options": "{"}, "json_error"), ({"options": "[]"}, "validation_error"), ({"speed": "x"}, "validation_error")],
)
def test_texts_of_a_form_that_are_none_are_told(fields, error_type):
    with pytest.raises(Undecodable) as caught:
        messages.decode_fields(fields)
    assert caught.value.error_type == error_type


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("connection", messages.encode_connection("id")),
        ("pong", messages.encode_pong(1.5)),
        ("progress", messages.encode_progress(75.5, "so far", timestamp=1.5)),
        ("result", result(SITTING)),
        ("error", messages.encode_error("json_error", "no", timestamp=1.5)),
        ("cancelled", messages.encode_cancelled()),
        ("info", messages.encode_info(messages.NOTHING_TO_CANCEL)),
    ],
)
def test_replies_have_the_fields_of_the_document(name, written):
    told, wanted = json.loads(written), golden(name)
    assert wanted.keys() <= told.keys()
    for key, value in wanted.items():
        kinds = (int, float) if isinstance(value, int | float) else type(value)
        assert isinstance(told[key], kinds)
    if name in ("connection", "cancelled", "info"):
        assert told["message"] == wanted["message"]


@pytest.mark.parametrize(
    ("error", "field"),
    [(UnknownPicture(), "image_id"), (InvalidInput("bad", field="fps"), "fps"), (InvalidInput("bad"), None)]
    + [(RuntimeError("secret"), None)],
)
def test_an_error_says_which_field_is_to_blame(error, field):
    assert json.loads(messages.encode_failure(error, timestamp=1.5)).get("field") == field


def test_a_result_names_its_picture_and_who_spoke():
    one, other = json.loads(result(SITTING)), json.loads(result(SPOKEN))
    assert (one["image_id"], one["voice"], one["backend"]) == ("ab" * 32, None, None)
    assert (other["image_id"], other["voice"], other["backend"]) == (None, "f1", "espeak")


def test_a_stream_says_what_mediasource_wants_to_know():
    opening = Opening("warp", "wav2lip", "no weights", 25.0, 512, 384, "avc1.64001e, mp4a.40.2")
    told = json.loads(messages.encode_stream("abc123", opening, SITTING))
    assert told == {
        "type": "stream",
        "job_id": "abc123",
        "session_id": "abc123",
        "codecs": "avc1.64001e, mp4a.40.2",
        "width": 512,
        "height": 384,
        "fps": 25.0,
        "model_used": "warp",
        "requested_model": "wav2lip",
        "fallback_reason": "no weights",
        "image_id": "ab" * 32,
    }


def test_drawing_goes_from_a_quarter_to_near_the_end():
    percents = [
        json.loads(messages.encode_drawing(Progress(frames, 100), timestamp=0))["progress"] for frames in (0, 50, 120)
    ]
    assert percents == [25, 60, 95]
