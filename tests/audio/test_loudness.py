import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.audio.loudness import REACH, SpeechMeter, loudness, span_peaks, to_amplitude, to_decibels, true_peak
from app.audio.pcm import Samples

RATES = (8_000, 11_025, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)
PYLOUDNORM_NOISE = -16.8496
"""LUFS of three seconds of `np.random.default_rng(0)`'s noise: pyloudnorm 0.2.0, filter class DeMan, at 48 kHz."""


def sine(hz: float, sample_rate: int, *, seconds: float = 3.0, peak_dbfs: float = 0.0, phase: float = 0.0) -> Samples:
    time = np.arange(round(seconds * sample_rate)) / sample_rate
    return (to_amplitude(peak_dbfs) * np.sin(2 * np.pi * hz * time + phase)).astype(np.float32)


def babble(sample_rate: int, *, seconds: float = 3.0, seed: int = 0) -> Samples:
    """Something like speech: harmonics of 120 Hz that fall by 6 dB an octave, in syllables, with a hiss between."""
    rng = np.random.default_rng(seed)
    time = np.arange(round(seconds * sample_rate)) / sample_rate
    voiced = sum(np.sin(2 * np.pi * 120 * k * time + rng.uniform(0, 6)) / k for k in range(1, 30))
    syllables = np.clip(np.sin(2 * np.pi * 4 * time), 0, None)
    hiss = rng.normal(size=len(time))
    return (0.2 * syllables * voiced + 0.005 * hiss).astype(np.float32)


def estimate(samples: Samples, sample_rate: int, *, cut: int | None = None) -> float | None:
    meter = SpeechMeter(sample_rate=sample_rate)
    for start in range(0, len(samples), cut or len(samples) or 1):
        meter.push(samples[start : start + (cut or len(samples))])
    return meter.loudness()


@pytest.mark.parametrize("rate", RATES)
def test_the_standards_own_figure(rate):
    assert loudness(sine(997, rate), sample_rate=rate) == pytest.approx(-3.01, abs=0.01)


@pytest.mark.parametrize("rate", [8_000, 16_000, 22_050, 44_100])
@pytest.mark.parametrize("hz", [60, 500, 2_000, 3_500])
def test_every_rate_reads_like_48_khz(rate, hz):
    reference = loudness(sine(hz, 48_000), sample_rate=48_000)
    assert loudness(sine(hz, rate), sample_rate=rate) == pytest.approx(reference, abs=0.01)


def test_it_reads_as_another_implementation_does():
    noise = np.random.default_rng(0).normal(size=3 * 48_000) * 0.1
    assert loudness(noise.astype(np.float32), sample_rate=48_000) == pytest.approx(PYLOUDNORM_NOISE, abs=0.01)


def test_tones_at_minus_36_in_front_of_and_behind_one_at_minus_23_do_not_count():
    # EBU Tech 3341, test 3, in one channel instead of two, which is 3 LU less
    quiet, loud = (sine(1000, 48_000, seconds=s, peak_dbfs=db) for s, db in ((10, -36), (60, -23)))
    assert loudness(np.concatenate((quiet, loud, quiet)), sample_rate=48_000) == pytest.approx(-26.0, abs=0.1)


def test_what_is_below_minus_70_does_not_count():
    # EBU Tech 3341, test 4
    faint, quiet, loud = (sine(1000, 48_000, seconds=s, peak_dbfs=db) for s, db in ((10, -72), (10, -36), (60, -23)))
    whole = np.concatenate((faint, quiet, loud, quiet, faint))
    assert loudness(whole, sample_rate=48_000) == pytest.approx(-26.0, abs=0.1)


@settings(max_examples=30, deadline=None)
@given(st.floats(-20, 20), st.sampled_from(RATES), st.floats(0.02, 2.0))
def test_gain_moves_loudness_by_itself(decibels, rate, seconds):
    sound = babble(rate, seconds=seconds)
    louder = sound * np.float32(to_amplitude(decibels))
    for measure in (lambda x: loudness(x, sample_rate=rate), lambda x: estimate(x, rate)):
        before, after = measure(sound), measure(louder)
        assert after is None or after == pytest.approx(before + decibels, abs=0.02)


@pytest.mark.parametrize("seconds", [0.01, 0.1, 0.3, 0.399])
def test_a_clip_shorter_than_a_block_is_measured_as_it_is(seconds):
    assert loudness(sine(997, 48_000, seconds=seconds), sample_rate=48_000) == pytest.approx(-3.01, abs=0.2)


@pytest.mark.parametrize("n", [0, 1, 2_000, 100_000])
def test_silence_has_no_loudness(n):
    assert loudness(np.zeros(n, np.float32), sample_rate=22_050) is None
    assert estimate(np.zeros(n, np.float32), 22_050) is None


def test_a_constant_is_heard_only_where_it_begins():
    assert loudness(np.full(96_000, 0.5, np.float32), sample_rate=48_000) < -30


