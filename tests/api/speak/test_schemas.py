import pytest
from daisys.v1.speak import models as theirs
from pydantic import ValidationError

from app.api.speak.schemas import TakeGenerate, VoiceGenerate, VoiceUpdate, explain
from app.errors import InvalidInput
from app.takes.prosody import AffectProsody, SignalProsody, SimpleProsody
from app.takes.take import TakeRequest, Webhook, Wording
from app.takes.voice import VoiceChange, VoiceGender, VoiceRequest

URL = "https://example.com/hook"


def take(**fields) -> TakeRequest:
    return TakeGenerate.model_validate({"text": "hello", "voice_id": "v1", **fields}).request()


def refused(**fields) -> InvalidInput:
    with pytest.raises(ValidationError) as caught:
        take(**fields)
    return explain(caught.value.errors())


def test_a_text_and_a_voice_are_enough():
    assert take() == TakeRequest(Wording("hello"), "v1")


def test_null_means_absent():
    nulls = dict.fromkeys(
        ("override_language", "style", "prosody", "status_webhook", "done_webhook", "user_data"), None
    )
    assert take(**nulls) == take()


def test_what_the_vendors_client_sends_is_read():
    sent = theirs.TakeGenerate(
        text="hello",
        voice_id="v1",
        style=["calm"],
        override_language="nl-NL",
        prosody=theirs.SignalProsody(pitch=1, pace=2, tilt=3, pitch_range=4),
        done_webhook=theirs.Webhook(post_url=URL),
    )
    wording = Wording(
        "hello",
        override_language="nl-NL",
        style=("calm",),
        prosody=SignalProsody(1, 2, 3, 4),
        done_webhook=Webhook(URL),
    )
    assert TakeGenerate.model_validate_json(sent.model_dump_json()).request() == TakeRequest(wording, "v1")


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ({"pitch": 1, "pace": 2, "expression": 3}, SimpleProsody(1, 2, 3)),
        (
            {"pitch": 1, "pace": 2, "valence": 3, "dominance": 4, "arousal": 5},
            AffectProsody(1, 2, 3, 4, 5),
        ),
        ({"pitch": 1, "pace": 2, "tilt": 3, "pitch_range": 4}, SignalProsody(1, 2, 3, 4)),
        ({"pitch": -10, "pace": 10}, SimpleProsody(-10, 10, 0)),
        ({"arousal": 2}, AffectProsody(0, 0, 0, 0, 2)),
        ({}, SimpleProsody(0, 0, 0)),
    ],
)
def test_prosody_is_of_the_kind_that_its_fields_tell(written, read):
    assert take(prosody=written).wording.prosody == read


@pytest.mark.parametrize(
    ("prosody", "field"),
    [
        ({"pitch": 11}, "prosody.pitch"),
        ({"pitch": -11, "arousal": 1}, "prosody.pitch"),
        ({"pitch": 0.5}, "prosody.pitch"),
        ({"pitch": True}, "prosody.pitch"),
        ({"expression": 1, "arousal": 1}, "prosody.expression"),
        ({"arousal": 1, "tilt": 1}, "prosody.tilt"),
        ({"loudness": 1}, "prosody.loudness"),
        (3, "prosody"),
    ],
)
def test_prosody_that_is_none_is_refused(prosody, field):
    assert refused(prosody=prosody).field == field


@pytest.mark.parametrize("written", [URL, {"post_url": URL}, {"post_url": URL, "timestamp_ms": 3, "status_code": 200}])
def test_a_webhook_is_a_url_or_an_object(written):
    assert take(done_webhook=written).wording.done_webhook == Webhook(URL)


@pytest.mark.parametrize(
    "written", ["ftp://example.com", "example.com", "", {"post_url": 3}, {}, 3, "http://" + "x" * 3000]
)
def test_a_webhook_that_is_none_is_refused(written):
    assert str(refused(status_webhook=written)).startswith("status_webhook")


@pytest.mark.parametrize("value", ["x", "", "x" * 256, 0, 7, -7, 7.5, 2**63 - 1])
def test_the_clients_own_value_stays_what_it_is(value):
    found = take(user_data=value).user_data
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize("value", ["x" * 257, True, [], {}, float("nan"), float("inf"), 2**63, "\0", "\ud800"])
def test_a_value_that_cannot_come_back_is_refused(value):
    assert refused(user_data=value).field == "user_data"


@pytest.mark.parametrize("text", ["a\0b", "a\ud83d"])
@pytest.mark.parametrize("field", ["text", "voice_id", "override_language"])
def test_text_that_no_store_can_hold_is_refused(field, text):
    assert refused(**{field: text}).field == field


def test_a_fault_is_told_with_its_field():
    assert str(refused(text=None)) == "text: input should be a valid string"


def test_an_object_is_asked_for_without_our_names():
    with pytest.raises(ValidationError) as caught:
        TakeGenerate.model_validate([])
    assert str(explain(caught.value.errors())) == "must be an object"


def test_what_is_not_known_is_ignored():
    assert take(speed=3) == take()


def test_a_voice_is_read_with_its_example():
    sent = theirs.VoiceGenerate(
        name="Deborah",
        model="espeak",
        gender=theirs.VoiceGender.FEMALE,
        description="warm",
        default_style=["calm"],
        default_prosody=theirs.AffectProsody(pitch=1, pace=2, valence=3, dominance=4, arousal=5),
        example_take=theirs.TakeGenerateWithoutVoice(text="hello"),
        done_webhook=theirs.Webhook(post_url=URL),
    )
    assert VoiceGenerate.model_validate_json(sent.model_dump_json()).request() == VoiceRequest(
        "Deborah",
        "espeak",
        VoiceGender.FEMALE,
        description="warm",
        default_style=("calm",),
        default_prosody=AffectProsody(1, 2, 3, 4, 5),
        example=Wording("hello"),
        done_webhook=Webhook(URL),
    )


def test_a_change_leaves_what_it_does_not_name():
    change = VoiceUpdate.model_validate({"name": "Ann", "gender": None}).change()
    assert change == VoiceChange(name="Ann")


def test_a_change_may_take_styles_away():
    assert VoiceUpdate.model_validate({"default_style": []}).change() == VoiceChange(default_style=())
