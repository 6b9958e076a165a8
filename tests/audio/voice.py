"""A voice whose melody and formants are known, made of harmonics, and how to find both in a sound."""

import numpy as np
import numpy.typing as npt

from app.audio.pcm import Samples

RATE = 22_050
FORMANTS_HZ = (600.0, 1700.0, 2700.0, 3600.0)
BANDWIDTHS_HZ = (80.0, 100.0, 130.0, 160.0)
HIGHEST_HZ = 5_000.0


def vowel(hz: npt.ArrayLike, *, seconds: float = 1.0, rate: int = RATE, formants=FORMANTS_HZ) -> Samples:
    """A vowel with a fundamental that goes evenly through the frequencies `hz`, at a tenth of full scale RMS."""
    count = round(seconds * rate)
    points = np.atleast_1d(np.asarray(hz, np.float64))
    melody = np.interp(np.linspace(0, len(points) - 1, count), np.arange(len(points)), points)
    phase = np.cumsum(melody) / rate
    sound = np.zeros(count)
    for number in range(1, int(HIGHEST_HZ / melody.min()) + 1):
        response = _response(number * melody, formants) * (number * melody < HIGHEST_HZ)
        sound += (response * np.exp(2j * np.pi * number * phase)).real
    return (0.1 * sound / np.std(sound)).astype(np.float32)


def hiss(seconds: float, *, rate: int = RATE, seed: int = 0) -> Samples:
    """Noise without a voice, as of an s."""
    noise = np.random.default_rng(seed).normal(0, 0.03, round(seconds * rate) + 1)
    return np.diff(noise).astype(np.float32)


def silence(seconds: float, *, rate: int = RATE) -> Samples:
    return np.zeros(round(seconds * rate), np.float32)


def semitones(hz: npt.ArrayLike, reference: float = 1.0) -> npt.NDArray[np.float64]:
    return 12 * np.log2(np.asarray(hz, np.float64) / reference)


def fundamental(sound: Samples, *, rate: int = RATE, lowest: float = 40.0, highest: float = 700.0) -> float:
    """The fundamental of a steady sound in Hz, from the distance of its harmonics: the peak of the cepstrum."""
    power = np.abs(np.fft.rfft(sound * np.hanning(len(sound)), 1 << 17)) ** 2
    power = power[: len(power) // 4]
    cepstrum = np.abs(np.fft.rfft(np.log(power + 1e-6 * power.max()) * np.hanning(len(power)), 1 << 17))
    # bins of the power lie rate / 2**17 apart, so lag n of it repeats every 2**17 / n bins
    lags = np.arange(int(rate / highest), int(rate / lowest))
    top = int(lags[cepstrum[lags].argmax()])
    before, peak, after = cepstrum[top - 1 : top + 2]
    return float(rate / (top + 0.5 * (after - before) / (2 * peak - before - after)))


def resonances(sound: Samples, *, rate: int = RATE, order: int = 12) -> list[float]:
    """Frequencies of the formants of a steady vowel in Hz, lowest first, by linear prediction."""
    emphasised = np.diff(sound.astype(np.float64)) * np.hanning(len(sound) - 1)
    spectrum = np.abs(np.fft.rfft(emphasised, 1 << 16)) ** 2
    # up to 5 kHz only: beyond there is nothing to be predicted
    lags = np.fft.irfft(spectrum[: int(HIGHEST_HZ / rate * (1 << 16))])[: order + 1]
    matrix = np.array([[lags[abs(i - j)] for j in range(order)] for i in range(order)])
    roots = np.roots(np.concatenate(([1.0], -np.linalg.solve(matrix, lags[1:]))))
    sharp = [root for root in roots if root.imag > 0 and abs(root) > 0.9]
    return sorted(float(np.angle(root) / np.pi * HIGHEST_HZ) for root in sharp)


def stretched(before: Samples, after: Samples, *, rate: int = RATE) -> float:
    """Semitones by which the long-term spectrum has moved along a logarithmic axis of frequency, -10 to 10."""
    first, second = (_long_term(each, rate) for each in (before, after))
    shifts = np.arange(-40, 41)
    likeness = [np.corrcoef(first[40:-40], np.roll(second, -shift)[40:-40])[0, 1] for shift in shifts]
    return float(shifts[int(np.argmax(likeness))] / 4)


def _long_term(sound: Samples, rate: int) -> npt.NDArray[np.float64]:
    """Decibels at quarters of semitones from 400 to 7,000 Hz, without harmonics, without its tilt."""
    power = np.abs(np.fft.rfft(sound)) ** 2
    grid = 400 * 2 ** (np.arange(int(48 * np.log2(17.5)) + 1) / 48)
    bins = grid * len(sound) / rate
    widths = 2 ** (2 / 12)
    sums = np.append(0, np.cumsum(power))
    energy = sums[(bins * widths).astype(int)] - sums[(bins / widths).astype(int)]
    decibels = 10 * np.log10(energy + 1e-12)
    octaves = np.log2(grid)
    return decibels - np.polyval(np.polyfit(octaves, decibels, 1), octaves)


def _response(hz: npt.NDArray[np.float64], formants) -> npt.NDArray[np.complex128]:
    """Of resonances in a row, at frequencies of any shape."""
    response = np.ones(hz.shape, np.complex128)
    for centre, bandwidth in zip(formants, BANDWIDTHS_HZ, strict=True):
        pole = complex(-np.pi * bandwidth, 2 * np.pi * centre)
        response *= abs(pole) ** 2 / ((2j * np.pi * hz - pole) * (2j * np.pi * hz - pole.conjugate()))
    return response / (1 + hz / 500)
