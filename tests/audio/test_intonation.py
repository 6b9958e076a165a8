import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.audio.intonation import intone
from app.audio.melody import Melody, follow
from app.audio.pcm import Samples
from tests.audio.voice import RATE, fundamental, hiss, resonances, semitones, silence, vowel

STEADY = vowel(150, seconds=0.8)
LIVELY = np.concatenate([silence(0.1), hiss(0.2), vowel([130, 190, 120], seconds=0.9), hiss(0.2), vowel([150, 110])])


def changed(sound: Samples, **how: float) -> Samples:
    return intone(sound, follow(sound, sample_rate=RATE), sample_rate=RATE, **how)


def middle(sound: Samples) -> Samples:
    return sound[len(sound) // 4 : -len(sound) // 4]


def spread(sound: Samples) -> float:
    """Standard deviation of the melody in semitones."""
    hz = follow(sound, sample_rate=RATE).hz
    return float(np.std(semitones(hz[hz > 0])))


@pytest.mark.parametrize("wanted", [-12, -7, -3, -0.5, 0.5, 4, 8, 12])
def test_the_melody_moves_by_semitones_and_the_formants_stay(wanted):
    sound = changed(STEADY, semitones=wanted)
    assert len(sound) == len(STEADY)
    assert semitones(fundamental(middle(sound)), 150) == pytest.approx(wanted, abs=0.2)
    if abs(wanted) <= 8:  # beyond, the harmonics are too far apart to tell
        assert resonances(middle(sound))[:3] == pytest.approx(resonances(middle(STEADY))[:3], rel=0.08)


@pytest.mark.parametrize("pitch_range", [0.0, 0.5, 1.5, 2.0])
def test_the_intonation_goes_further_or_less_far(pitch_range):
    sound = changed(LIVELY, pitch_range=pitch_range)
    assert spread(sound) == pytest.approx(pitch_range * spread(LIVELY), rel=0.1, abs=0.15)
    before, after = (follow(each, sample_rate=RATE).median_hz for each in (LIVELY, sound))
    assert after == pytest.approx(before, rel=0.03)


@pytest.mark.parametrize("wanted", [-6, -3, 3, 6])
@pytest.mark.parametrize("hz", [110, 150])
def test_the_formants_move_and_the_melody_stays(wanted, hz):
    voice = vowel(hz, seconds=0.8)
    sound = changed(voice, formants=wanted)
    assert fundamental(middle(sound), lowest=80) == pytest.approx(hz, rel=0.003)
    before, after = (resonances(middle(each)) for each in (voice, sound))
    assert semitones(after[0], before[0]) == pytest.approx(wanted, abs=1.2)  # the harmonics lie 3 semitones apart here
    assert semitones(after[1], before[1]) == pytest.approx(wanted, abs=0.8)


def test_what_has_no_voice_stays_sample_for_sample():
    sound = changed(LIVELY, semitones=5, pitch_range=0.3)
    quiet = slice(0, round(0.26 * RATE))  # silence and hiss, as far as the voice's first frame
    assert np.array_equal(sound[quiet], LIVELY[quiet])
    assert not np.allclose(sound, LIVELY, atol=0.01)


def test_nothing_asked_for_is_nearly_nothing_done():
    assert np.max(np.abs(changed(LIVELY) - LIVELY)) < 0.03 * np.max(np.abs(LIVELY))


def test_what_has_no_voice_at_all_stays():
    noise = hiss(0.5)
    assert np.array_equal(changed(noise, semitones=7), noise)


def test_another_rest_is_heard_where_no_voice_is():
    other = np.zeros_like(LIVELY)
    sound = intone(LIVELY, follow(LIVELY, sample_rate=RATE), sample_rate=RATE, rest=other)
    assert not sound[: round(0.26 * RATE)].any()
    voiced = slice(round(0.5 * RATE), round(0.9 * RATE))
    assert np.allclose(sound[voiced], LIVELY[voiced], atol=0.02)


@pytest.mark.parametrize("how", [{"semitones": 7}, {"semitones": -7}, {"pitch_range": 0.0}, {"formants": 4}])
def test_no_clicks(how):
    sound = changed(LIVELY[round(0.4 * RATE) : round(1.1 * RATE)], **how)
    # the voice has nothing above 5 kHz, and 6.3 kHz when its formants are moved; a click has as much there as below
    power = np.abs(np.fft.rfft(sound * np.hanning(len(sound)))) ** 2
    above = round(7_500 / RATE * len(sound))
    assert power[above:].sum() < 1e-5 * power.sum()


def test_the_energy_stays_where_it_was():
    for how in ({"semitones": 9}, {"semitones": -9}, {"formants": 6}, {"formants": -6}):
        loudness = [np.std(part) for part in (changed(LIVELY, **how), LIVELY)]
        assert loudness[0] == pytest.approx(loudness[1], rel=0.25)


@settings(max_examples=40, deadline=None)
@given(
    start=st.integers(0, 30_000),
    count=st.integers(0, 6_000),
    wanted=st.floats(-12, 12),
    pitch_range=st.floats(0, 2),
    formants=st.floats(-6, 6),
)
def test_any_cut_of_speech_comes_back_as_long_and_finite(start, count, wanted, pitch_range, formants):
    cut = LIVELY[start : start + count]
    sound = changed(cut, semitones=wanted, pitch_range=pitch_range, formants=formants)
    assert sound.shape == cut.shape and np.all(np.isfinite(sound))
    assert np.max(np.abs(sound), initial=0) < 4 * np.max(np.abs(LIVELY))


@pytest.mark.parametrize("frequency", [100.0, 255.0])
def test_a_stretch_of_less_than_three_periods_is_no_voice(frequency):
    sound, rest = silence(0.1), hiss(0.1)
    hz = np.zeros(12)
    hz[5] = frequency
    assert np.array_equal(intone(sound, Melody(hz), sample_rate=RATE, semitones=3, rest=rest), rest)
