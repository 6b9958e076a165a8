"""Another melody for the same speech, and other formants of its voice: at the same pace, to the sample as long.

TD-PSOLA (E. Moulines, F. Charpentier 1990, "Pitch-synchronous waveform processing techniques for text-to-speech
synthesis using diphones"). Where a voice sounds, the periods of its wave are found (*marks*), cut out around them by
windows that overlap, and laid down again at the distances of the wished melody. A period that is played faster or
slower as it is laid down has its formants higher or lower. Where no voice sounds, nothing happens.

A mark is where the phase of the fundamental passes a whole number of periods. The phase is that of the melody,
corrected by what the fundamental, filtered out, is ahead of it: so marks keep to the wave over seconds and do not
jitter. In each stretch they are moved together to where a period has most of its energy.
"""

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from app.audio.melody import LOWEST_HZ, STEP_SECONDS, Floats, Melody
from app.audio.pcm import Samples

LOWEST_TARGET_HZ, HIGHEST_TARGET_HZ = 40.0, 1000.0
"""Nobody's voice goes beyond."""
BLOCK = 16
"""Samples at a time in which the fundamental is filtered out."""
FILTER_PERIODS = 3
"""Of the window by which it is filtered out, which is blind for the harmonics."""
BINS = 24
"""Of a period, in which its energy is looked at."""
MOST_ADJUSTED = 0.03
"""Fraction, half a semitone, by which a stretch may be moved so that its last period meets its old place."""
MARGIN_PERIODS = 3
"""Of the lowest voice, of silence around a recording: a period is read as far as to its neighbours' ends."""
REACH = 4
"""Samples to either side from which the wave between two samples is read."""
FRACTIONS = 64
"""Places between two samples that are told apart."""


@dataclass(frozen=True, slots=True)
class _Stretch:
    """A voice that sounds without a break."""

    start: int
    """Its first sample."""
    phase: Floats
    """In periods, at each of its samples; never falls."""
    hz: Floats
    """The same way."""


@dataclass(frozen=True, slots=True)
class _Grains:
    """The periods of a stretch as they are laid down, in samples of it; the first and the last stand for the rest."""

    places: Floats
    """Where their middles come."""
    sources: Floats
    """Where their middles are."""
    periods: Floats
    """How far they reach to either side."""
    is_voice: Floats
    """1, or 0 at the ends, where the voice passes into what is around it."""


def intone(
    samples: Samples,
    melody: Melody,
    *,
    sample_rate: int,
    semitones: float = 0.0,
    pitch_range: float = 1.0,
    middle_hz: float | None = None,
    formants: float = 0.0,
    rest: Samples | None = None,
) -> Samples:
    """Return a recording whose voice has another melody and other formants. Takes 7 ms for a second of speech.

    Args:
        samples: mono float32, shape `(n,)`; the result has the same shape, and may peak higher.
        melody: theirs.
        sample_rate: Hz.
        semitones: by which the melody moves.
        pitch_range: by which it is stretched around its middle; 0 makes it level.
        middle_hz: None: the median of the melody.
        formants: semitones by which they move.
        rest: what is heard where no voice sounds, shape `(n,)`; None: `samples`.
    """
    heard = (samples if rest is None else rest).copy()
    middle = middle_hz or melody.median_hz
    if middle is None:
        return heard
    wave = np.pad(samples, _margin(sample_rate))
    is_same = semitones == 0 and pitch_range == 1
    for stretch in _stretches(samples, melody, sample_rate):
        marks = _crossings(stretch.phase)
        if len(marks) < 3:
            continue
        wanted = middle * 2 ** (semitones / 12) * (stretch.hz / middle) ** pitch_range
        wanted = wanted.clip(LOWEST_TARGET_HZ, HIGHEST_TARGET_HZ)
        places = marks if is_same else _places(marks, wanted, sample_rate)
        grains = _grains(marks, places, sample_rate / stretch.hz)
        _lay(grains, wave, heard, start=stretch.start, speed=2 ** (formants / 12))
    return heard


def _margin(sample_rate: int) -> int:
    return MARGIN_PERIODS * round(sample_rate / LOWEST_HZ)


def _stretches(samples: Samples, melody: Melody, sample_rate: int) -> list[_Stretch]:
    """Return where a voice sounds for two periods at least."""
    found = []
    step = STEP_SECONDS * sample_rate
    for first, behind in melody.stretches():
        # a frame speaks for the half step before its middle and behind it
        start = max(0, round((first - 0.5) * step))
        end = min(len(samples), round((behind - 0.5) * step))
        hz = np.interp(np.arange(start, end) / step, np.arange(first, behind), melody.hz[first:behind])
        if end - start > 2 * BLOCK and hz.sum() >= 2 * sample_rate:
            found.append(_Stretch(start, _phase(samples[start:end], hz, sample_rate), hz))
    return found


