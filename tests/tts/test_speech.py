import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import InvalidInput
from app.tts.disk_entry import name_of
from app.tts.speech import MAX_PITCH, Manner, SpeechRequest


def test_by_default_nothing_is_changed():
    assert SpeechRequest("hi").manner == Manner(pitch=0, pitch_range=1, timbre=0, tilt=0, volume=0)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("pitch", 12.1),
        ("pitch", -13),
        ("pitch_range", -0.1),
        ("pitch_range", 2.5),
        ("timbre", 7),
        ("tilt", -6.5),
        ("volume", 13),
        ("volume", -math.inf),
        ("tilt", math.nan),
    ],
)
def test_what_is_out_of_its_range_is_refused(name, value):
    with pytest.raises(InvalidInput, match=name) as caught:
        Manner(**{name: value})
    assert caught.value.field == name


@given(st.integers(-int(MAX_PITCH), int(MAX_PITCH)))
def test_equal_manners_have_one_name(pitch):
    one, other = Manner(pitch=pitch), Manner(pitch=float(pitch) if pitch else -0.0)
    assert one == other and name_of(one) == name_of(other)
