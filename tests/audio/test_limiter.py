import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.audio.limiter import MARGIN, Limited, Limiter, drive
from app.audio.loudness import SpeechMeter, loudness, to_amplitude, to_decibels, true_peak
from app.audio.pcm import Pcm, to_float32

RATE = 22_050


def bursts(seconds: float, *, seed: int = 0, rate: int = RATE, hiss: float = 0.2) -> Pcm:
    """A voice-like buzz whose level jumps about, with some hiss."""
    rng = np.random.default_rng(seed)
    n = round(seconds * rate)
    time = np.arange(n) / rate
    level = np.interp(np.arange(n) / 500, np.arange(n // 500 + 2), rng.uniform(0, 1, n // 500 + 2))
    buzz = sum(np.cos(2 * np.pi * 110 * k * time + k) for k in range(1, 25)) / 14
    return (np.clip(level * (buzz + hiss * rng.normal(size=n)), -1, 1) * 32767).astype(np.int16)


def limit(pcm: Pcm, gain: float, *, cut: int | None = None, ceiling: float = -1.0, rate: int = RATE) -> Pcm:
    limiter = Limiter(ceiling=ceiling, sample_rate=rate)
    pieces = [pcm[start : start + cut] for start in range(0, len(pcm), cut)] if cut else [pcm]
    out = [limiter.push(piece, gain) for piece in pieces[:-1]]
    return np.concatenate([*out, limiter.push(pieces[-1], gain, last=True)])


@settings(max_examples=40, deadline=None)
@given(st.floats(0.001, 2), st.floats(-20, 20), st.integers(0, 99), st.sampled_from([8_000, RATE, 48_000]))
def test_nothing_is_above_the_ceiling_and_nothing_is_lost(seconds, decibels, seed, rate):
    pcm = bursts(seconds, seed=seed, rate=rate)
    limited = limit(pcm, to_amplitude(decibels), rate=rate)
    assert len(limited) == len(pcm)
    assert np.abs(limited.astype(int)).max() <= 32_768 * to_amplitude(-1.0 - MARGIN) + 0.5


@pytest.mark.parametrize("seed", range(5))
def test_nor_is_the_voice_between_the_samples(seed):
    limited = limit(bursts(2, seed=seed, hiss=0.0), to_amplitude(12))
    assert to_decibels(true_peak(to_float32(limited))) <= -1.0


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 9_000), st.floats(-10, 15), st.integers(0, 99))
def test_the_cuts_do_not_matter(cut, decibels, seed):
    pcm, gain = bursts(0.7, seed=seed), to_amplitude(decibels)
    whole = limit(pcm, gain).astype(int)
    assert (np.abs(limit(pcm, gain, cut=cut) - whole) <= 1 + 0.05 * np.abs(whole)).all()


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 9_000), st.floats(-10, 15))
def test_the_cuts_do_not_matter_at_all_to_a_voice_without_hiss(cut, decibels):
    pcm, gain = bursts(0.7, hiss=0.0), to_amplitude(decibels)
    assert np.abs(limit(pcm, gain, cut=cut).astype(int) - limit(pcm, gain)).max() <= 1


@given(st.floats(0.01, 1.0))
def test_what_stays_below_the_ceiling_is_only_multiplied(gain):
    pcm = bursts(0.3) // 2
    assert np.abs(limit(pcm, gain) - pcm * gain).max() <= 0.51