def _phase(samples: Samples, hz: Floats, sample_rate: int) -> Floats:
    """Return the phase of the fundamental in periods, whole where a period has most of its energy: shape as `hz`."""
    phase: Floats = np.cumsum(hz) / sample_rate
    blocks = len(samples) // BLOCK
    turning = samples * np.exp(-2j * np.pi * phase)
    sums = turning[: blocks * BLOCK].reshape(blocks, BLOCK).sum(axis=1)
    size = min(blocks, round(FILTER_PERIODS * sample_rate / float(np.median(hz)) / BLOCK))
    ahead = np.unwrap(np.angle(np.convolve(sums, np.hanning(size + 2)[1:-1], "same"))) / (2 * np.pi)
    phase += np.interp(np.arange(len(samples)), (np.arange(blocks) + 0.5) * BLOCK, ahead)
    return np.maximum.accumulate(phase - _fullest(samples, phase))


def _fullest(samples: Samples, phase: Floats) -> float:
    """Return the place within a period, 0…1, around which it has most energy."""
    bins = (phase % 1 * BINS).astype(np.intp) % BINS
    energies = np.bincount(bins, np.square(samples, dtype=np.float64), BINS)
    turns = np.exp(2j * np.pi * (np.arange(BINS) + 0.5) / BINS)
    return float(np.angle((energies * turns).sum())) / (2 * math.pi) % 1


def _grains(marks: Floats, places: Floats, periods: Floats) -> _Grains:
    """Choose a period of the voice for each place, `periods` being their lengths at each sample."""
    nearest = np.rint(np.interp(places, marks, np.arange(len(marks)))).astype(np.intp)
    sources = marks[nearest]
    reach = periods[sources.astype(np.intp)]
    places = np.concatenate((places[:1] - reach[:1], places, places[-1:] + reach[-1:]))
    return _Grains(places, np.pad(sources, 1, "edge"), np.pad(reach, 1, "edge"), np.pad(np.ones(len(sources)), 1))


def _crossings(phase: Floats) -> Floats:
    """Return where a phase in periods that never falls passes whole numbers, in samples."""
    whole = np.arange(math.ceil(phase[0]), math.floor(phase[-1]) + 1)
    return np.interp(whole, phase, np.arange(len(phase)))


def _places(marks: Floats, wanted: Floats, sample_rate: int) -> Floats:
    """Return where the periods of the wished melody come: from the first mark, if possible to the last."""
    times = np.arange(len(wanted))
    phase = np.cumsum(wanted) / sample_rate
    first, last = np.interp(marks[[0, -1]], times, phase)
    total = float(last - first)
    adjustment = min(max(max(round(total), 1) / total, 1 - MOST_ADJUSTED), 1 + MOST_ADJUSTED)
    count = math.floor(total * adjustment + 1e-6) + 1
    return np.interp(np.arange(count), (phase - first) * adjustment, times)


def _lay(grains: _Grains, wave: Samples, heard: Samples, *, start: int, speed: float) -> None:
    """Lay down the grains of a stretch that begins at `start`, played at `speed`, in `heard`.

    `wave` is the recording with as much silence before it as behind it.
    """
    places = grains.places
    times = np.arange(max(math.ceil(places[0]), -start), min(math.ceil(places[-1]), len(heard) - start))
    before = np.searchsorted(places, times, side="right") - 1
    gaps = np.diff(places)
    origin = start + (len(wave) - len(heard)) // 2
    voice, rest = np.zeros(len(times)), np.zeros(len(times))
    for grain in (before, before + 1):
        distances = times - places[grain]
        weights = _bell(distances, np.minimum(gaps[before], grains.periods[grain]))
        voice += weights * grains.is_voice[grain] * _read(wave, origin + grains.sources[grain] + speed * distances)
        rest += weights * (1 - grains.is_voice[grain])
    # as much energy in a second as before: where periods are further apart, and shorter
    gains = math.sqrt(speed) * np.sqrt(np.maximum(gaps / grains.periods[1:], 1.0))
    voice *= np.interp(times, places[:-1], gains)
    heard[times + start] = voice + rest * heard[times + start]


def _bell(distances: Floats, widths: Floats) -> Floats:
    """A Hann window: 1 at no distance, 0 from its width on."""
    return 0.5 + 0.5 * np.cos(np.pi * np.minimum(np.abs(distances) / widths, 1.0))


def _read(wave: Samples, places: Floats) -> Samples:
    """Read a wave between its samples, at places far from its ends: shape `(places,)`."""
    steps = np.rint(places * FRACTIONS).astype(np.intp)
    around = wave[(steps // FRACTIONS)[:, None] + np.arange(1 - REACH, REACH + 1)]
    read: Samples = np.einsum("ij,ij->i", around, _kernels()[steps % FRACTIONS])
    return read


@lru_cache(maxsize=1)
def _kernels() -> Samples:
    """Weights of the samples around each fraction of the way from one to the next: `(FRACTIONS, 2 REACH)`."""
    distances = np.arange(1 - REACH, REACH + 1) - np.arange(FRACTIONS)[:, None] / FRACTIONS
    window = 0.5 + 0.5 * np.cos(np.pi * distances / (REACH + 0.5))
    kernels = np.sinc(distances) * window
    normalised: Samples = (kernels / kernels.sum(axis=1, keepdims=True)).astype(np.float32)
    return normalised