@pytest.mark.parametrize("rate", RATES)
def test_the_estimate_is_near(rate):
    sound = babble(rate)
    assert estimate(sound, rate) == pytest.approx(loudness(sound, sample_rate=rate), abs=0.5)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 5_000), st.floats(0.0, 1.5))
def test_the_estimate_does_not_depend_on_the_cuts(cut, seconds):
    sound = babble(8_000, seconds=seconds)
    whole = estimate(sound, 8_000)
    assert estimate(sound, 8_000, cut=cut) == (whole if whole is None else pytest.approx(whole, abs=1e-3))


def test_the_meter_knows_how_long_it_heard():
    meter = SpeechMeter(sample_rate=8_000)
    for _ in range(3):
        meter.push(np.zeros(700, np.float32))
    assert meter.seconds == pytest.approx(2_100 / 8_000)


@pytest.mark.parametrize(("amplitude", "dbfs"), [(0.5, -9.03), (0.05, -29.03), (0.0, -math.inf)])
def test_the_meter_knows_the_level_too(amplitude, dbfs):
    meter = SpeechMeter(sample_rate=48_000)
    for part in np.split(amplitude * sine(997, 48_000), 3):
        meter.push(part.astype(np.float32))
    assert meter.rms == pytest.approx(dbfs, abs=0.01)


def test_the_estimate_knows_another_full_scale():
    meter = SpeechMeter(sample_rate=22_050, full_scale=32768.0)
    meter.push(babble(22_050) * 32768)
    assert meter.loudness() == pytest.approx(estimate(babble(22_050), 22_050), abs=1e-3)


@pytest.mark.parametrize("offset", [0.1, -0.5])
def test_the_estimate_leaves_out_what_a_broken_voice_adds(offset):
    sound = babble(22_050)
    assert estimate(sound + np.float32(offset), 22_050) == pytest.approx(estimate(sound, 22_050), abs=0.1)


@settings(max_examples=30, deadline=None)
@given(st.floats(0.05, 1.5), st.integers(0, 99))
def test_the_meter_tells_what_a_gain_for_each_step_would_make(seconds, seed):
    sound, step = babble(22_050, seconds=seconds), 441
    steps = -(-len(sound) // step)
    gains = np.random.default_rng(seed).uniform(0.2, 2.0, steps)
    meter = SpeechMeter(sample_rate=22_050)
    meter.push(sound)
    amplified = sound * np.repeat(gains, step)[: len(sound)].astype(np.float32)
    assert meter.loudness(gains**2) == pytest.approx(estimate(amplified, 22_050), abs=0.3)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 99), st.sampled_from([1, 7, 21, 32]))
def test_peaks_of_spans_are_those_of_the_whole(seed, span):
    sound = (8_000 * np.random.default_rng(seed).normal(size=span * 20)).clip(-32_768, 32_767).astype(np.int16)
    padded = np.concatenate((np.zeros(REACH, np.int16), sound, np.zeros(REACH, np.int16)))
    peaks = span_peaks(padded, np.arange(0, len(sound), span), span)
    assert peaks.max() == pytest.approx(true_peak(sound.astype(np.float32)), rel=0.05)
    assert (peaks >= np.abs(sound.astype(int)).reshape(-1, span).max(axis=1)).all()


@settings(max_examples=60, deadline=None)
@given(st.floats(0.01, 0.45), st.floats(0, 6.3))
def test_the_true_peak_of_a_sine_is_its_amplitude(frequency, phase):
    fade = np.minimum(1, 10 * np.hanning(4_000)).astype(np.float32)  # an abrupt beginning would itself overshoot
    assert to_decibels(true_peak(sine(frequency, 1, seconds=4_000, phase=phase) * fade)) == pytest.approx(0, abs=0.1)


def test_the_true_peak_lies_between_the_samples():
    # BS.1770-5, annex 2, attachment 1: a quarter of the rate, sampled 45 degrees off its crests
    sound = sine(0.25, 1, seconds=400, phase=math.pi / 4)[8:]
    assert float(np.abs(sound).max()) == pytest.approx(to_amplitude(-3.01), abs=0.001)
    assert true_peak(sound * np.hanning(392).astype(np.float32) ** 0.1) == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize(("samples", "peak"), [([], 0.0), ([0.0] * 9, 0.0), ([-0.5], 0.5), ([0.0, 0.0, 1.0], 1.0)])
def test_true_peaks_at_the_ends(samples, peak):
    assert true_peak(np.array(samples, np.float32)) == pytest.approx(peak, rel=0.25, abs=1e-6)


@given(st.floats(1e-6, 100))
def test_decibels_and_amplitudes_are_inverse(amplitude):
    assert to_amplitude(to_decibels(amplitude)) == pytest.approx(amplitude)


def test_nothing_is_infinitely_quiet():
    assert to_decibels(0.0) == -math.inf
