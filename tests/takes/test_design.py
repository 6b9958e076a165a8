import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.takes.design import OF_GENDER, SPREAD_OF_VOICES, described, design
from app.takes.shape import Shape
from app.takes.voice import VoiceGender

FEMALE, MALE, NONBINARY = VoiceGender


def test_an_id_always_leads_to_the_same_voice():
    assert design("v01", FEMALE, "deep") == design("v01", FEMALE, "deep")


def test_a_voice_that_was_made_once_never_changes():
    shape = design("v01j00000000000000000000000", FEMALE).shape
    assert shape.manner.pitch == -1.129


def test_ids_lead_to_voices_that_differ():
    voices = {design(f"v{number}", FEMALE).shape for number in range(100)}
    assert len(voices) == 100


@given(st.text(), st.sampled_from(VoiceGender))
def test_every_voice_stays_near_its_gender(voice_id, gender):
    shape = design(voice_id, gender).shape
    assert abs(shape.pitch - OF_GENDER[gender].pitch) <= SPREAD_OF_VOICES.pitch
    assert abs(shape.timbre - OF_GENDER[gender].timbre) <= SPREAD_OF_VOICES.timbre
    assert abs(shape.pace) <= SPREAD_OF_VOICES.pace


@pytest.mark.parametrize("text", ["a deep voice", "DEEP", "voix grave", "低沉的声音", "een lage stem", "tief"])
def test_deep_voices_are_lower(text):
    assert described(text).pitch == -3.0


@pytest.mark.parametrize("text", ["very deep", "非常低沉", "sehr tief"])
def test_what_is_very_deep_is_lower_still(text):
    assert described(text).pitch == -4.5


@pytest.mark.parametrize("text", ["", "not deep", "not too deep", "不低沉", "a shell", "depth", "Erik from Oslo"])
def test_other_words_say_nothing(text):
    assert described(text) == Shape()


def test_words_add_up():
    assert described("young, slow") == described("young") + described("slow")


@given(st.text(max_size=300))
def test_any_description_can_be_read(text):
    assert design("v1", MALE, text).shape.manner
