import pytest

from app.takes.shape import Shape
from app.tts.speech import MAX_PITCH, MAX_PITCH_RANGE, MAX_SPEED, Manner


def test_no_distance_changes_nothing():
    assert (Shape().speed, Shape().manner) == (1.0, Manner())


def test_distances_add_up():
    both = Shape(pitch=2.0, pace=1.0) + Shape(pitch=-0.5, tilt=1.0)
    assert both == Shape(pitch=1.5, pace=1.0, tilt=1.0)


def test_octaves_become_factors():
    shape = Shape(spread=-1.0, pace=-1.0)
    assert (shape.manner.pitch_range, shape.speed) == (0.5, 0.5)


@pytest.mark.parametrize("direction", [-1, 1])
def test_the_engine_is_never_asked_for_more_than_it_takes(direction):
    far = Shape(*[direction * 100.0] * 6)
    assert abs(far.manner.pitch) == MAX_PITCH
    assert far.manner.pitch_range in (0.0, MAX_PITCH_RANGE)
    assert far.speed <= MAX_SPEED
