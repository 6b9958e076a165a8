"""Makes `mel_reference.npz`, by librosa as upstream used it: `python make_mel_reference.py`, with librosa 0.11.

librosa and what it needs take half a gigabyte, for these few arrays; so they are kept, and librosa is no dependency.
"""

import warnings
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

PATH = Path(__file__).with_name("mel_reference.npz")
RATE = 16_000


def sounds() -> dict[str, NDArray[np.float32]]:
    """Return the sounds whose spectra are kept, at 16 kHz."""
    time = np.arange(6400) / RATE
    numbers = np.arange(6400, dtype=np.float64)
    noise = np.sin(numbers * numbers * 1.2345)
    made = {
        "chirp": 0.5 * np.sin(2 * np.pi * (50 * time + 8000 * time * time)),
        "burst": np.where((numbers > 1500) & (numbers < 3000), 0.3 * noise, 0),
        "vowel": sum(0.2 / k * np.sin(2 * np.pi * 140 * k * time + k) for k in range(1, 30)) * np.sin(9 * time),
        "whisper": 1e-4 * noise[:3000],
        "longer_than_half_a_window": 0.2 * noise[:450],
        "half_a_window_and_one": 0.2 * noise[:401],
    }
    return {name: samples.astype(np.float32) for name, samples in made.items()}


def librosa_mel(samples: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return (bands, columns), by the steps of upstream's audio.py, with the padding of librosa 0.7."""
    import librosa
    from scipy import signal

    emphasized = signal.lfilter([1, -0.97], [1], samples)
    transformed = librosa.stft(emphasized, n_fft=800, hop_length=200, win_length=800, pad_mode="reflect")
    basis = librosa.filters.mel(sr=RATE, n_fft=800, n_mels=80, fmin=55, fmax=7600)
    decibels = 20 * np.log10(np.maximum(1e-5, basis @ np.abs(transformed))) - 20
    return np.clip(8 * (decibels + 100) / 100 - 4, -4, 4)


if __name__ == "__main__":
    warnings.simplefilter("ignore")  # librosa finds the last two short
    np.savez_compressed(PATH, **{name: librosa_mel(samples).T.astype(np.float32) for name, samples in sounds().items()})
