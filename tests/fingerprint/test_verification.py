from dataclasses import replace

import numpy as np
import pytest

from app.audio.resample import resample
from app.fingerprint.fingerprinter import fingerprint
from app.fingerprint.fit import best_fit, fits
from app.fingerprint.listener import listen
from app.fingerprint.peaks import Peaks
from app.fingerprint.placement import Placement
from app.fingerprint.readings import NEW
from app.fingerprint.spectrum import FRAMES_PER_SECOND, HOP, SAMPLE_RATE
from app.fingerprint.verification import chance, fitted, stretches, weigh
from tests.fingerprint.constellations import taken
from tests.fingerprint.music import noise, tone, tune

TRACK = fingerprint(tune(1), sample_rate=SAMPLE_RATE).peaks
AT = 7.0
HERE = Placement(AT * FRAMES_PER_SECOND)


def heard(sound, *, at=AT, seconds=3.0):
    return listen(sound[round(at * SAMPLE_RATE) : round((at + seconds) * SAMPLE_RATE)]).heard


CLEAN = heard(tune(1))


def test_much_speaks_for_the_right_place():
    evidence = weigh(CLEAN, TRACK, HERE)
    assert evidence.odds > 30 and evidence.matched > 0.8 * evidence.peaks
    assert evidence.gain == pytest.approx(0, abs=3)


@pytest.mark.parametrize("seconds", [-5.0, -1.0, -0.3, 0.3, 2.0, 9.0])
def test_nothing_speaks_for_another_place(seconds):
    assert weigh(CLEAN, TRACK, Placement((AT + seconds) * FRAMES_PER_SECOND)).odds < weigh(CLEAN, TRACK, HERE).odds / 3


def test_nothing_speaks_for_another_track():
    assert weigh(heard(tune(2)), TRACK, HERE).odds < weigh(CLEAN, TRACK, HERE).odds / 20


def test_noise_takes_some_of_it_away():
    sound = tune(1)
    odds = [weigh(heard(sound + noise(20, level=level)), TRACK, HERE).odds for level in (0, 0.002, 0.01, 0.05)]
    assert odds == sorted(odds, reverse=True) and odds[2] > 10


@pytest.mark.parametrize("decibels", [-40, -20, 6])
def test_how_loud_it_is_does_not_matter(decibels):
    evidence = weigh(heard(tune(1) * np.float32(10 ** (decibels / 20))), TRACK, HERE)
    assert evidence.gain == pytest.approx(2 * decibels, abs=4)
    assert evidence.odds == pytest.approx(weigh(CLEAN, TRACK, HERE).odds, rel=0.2)


def test_silence_says_nothing():
    evidence = weigh(heard(np.zeros(20 * SAMPLE_RATE, np.float32)), TRACK, HERE)
    assert (evidence.odds, evidence.peaks, evidence.matched) == (0, 0, 0)


def test_a_query_that_is_silent_for_a_while_loses_nothing_by_that():
    sound = tune(1).copy()
    sound[round((AT + 1.5) * SAMPLE_RATE) :] = 0
    half, whole = weigh(heard(tune(1), seconds=1.4), TRACK, HERE), weigh(heard(sound), TRACK, HERE)
    assert whole.odds == pytest.approx(half.odds, rel=0.3)


def test_what_stretches_say_adds_up():
    edges = np.array([0, 20, 20, 61, 100, CLEAN.end])
    parts, whole = stretches(CLEAN, TRACK, HERE, edges), weigh(CLEAN, TRACK, HERE)
    assert sum(part.odds for part in parts) == pytest.approx(whole.odds)
    assert sum(part.peaks for part in parts) == whole.peaks and parts[1].peaks == 0
    assert sum(part.matched for part in parts) == whole.matched == fits(CLEAN, TRACK, HERE)
    assert weigh(CLEAN, TRACK, HERE, first=20, end=61, gain=whole.gain) == parts[2]


def test_frames_may_be_those_of_all_tracks():
    later = Peaks(TRACK.frames + np.uint32(3_000_000_000), TRACK.frequencies, TRACK.strengths)
    assert weigh(CLEAN, later, Placement(HERE.place + 3_000_000_000)) == weigh(CLEAN, TRACK, HERE)


def test_only_the_peaks_that_are_heard_are_looked_for():
    there = (TRACK.frames > HERE.place - 3 - NEW) & (TRACK.frames < HERE.place + CLEAN.end + 3)
    assert weigh(CLEAN, taken(TRACK, there), HERE) == weigh(CLEAN, TRACK, HERE)
    assert weigh(CLEAN, taken(TRACK, ~there), HERE).peaks == 0


@pytest.mark.parametrize("speed", [0.96, 1.03])
def test_a_track_played_faster_fits_at_its_speed(speed):
    sound = resample(tune(1), from_rate=round(SAMPLE_RATE * speed), to_rate=SAMPLE_RATE)
    played = heard(sound, at=AT / speed)
    assert weigh(played, TRACK, Placement(HERE.place, speed, speed)).odds > 25
    assert weigh(played, TRACK, HERE).odds < 0


def test_half_a_frame_off_is_heard_nearly_as_well():
    odds = [weigh(heard(tune(1), at=AT + off * HOP / SAMPLE_RATE), TRACK, HERE).odds for off in (0.0, 0.5)]
    assert odds[1] > 0.6 * odds[0]


def test_hardly_anything_speaks_for_music_that_is_turned():
    assert chance(CLEAN, TRACK, HERE) < 0.3 * weigh(CLEAN, TRACK, HERE).odds


def test_what_goes_on_for_long_fits_by_chance():
    chord = sum(tone(hz, 20, level=0.1) for hz in (220.0, 277.2, 329.6)) + noise(20, level=1e-4)
    drone = fingerprint(chord, sample_rate=SAMPLE_RATE).peaks
    other = heard(sum(tone(hz, 20, level=0.1) for hz in (220.0, 277.2, 329.6)) + noise(20, seed=1, level=1e-4))
    assert weigh(other, drone, HERE).odds - chance(other, drone, HERE) < 5


@pytest.mark.parametrize("seconds", [0.0, 0.2, 0.4])
def test_too_little_sound_has_no_chance(seconds):
    assert chance(heard(tune(1), seconds=seconds), TRACK, HERE) == 0


def test_of_placements_nearby_the_right_one_fits_best():
    placements = [replace(HERE, place=HERE.place + step) for step in (-9, 9, 0, 4)]
    assert best_fit(CLEAN, TRACK, placements) == HERE


def test_of_placements_that_fit_as_well_the_first_is_taken():
    nowhere = [Placement(1e6), Placement(2e6)]
    assert best_fit(CLEAN, TRACK, nowhere) is nowhere[0]


def test_fitting_and_weighing_in_one_step_is_the_same():
    places = [HERE, Placement(HERE.place + 2), Placement(HERE.place - 3, tempo=1.01)]
    rows = np.array([(one.place, one.tempo, one.pitch) for one in places])
    edges = np.array([0, 40, 80, CLEAN.end])
    found = fitted(CLEAN, TRACK, rows, edges, least=0.0)
    assert found.placement == HERE
    assert found.stretches == stretches(CLEAN, TRACK, HERE, edges)
    most = max(sum(part.odds for part in found.stretches[first:]) for first in range(3))
    assert fitted(CLEAN, TRACK, rows, edges, least=most - 0.1) is not None
    assert fitted(CLEAN, TRACK, rows, edges, least=most + 0.1) is None
