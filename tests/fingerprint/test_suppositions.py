import numpy as np
import pytest

from app.audio.resample import resample
from app.fingerprint.fingerprinter import fingerprint
from app.fingerprint.index import Index
from app.fingerprint.listener import Listener
from app.fingerprint.placement import Placement
from app.fingerprint.search import SPEEDS
from app.fingerprint.spectrum import FRAMES_PER_SECOND, SAMPLE_RATE
from app.fingerprint.suppositions import Suppositions, other_tempos
from tests.fingerprint.music import tune

START = 8.0
"""Seconds in the tune at which it is heard."""


@pytest.fixture(scope="module")
def view(tmp_path_factory):
    index = Index(tmp_path_factory.mktemp("index"))
    index.add_all((number, fingerprint(tune(number), sample_rate=SAMPLE_RATE)) for number in range(4))
    index.merge()
    return index.view()


@pytest.mark.parametrize("speed", [0.952, 0.98, 1.02, 1.05])
def test_a_round_proposes_where_music_is_at_its_speed(view, speed):
    listener, suppositions = heard(2, speed), Suppositions()
    proposed = [Placement(*row) for _ in SPEEDS for each in suppositions.next(listener, view) for row in each]
    first = view.reel.find(2).first_frame
    errors = [
        abs(one.place + listener.heard.first * one.tempo - first - START * FRAMES_PER_SECOND)
        for one in proposed
        if abs(one.tempo - speed) < 0.004 and abs(one.pitch - speed) < 0.004
    ]
    assert min(errors) <= 1.5


def test_a_hop_supposes_one_speed_only(view):
    listener, suppositions = heard(2, 1.0), Suppositions()
    for speed in SPEEDS:
        each = list(suppositions.next(listener, view))
        assert len(each) <= 2
        assert all(np.all(np.abs(rows[:, 2] / speed - 1) < 0.002) for rows in each)


def test_other_tempos_are_the_same_in_the_middle_of_what_is_heard():
    listener = heard(0, 1.0)
    middle = (listener.heard.first + listener.heard.end) / 2
    others = [Placement(*row) for row in other_tempos(Placement(300.0), listener.heard)]
    steps = [one.place + one.tempo * middle - (300 + middle) for one in others]
    assert {round(step, 6) for step in steps} == {-2, 0, 2}
    assert min(one.tempo for one in others) == 0.95
    assert max(one.tempo for one in others) == 1.05


def heard(number: int, speed: float) -> Listener:
    sound = tune(number)[round(START * SAMPLE_RATE) :]
    listener = Listener(keep=round(3 * FRAMES_PER_SECOND))
    listener.push(np.ascontiguousarray(resample(sound, from_rate=round(1000 * speed), to_rate=1000)[: 3 * SAMPLE_RATE]))
    return listener
