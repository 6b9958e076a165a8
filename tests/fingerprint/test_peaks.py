import numpy as np
import pytest

from app.fingerprint.peaks import QUERY_REACH, REFERENCE_REACH, PeakFinder, Reach, joined
from app.fingerprint.spectrum import BINS, HOP, SAMPLE_RATE, WINDOW, spectrum
from tests.fingerprint.constellations import same
from tests.fingerprint.music import cuts, noise, tone, tune


def scan(levels, reach=QUERY_REACH):
    return PeakFinder(reach).push(levels, last=True)


@pytest.mark.parametrize("hz", [300.0, 1234.5, 4321.0])
def test_a_blip_is_a_peak_at_its_time_and_frequency(hz):
    sound = np.zeros(2 * SAMPLE_RATE, np.float32)
    sound[SAMPLE_RATE : SAMPLE_RATE + WINDOW] = tone(hz, WINDOW / SAMPLE_RATE) * np.hanning(WINDOW).astype(np.float32)
    peaks = scan(spectrum(sound)).peaks
    loudest = int(peaks.strengths.argmax())
    assert abs(int(peaks.frames[loudest]) * HOP - SAMPLE_RATE) <= HOP
    assert peaks.frequencies[loudest] / 64 * SAMPLE_RATE / WINDOW == pytest.approx(hz, abs=0.3)


def test_tops_are_what_a_search_around_each_place_finds():
    levels = np.random.default_rng(1).normal(100, 20, (20, BINS)).astype(np.float32)
    tops = scan(levels, Reach(3, 14)).tops
    around = np.pad(levels, ((3, 3), (14, 14)), constant_values=-np.inf)
    assert np.array_equal(tops, np.lib.stride_tricks.sliding_window_view(around, (7, 29)).max(axis=(2, 3)))


def test_peaks_are_where_a_level_is_a_top():
    levels = spectrum(noise(3))
    found = scan(levels)
    frames, bins = np.nonzero((levels == found.tops)[:, 1:-1])
    assert np.array_equal(found.peaks.frames, frames)
    assert np.all(np.abs(found.peaks.frequencies / 64 - 37 - 1 - bins) <= 0.51)


@pytest.mark.parametrize("reach", [QUERY_REACH, REFERENCE_REACH])
@pytest.mark.parametrize("seed", range(3))
def test_a_stream_has_the_same_peaks_however_it_is_cut(seed, reach):
    levels = spectrum(tune(seed, seconds=5) + noise(5, level=0.001))
    finder = PeakFinder(reach)
    scans = [finder.push(levels[cut]) for cut in cuts(len(levels), seed=seed, longest=300)]
    scans.append(finder.push(levels[:0], last=True))
    whole = scan(levels, reach)
    assert same(joined([part.peaks for part in scans]), whole.peaks)
    assert np.array_equal(np.concatenate([part.tops for part in scans]), whole.tops)
    assert np.array_equal(np.concatenate([part.levels for part in scans]), levels)
    assert [part.first for part in scans] == [sum(len(p.levels) for p in scans[:i]) for i in range(len(scans))]


def test_a_frame_is_done_as_soon_as_those_within_reach_are_there():
    finder = PeakFinder(Reach(3, 14))
    assert [len(finder.push(np.zeros((n, BINS), np.float32)).levels) for n in (3, 1, 0, 5)] == [0, 1, 0, 5]


def test_silence_has_no_peaks():
    assert len(scan(spectrum(np.zeros(3 * SAMPLE_RATE, np.float32))).peaks) == 0


def test_noise_has_as_many_peaks_as_fit():
    peaks = scan(spectrum(noise(20)), REFERENCE_REACH).peaks
    assert 20 < len(peaks) / 20 < 80
