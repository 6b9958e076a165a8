import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from app.audio.splice import FADE_SECONDS, amplify, cut_at_rests, fade, sounding

RATE = 8000
TONE = np.rint(8000 * np.sin(np.arange(800) * 0.3)).astype(np.int16)
PCM = arrays.arrays(np.int16, st.integers(0, 200))


@given(PCM, st.floats(-60, 60))
def test_amplifying_never_clips_and_never_turns_a_wave_over(pcm, gain):
    louder = amplify(pcm, gain)
    assert louder.dtype == np.int16 and louder.shape == pcm.shape
    assert np.all(louder.astype(int) * pcm.astype(int) >= 0)


def test_six_decibels_are_twice_the_amplitude():
    assert np.abs(amplify(TONE, 6.0206).astype(int) - 2 * TONE).max() <= 1


def test_what_would_clip_is_as_loud_as_can_be():
    assert np.abs(amplify(TONE, 40.0).astype(int)).max() >= 32767


def test_full_scale_stays_as_it_is():
    full = np.array([-32768, 32767], dtype=np.int16)
    assert np.array_equal(amplify(full, 6.0), full)


def test_no_gain_is_the_same_sound_and_minus_infinity_none():
    assert amplify(TONE, 0.0) is TONE
    assert not amplify(TONE, -math.inf).any()


def test_sound_is_found_between_silences():
    pcm = np.concatenate([np.zeros(100, np.int16), TONE[1:], np.zeros(50, np.int16)])
    assert sounding(pcm) == (100, 899)


@pytest.mark.parametrize("pcm", [np.zeros(10, np.int16), np.zeros(0, np.int16)])
def test_silence_has_no_sound(pcm):
    assert sounding(pcm) == (len(pcm), len(pcm))


@pytest.mark.parametrize(("head", "tail"), [(True, True), (True, False), (False, True)])
def test_a_faded_edge_is_zero_and_the_rest_untouched(head, tail):
    faded = fade(TONE + 5000, sample_rate=RATE, head=head, tail=tail)
    count = round(FADE_SECONDS * RATE)
    assert (faded[0] == 0, faded[-1] == 0) == (head, tail)
    assert np.array_equal(faded[count:-count], TONE[count:-count] + 5000)


def test_what_is_not_faded_or_too_short_is_the_same():
    assert fade(TONE, sample_rate=RATE, head=False, tail=False) is TONE
    one = TONE[:1]
    assert fade(one, sample_rate=RATE, head=True, tail=True) is one


@given(PCM, st.integers(6, 100))
def test_pieces_join_to_the_whole_and_none_is_too_long(pcm, most):
    pieces = cut_at_rests(pcm, sample_rate=100, most_seconds=most / 100)
    assert np.array_equal(np.concatenate(pieces), pcm)
    assert all(len(piece) <= most for piece in pieces)


def test_a_long_recording_is_cut_where_it_is_quiet():
    tone = np.tile(TONE, 20)  # 2 s
    tone[9_000:9_400] = 0
    pieces = cut_at_rests(tone, sample_rate=RATE, most_seconds=1.5)
    assert [len(piece) for piece in pieces] == [pytest.approx(9_200, abs=200), pytest.approx(6_800, abs=200)]
