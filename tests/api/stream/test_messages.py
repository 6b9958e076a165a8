import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.api.stream import messages
from app.api.stream.messages import Options, check_id, decode_options
from app.audio.pcm import Encoding
from app.errors import InvalidInput, Unavailable
from app.fingerprint.hearing import Progress
from app.fingerprint.hit import Hit
from app.fingerprint.sound_form import SoundForm
from tests.api.stream.door import track

GOLDEN = Path(__file__).parents[2] / "golden" / "stream"
HIT = Hit(1, 0.0, 90.0, speed=1.0, score=9.0, confidence=0.92, similarity=0.95)


def golden(name: str) -> object:
    return json.loads((GOLDEN / f"{name}.json").read_text())


def test_match_is_the_documents():
    progress = Progress(22_050, buffered=44_100, capacity=66_150, processed=352_800)
    told = messages.encode_match([(HIT, track())], progress, timestamp=1234567890.123, total_matches=3)
    assert json.loads(told) == golden("match")
    assert list(json.loads(told)) == ["type", "data"]


def test_status_is_the_documents():
    assert json.loads(messages.encode_status(messages.INITIALIZED)) == golden("status")


def test_error_is_the_documents():
    assert json.loads(messages.encode_invalid_audio("why", with_detail=False)) == golden("error")


def test_who_asks_for_events_is_told_more():
    assert json.loads(messages.encode_invalid_audio("why", with_detail=True))["detail"] == "why"
    assert json.loads(messages.encode_status("Music stopped", event="lost"))["event"] == "lost"


def test_a_monitored_stream_has_all_that_the_documents_has():
    [wanted] = golden("live_streams")["streams"]  # in which the later of the two durations counts
    told = messages.describe_stream(
        "client-123",
        connected_at=1234567890.0,
        age=45.2,
        progress=Progress(22_050, buffered=33_075, capacity=66_150, processed=992_250),
        total_matches=5,
    )
    assert told == wanted | {"connection_duration_seconds": 45.2}


def test_a_stream_without_audio_has_the_duration_of_its_connection():
    told = messages.describe_stream("a", connected_at=5.0, age=2.5, progress=None, total_matches=0)
    assert told == {
        "client_id": "a",
        "connected_at": 5.0,
        "connection_duration_seconds": 2.5,
        "has_processor": False,
        "duration_seconds": 2.5,
    }


def test_faults_are_told_without_their_text():
    assert "secret" not in messages.encode_failure(RuntimeError("secret"))
    assert "the index is closed" in messages.encode_failure(Unavailable("the index is closed"))


def test_without_a_query_the_form_is_the_documents():
    assert decode_options({}, sample_rate=22_050) == Options(SoundForm(22_050, Encoding.F32), events=False)


def test_what_the_query_says_is_taken():
    options = decode_options({"sample_rate": "48000", "encoding": "s16", "events": "1"}, sample_rate=22_050)
    assert options == Options(SoundForm(48_000, Encoding.S16), events=True)


@pytest.mark.parametrize(
    ("name", "value"),
    [("sample_rate", "fast"), ("sample_rate", "-1"), ("sample_rate", "1"), ("encoding", "u8"), ("events", "2")],
)
def test_what_cannot_be_taken_is_named(name, value):
    with pytest.raises(InvalidInput) as caught:
        decode_options({name: value}, sample_rate=22_050)
    assert caught.value.field == name


@given(st.dictionaries(st.sampled_from(["sample_rate", "encoding", "events", "x"]), st.text(max_size=9)))
def test_law_any_query_is_taken_or_refused(query):
    try:
        assert isinstance(decode_options(query, sample_rate=22_050), Options)
    except InvalidInput as error:
        assert error.field in query


@pytest.mark.parametrize("id", ["x" * 201, "a\nb", "\u202e"])
def test_ids_that_cannot_be_shown_are_refused(id):
    with pytest.raises(InvalidInput, match="client_id"):
        check_id(id)


@pytest.mark.parametrize("id", ["client-123", "手机", "a b"])
def test_other_ids_are_taken(id):
    check_id(id)
