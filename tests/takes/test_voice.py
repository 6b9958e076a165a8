from app.takes.prosody import SimpleProsody
from app.takes.shape import Shape
from app.takes.styles import shape_of
from app.takes.take import Status, Wording
from app.takes.voice import Design, Voice, VoiceGender, VoiceRequest

HIGH, LOW = SimpleProsody(10, 0, 0), SimpleProsody(-10, 0, 0)
OWN = Shape(timbre=1.0)


def voice(**defaults):
    request = VoiceRequest("Ann", "fake", VoiceGender.FEMALE, **defaults)
    return Voice("v1", "me", request, Design(1, VoiceGender.FEMALE, OWN), Status.READY, 0)


def test_without_wishes_a_voice_speaks_its_own_way():
    assert voice().shape(Wording("hi")) == OWN


def test_the_defaults_hold_where_a_take_says_nothing():
    spoken = voice(default_style=("calm",), default_prosody=HIGH).shape(Wording("hi"))
    assert spoken == OWN + shape_of(["calm"]) + HIGH.shape


def test_what_a_take_says_replaces_the_defaults():
    spoken = voice(default_style=("calm",), default_prosody=HIGH).shape(Wording("hi", style=("loud",), prosody=LOW))
    assert spoken == OWN + shape_of(["loud"]) + LOW.shape
