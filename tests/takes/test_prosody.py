from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import InvalidInput
from app.takes.prosody import AffectProsody, ProsodyKind, SignalProsody, SimpleProsody
from app.takes.shape import Shape

KINDS = [SimpleProsody, AffectProsody, SignalProsody]


def prosody(kind, **changed):
    return kind(**{field.name: 0 for field in fields(kind)} | changed)


@pytest.mark.parametrize("kind", KINDS)
def test_neutral_prosody_changes_nothing(kind):
    assert prosody(kind).shape == Shape()


@pytest.mark.parametrize("kind", KINDS)
@given(pitch=st.integers(-10, 9), pace=st.integers(-10, 9))
def test_each_step_of_pitch_and_pace_goes_further(kind, pitch, pace):
    lower, higher = (prosody(kind, pitch=pitch + step, pace=pace + step).shape for step in (0, 1))
    assert higher.manner.pitch > lower.manner.pitch
    assert higher.speed > lower.speed


@given(steps=st.integers(-10, 9))
def test_each_step_of_expression_is_livelier(steps):
    flatter, livelier = (prosody(SimpleProsody, expression=steps + step).shape.manner for step in (0, 1))
    assert livelier.pitch_range > flatter.pitch_range


def test_expression_and_pitch_range_are_the_same_in_two_kinds():
    assert prosody(SimpleProsody, expression=-7).shape == prosody(SignalProsody, pitch_range=-7).shape


def test_full_expression_is_twice_as_far_and_none_is_nearly_monotone():
    assert prosody(SimpleProsody, expression=10).shape.manner.pitch_range == 2.0
    assert prosody(SimpleProsody, expression=-10).shape.manner.pitch_range == 0.125


def test_arousal_is_higher_faster_louder_brighter():
    calm, excited = (prosody(AffectProsody, arousal=arousal).shape for arousal in (-10, 10))
    assert excited.pitch > calm.pitch
    assert excited.pace > calm.pace
    assert excited.volume > calm.volume
    assert excited.tilt > calm.tilt


def test_dominance_is_lower_and_louder():
    commanding = prosody(AffectProsody, dominance=10).shape
    assert commanding.pitch < 0 < commanding.volume


def test_every_kind_says_which_it_is():
    assert [prosody(kind).kind for kind in KINDS] == list(ProsodyKind)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("value", [-11, 11])
def test_a_value_out_of_range_is_named(kind, value):
    for field in fields(kind):
        with pytest.raises(InvalidInput, match=f"prosody.{field.name} {value} must be -10 to 10"):
            prosody(kind, **{field.name: value})
