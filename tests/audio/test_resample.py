import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.audio.pcm import to_float32, to_int16
from app.audio.resample import ResampleQuality, Resampler, resample
from tests.audio.signals import chirp, likeness, noise

RATES = st.sampled_from([8000, 11025, 16000, 22050, 24000, 44100, 48000])
CUTS = st.lists(st.integers(0, 3000), min_size=1, max_size=8)


def in_pieces(resampler, samples, cuts):
    pieces = []
    for cut in cuts:
        pieces.append(resampler.push(samples[:cut]))
        samples = samples[cut:]
    return np.concatenate([*pieces, resampler.push(samples, last=True)])


@given(RATES, RATES, CUTS, st.sampled_from(ResampleQuality), st.sampled_from([np.int16, np.float32]))
def test_however_a_stream_is_cut_it_equals_the_whole(from_rate, to_rate, cuts, quality, dtype):
    samples = noise(5000) if dtype is np.int16 else to_float32(noise(5000))
    whole = resample(samples, from_rate=from_rate, to_rate=to_rate, quality=quality)

    streamed = in_pieces(Resampler(from_rate=from_rate, to_rate=to_rate, quality=quality), samples, cuts)

    assert streamed.dtype == whole.dtype == dtype
    assert np.array_equal(streamed, whole)


@given(RATES, RATES, st.integers(0, 5000))
def test_the_length_follows_the_rates(from_rate, to_rate, n):
    resampled = resample(noise(n), from_rate=from_rate, to_rate=to_rate)

    assert abs(len(resampled) - n * to_rate / from_rate) <= 1


@pytest.mark.parametrize("quality", ResampleQuality)
def test_the_sound_stays_the_same(quality):
    resampled = resample(chirp(1.0, 22_050), from_rate=22_050, to_rate=24_000, quality=quality)

    assert likeness(chirp(1.0, 24_000), resampled) > 0.999


def test_what_is_above_the_new_rate_does_not_fold_back():
    time = np.arange(48_000) / 48_000
    tone = np.sin(2 * np.pi * 7000 * time).astype(np.float32)

    assert np.abs(resample(tone, from_rate=48_000, to_rate=8_000)[200:-200]).max() < 1e-3


def test_silence_stays_silence():
    assert not resample(np.zeros(2205, np.int16), from_rate=22_050, to_rate=24_000).any()


def test_int16_clips_instead_of_wrapping():
    square = np.where(np.arange(2205) // 20 % 2, 32767, -32768).astype(np.int16)

    floats = resample(to_float32(square), from_rate=22_050, to_rate=48_000)

    assert floats.max() > 1.1
    assert np.array_equal(resample(square, from_rate=22_050, to_rate=48_000), to_int16(floats))


def test_equal_rates_change_nothing():
    samples = to_int16(chirp())

    assert resample(samples, from_rate=24_000, to_rate=24_000) is samples


def test_after_the_last_piece_nothing_is_taken():
    resampler = Resampler(from_rate=22_050, to_rate=24_000)
    resampler.push(noise(10), last=True)

    with pytest.raises(RuntimeError, match="last"):
        resampler.push(noise(10))


def test_other_types_are_refused():
    with pytest.raises(TypeError, match="dtype"):
        resample(np.zeros(10, np.float64), from_rate=22_050, to_rate=24_000)


@pytest.mark.parametrize(("from_rate", "to_rate"), [(0, 8000), (8000, -1)])
def test_a_rate_of_nothing_is_refused(from_rate, to_rate):
    with pytest.raises(ValueError, match="over 0"):
        resample(noise(10), from_rate=from_rate, to_rate=to_rate)