def test_another_gain_is_reached_without_a_jump():
    limiter = Limiter(ceiling=-1.0, sample_rate=RATE)
    steady = np.full(RATE, 1_000, np.int16)
    out = np.concatenate((limiter.push(steady, 1.0), limiter.push(steady, 3.0), limiter.push(steady, 0.5, last=True)))
    assert np.abs(np.diff(out.astype(int))).max() < 20
    assert (out[RATE // 2], out[2 * RATE - 2_000], out[-1]) == (1_000, 3_000, 500)


def test_the_gain_comes_back_after_a_peak():
    pcm = np.full(RATE, 1_000, np.int16)
    pcm[5_000] = -32_768
    limited = limit(pcm, 4.0)
    assert limited[5_000] == pytest.approx(-32_768 * to_amplitude(-1.0 - MARGIN), abs=300)
    assert limited[4_000] == limited[15_000] == 4_000


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("decibels", [0.0, 8.0, 16.0])
def test_what_a_gain_would_make_of_a_sound_is_told_and_made(seed, decibels):
    pcm, gain = bursts(2, seed=seed), to_amplitude(decibels)
    sound, meter = Limited(pcm, Limiter(ceiling=-1.0, sample_rate=RATE)), SpeechMeter(sample_rate=RATE)
    meter.push(to_float32(pcm))
    sound.look_between(gain)
    made = sound.amplified(gain)
    assert np.array_equal(made, limit(pcm, gain))
    louder = loudness(to_float32(made), sample_rate=RATE) - loudness(to_float32(pcm), sample_rate=RATE)
    assert meter.loudness(sound.power(gain)) - meter.loudness() == pytest.approx(louder, abs=0.3)


@pytest.mark.parametrize("decibels", [2.0, 6.0, 9.0])
def test_a_drive_finds_the_gain_that_makes_up_for_what_is_limited(decibels):
    pcm = bursts(2, seed=1)
    sound, meter = Limited(pcm, Limiter(ceiling=-1.0, sample_rate=RATE)), SpeechMeter(sample_rate=RATE)
    meter.push(to_float32(pcm))

    def loudness_of(gain: float) -> float | None:
        return meter.loudness(sound.power(to_amplitude(gain)))

    assert drive(loudness_of, loudness_of(decibels), gain=0.0, highest=20.0)[1] == pytest.approx(
        loudness_of(decibels), abs=0.3
    )


@pytest.mark.parametrize(("aim", "gain", "reached"), [(-20.0, 0.0, -10.0), (0.0, 6.0, -7.0)])
def test_a_drive_goes_up_only_and_so_far(aim, gain, reached):
    assert drive(lambda db: -10.0 + db / 2, aim, gain=0.0, highest=6.0) == (gain, reached)


def test_silence_is_not_driven():
    assert drive(lambda db: None, -16.0, gain=3.0, highest=20.0) == (3.0, None)


def test_a_cut_leaves_more_between_the_peaks_and_no_sample_above_the_ceiling():
    pcm = bursts(1, seed=2)
    plain, cut = (Limiter(ceiling=-1.0, sample_rate=RATE, cut=db).push(pcm, 8.0, last=True) for db in (0.0, 4.0))
    assert np.abs(cut.astype(int)).max() <= 32_768 * to_amplitude(-1.0 - MARGIN) + 0.5
    assert np.square(cut.astype(float)).mean() > 1.5 * np.square(plain.astype(float)).mean()


def test_a_steady_tone_stays_a_tone():
    sine = np.sin(2 * np.pi * 210 * np.arange(2 * RATE) / RATE)
    limited = limit((sine * 30_000).astype(np.int16), 1.8)[RATE // 2 : -RATE // 2]
    spectrum = np.abs(np.fft.rfft(limited * np.hanning(len(limited))))
    at = int(spectrum.argmax())
    rest = np.concatenate((spectrum[: at - 4], spectrum[at + 5 :]))
    assert 10 * np.log10((rest**2).sum() / (spectrum**2).sum()) < -60


@pytest.mark.parametrize("n", [0, 1, 7, 440, 441, 900])
def test_short_sounds_come_out_at_the_end(n):
    limiter = Limiter(ceiling=-1.0, sample_rate=RATE)
    pcm = np.full(n, 10_000, np.int16)
    early = limiter.push(pcm, 2.0)
    late = limiter.push(pcm[:0], 2.0, last=True)
    assert np.concatenate((early, late)).tolist() == [20_000] * n
