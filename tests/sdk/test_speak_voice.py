import pytest

from app.sdk.speak_prosody import SimpleProsody
from app.sdk.speak_take import Wording
from app.sdk.speak_voice import (
    VoiceChange,
    VoiceGender,
    VoiceRequest,
    read_model,
    read_voice,
    write_change,
    write_voice,
)
from tests.sdk.fake_speak import MODEL, voice


def test_a_request_is_written_as_far_as_it_is_given() -> None:
    bare = VoiceRequest("Ada", "tone", VoiceGender.FEMALE)
    full = VoiceRequest(
        "Ada",
        "tone",
        "female",
        description="warm",
        default_style=["narrator"],
        default_prosody=SimpleProsody(pitch=1),
        example=Wording("Hi.", style=["base"]),
        done_webhook="https://x/d",
    )

    assert write_voice(bare) == {"name": "Ada", "model": "tone", "gender": "female"}
    assert write_voice(full) == write_voice(bare) | {
        "description": "warm",
        "default_style": ["narrator"],
        "default_prosody": {"pitch": 1, "pace": 0, "expression": 0},
        "example_take": {"text": "Hi.", "style": ["base"]},
        "done_webhook": {"post_url": "https://x/d"},
    }


def test_a_change_is_written_as_far_as_it_is_given() -> None:
    change = VoiceChange(gender=VoiceGender.MALE, description="", default_style=[])

    assert write_change(change) == {"gender": "male", "description": "", "default_style": []}
    with pytest.raises(ValueError, match="nothing"):
        write_change(VoiceChange())


def test_a_voice_is_read_with_or_without_what_may_be_missing() -> None:
    full = read_voice(voice("ready", default_prosody={"pitch": 1, "pace": 2, "expression": 3}, default_style=["base"]))
    bare = read_voice({k: v for k, v in voice().items() if v is not None and k != "example_take_id"})

    assert (full.default_prosody, full.default_style) == (SimpleProsody(1, 2, 3), ("base",))
    assert (bare.default_prosody, bare.default_style, bare.example_take_id) == (None, (), None)


def test_a_model_may_not_tell_what_voices_are_made_from() -> None:
    assert read_model(MODEL | {"voice_inputs": None}).voice_inputs is None
    assert read_model({k: MODEL[k] for k in ("name", "languages", "genders", "prosody_types")}).display_name == "tone"
