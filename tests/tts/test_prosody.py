import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import InvalidInput
from app.tts.prosody import Prosody
from app.tts.speech import MAX_PITCH, MAX_PITCH_RANGE, MAX_SPEED, MAX_VOLUME, MIN_SPEED

FAST = Prosody(speed=2.0, pitch=1.0, volume=3.0)


@pytest.mark.parametrize(
    ("value", "speed"),
    [
        ("slow", 0.75),
        ("x-fast", 1.7),
        ("50%", 1.0),
        ("+20%", 2.4),
        ("-50%", 1.0),
        ("1.5", 3.0),
        ("+0.5", 3.0),
        (" medium ", 1.0),
        ("900%", MAX_SPEED),
        ("-200%", MIN_SPEED),
        ("", 2.0),
    ],
)
def test_rate(value, speed):
    assert FAST.changed({"rate": value}) == Prosody(speed=pytest.approx(speed), pitch=1.0, volume=3.0)


@pytest.mark.parametrize(
    ("value", "pitch"),
    [
        ("x-low", -6),
        ("+2st", 3),
        ("-1.5ST", -0.5),
        ("+100%", 12),
        ("+10%", 1 + 12 * math.log2(1.1)),
        ("-99%", -12),
        ("+99st", 12),
    ],
)
def test_pitch(value, pitch):
    assert FAST.changed({"pitch": value}).pitch == pytest.approx(pitch)


@pytest.mark.parametrize(
    ("value", "pitch_range"),
    [("x-low", 0.3), ("high", 1.4), ("+50%", 0.75), ("-50%", 0.25), ("80%", 0.4), ("900%", 2.0), ("-200%", 0.0)],
)
def test_range(value, pitch_range):
    assert Prosody(pitch_range=0.5).changed({"range": value}) == Prosody(pitch_range=pytest.approx(pitch_range))


@pytest.mark.parametrize(
    ("value", "volume"),
    [
        ("silent", -math.inf),
        ("loud", 3),
        ("+6dB", 9),
        ("-6db", -3),
        ("+40dB", MAX_VOLUME),
        ("-90dB", -math.inf),
        ("50", 3 - 6.0206),
        ("0", -math.inf),
        ("-100%", -math.inf),
        ("+100%", 3 + 6.0206),
    ],
)
def test_volume(value, volume):
    assert FAST.changed({"volume": value}).volume == pytest.approx(volume, abs=1e-3)


@pytest.mark.parametrize(
    ("attribute", "value"),
    [
        ("rate", "quick"),
        ("rate", "2st"),
        ("rate", "٥%"),
        ("pitch", "120Hz"),
        ("pitch", "2st"),
        ("pitch", "nan"),
        ("range", "20Hz"),
        ("range", "0.5"),
        ("volume", "1e9"),
        ("volume", "+3st"),
    ],
)
def test_other_values_are_refused_by_name_and_rule(attribute, value):
    with pytest.raises(InvalidInput, match=f"{attribute} '.*' of <prosody> must be"):
        Prosody().changed({attribute: value})


@pytest.mark.parametrize("level", ["strong", "", "moderate", "reduced", "none"])
def test_emphasis_is_mild(level):
    emphasised = Prosody(pitch_range=0.5).emphasised(level)
    assert emphasised.pitch_range == 0.5
    assert 0.8 < emphasised.speed < 1.1 and abs(emphasised.pitch) <= 1 and abs(emphasised.volume) <= 3


def test_an_unknown_emphasis_is_refused():
    with pytest.raises(InvalidInput, match="level 'mad' of <emphasis>"):
        Prosody().emphasised("mad")


@given(
    st.lists(
        st.tuples(st.sampled_from(["rate", "pitch", "range", "volume"]), st.text("0123456789.+-%stdB", max_size=6))
    )
)
def test_however_deep_the_result_is_within_its_bounds(changes):
    prosody = Prosody()
    for attribute, value in changes:
        try:
            prosody = prosody.changed({attribute: value}).emphasised("strong")
        except InvalidInput:
            continue
    assert MIN_SPEED <= prosody.speed <= MAX_SPEED
    assert abs(prosody.pitch) <= MAX_PITCH
    assert prosody.volume <= MAX_VOLUME
    assert 0 <= prosody.pitch_range <= MAX_PITCH_RANGE
