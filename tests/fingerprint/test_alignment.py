import numpy as np
import pytest

from app.audio.resample import resample
from app.fingerprint.alignment import aligned, turned
from app.fingerprint.fingerprinter import fingerprint
from app.fingerprint.listener import listen
from app.fingerprint.placement import Placement
from app.fingerprint.spectrum import FRAMES_PER_SECOND, SAMPLE_RATE
from tests.fingerprint.music import noise, tune

TRACK = fingerprint(tune(1), sample_rate=SAMPLE_RATE).peaks
AT = 7.0


def heard(speed=1.0, *, seconds=3.0, level=0.0):
    sound = resample(tune(1), from_rate=round(SAMPLE_RATE * speed), to_rate=SAMPLE_RATE)
    cut = sound[round(AT / speed * SAMPLE_RATE) :][: round(seconds * SAMPLE_RATE)]
    return listen(cut + noise(seconds, level=level)).heard


@pytest.mark.parametrize("level", [0.0, 0.005])
@pytest.mark.parametrize("frames", [-1.0, 0.0, 0.7])
def test_a_place_is_found_to_a_third_of_a_frame(frames, level):
    placement = aligned(heard(level=level), TRACK, Placement(AT * FRAMES_PER_SECOND + frames))
    assert placement.place == pytest.approx(AT * FRAMES_PER_SECOND, abs=1 / 3)
    assert placement.tempo == placement.pitch == pytest.approx(1, abs=0.001)


@pytest.mark.parametrize("supposed", [0.997, 1.003])
@pytest.mark.parametrize("speed", [0.95, 0.99, 1.02])
def test_a_speed_is_found_to_a_fifth_of_a_percent(speed, supposed):
    sound, middle = heard(speed), 60.0
    wrong = turned(Placement(AT * FRAMES_PER_SECOND, speed, speed * supposed), speed * supposed, middle)
    placement = aligned(sound, TRACK, wrong)
    assert placement.tempo == placement.pitch == pytest.approx(speed, abs=0.002)
    assert placement.place + middle * placement.tempo == pytest.approx(AT * FRAMES_PER_SECOND + middle * speed, abs=0.5)


def test_what_does_not_fit_is_left_where_it_is():
    nothing = listen(np.zeros(3 * SAMPLE_RATE, np.float32)).heard
    assert aligned(nothing, TRACK, Placement(100.0, 1.02, 1.0)) == Placement(100.0, 1.02, 1.0)


def test_a_placement_is_turned_around_a_frame_of_the_query():
    placement = turned(Placement(500.0, 1.0), 1.02, 60.0)
    assert placement.place + 60.0 * placement.tempo == pytest.approx(560.0)
