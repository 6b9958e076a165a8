"""What happens to music before a recognizer hears it: 29 conditions, each the same for the same seed.

A condition takes mono samples at `RATE`, a generator of random numbers and speech to speak over the music, and returns
samples that are about as long; speed and tempo make them longer or shorter. Levels of noise and of speech are in dB,
beside the music; that of speech is over the moments in which it is spoken.
"""

import io
import sys
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt

sys.path.insert(0, str(Path(__file__).parents[1]))

from app.audio.resample import resample  # noqa: E402

Signal = npt.NDArray[np.float64]
Condition = Callable[[Signal, np.random.Generator, Signal], Signal]

RATE = 22_050
"""Hz."""
BABBLERS = 8
ACTIVE_STEP = 220
"""Samples, 10 ms, by which speech is told from its pauses."""
ACTIVE = 0.05
"""Of the loudest moment's energy."""


def rms(samples: Signal) -> float:
    return float(np.sqrt(np.mean(samples**2) + 1e-12))


def active_rms(speech: Signal) -> float:
    """Return the level of speech over the moments that are not pauses."""
    energies = (speech[: len(speech) // ACTIVE_STEP * ACTIVE_STEP].reshape(-1, ACTIVE_STEP) ** 2).mean(axis=1)
    return float(np.sqrt(energies[energies > ACTIVE * energies.max()].mean() + 1e-12))


def over(samples: Signal, noise: Signal, noise_db: float) -> Signal:
    """Add noise that is so much louder than the music."""
    return samples + noise * (rms(samples) / rms(noise) * 10 ** (noise_db / 20))


def white(count: int, rng: np.random.Generator) -> Signal:
    return rng.standard_normal(count)


def pink(count: int, rng: np.random.Generator) -> Signal:
    spectrum = np.fft.rfft(rng.standard_normal(count))
    return np.fft.irfft(spectrum / np.sqrt(np.maximum(np.arange(len(spectrum)), 1)), count)


def spoken(count: int, rng: np.random.Generator, speech: Signal) -> Signal:
    """Cut somewhere out of the speech."""
    start = int(rng.integers(0, len(speech) - count))
    return speech[start : start + count]


def babble(count: int, rng: np.random.Generator, speech: Signal) -> Signal:
    return np.sum([spoken(count, rng, speech) for _ in range(BABBLERS)], axis=0)


def speak_over(samples: Signal, rng: np.random.Generator, speech: Signal, level_db: float) -> Signal:
    said = spoken(len(samples), rng, speech)
    return samples + said * (rms(samples) / active_rms(said) * 10 ** (level_db / 20))


def band(samples: Signal, lowest_hz: float, highest_hz: float) -> Signal:
    spectrum = np.fft.rfft(samples)
    hz = np.fft.rfftfreq(len(samples), 1 / RATE)
    return np.fft.irfft(np.where((hz < lowest_hz) | (hz > highest_hz), 0, spectrum), len(samples))


def telephone(samples: Signal) -> Signal:
    """300 to 3400 Hz, at 8 kHz."""
    narrow = resample(samples.astype(np.float32), from_rate=RATE, to_rate=8_000)
    wide = resample(narrow, from_rate=8_000, to_rate=RATE)
    return band(wide.astype(np.float64), 300, 3_400)


def reverb(samples: Signal, rng: np.random.Generator, *, seconds: float = 0.6, wet: float = 0.7) -> Signal:
    """A room that rings for so long until it is 60 dB quieter."""
    count = int(RATE * seconds)
    response = rng.standard_normal(count) * 10 ** (-3 * np.arange(count) / count)
    response[0] = 0
    response /= np.sqrt((response**2).sum())
    size = len(samples) + count
    ringing = np.fft.irfft(np.fft.rfft(samples, size) * np.fft.rfft(response, size), size)[: len(samples)]
    return samples * (1 - wet) + ringing * wet


def over_the_air(samples: Signal, rng: np.random.Generator) -> Signal:
    """Out of a loudspeaker into a microphone: a room, 300 to 6000 Hz, pink noise 5 dB below."""
    return over(band(reverb(samples, rng), 300, 6_000), pink(len(samples), rng), -5)


def clip(samples: Signal) -> Signal:
    """Amplify by 18 dB beyond what fits."""
    return np.clip(samples / (np.abs(samples).max() + 1e-9) * 10 ** (18 / 20), -1, 1) * 0.5


def faster(samples: Signal, speed: float) -> Signal:
    """Play at another speed, as a record player does."""
    played = resample(samples.astype(np.float32), from_rate=round(RATE * speed), to_rate=RATE)
    return played.astype(np.float64)


def stretch(samples: Signal, tempo: float, *, size: int = 2048, hop: int = 512) -> Signal:
    """Change the tempo but not the pitch, by a phase vocoder."""
    window = np.hanning(size + 1)[:-1]
    starts = (np.arange(int((len(samples) - size - hop) / (hop * tempo))) * hop * tempo).astype(int)
    frames = np.lib.stride_tricks.sliding_window_view(samples, size)
    here, next = np.fft.rfft(window * frames[starts]), np.fft.rfft(window * frames[starts + hop])
    turns = np.angle(next) - np.angle(here)
    turns[0] = np.angle(next[0])
    laid = window * np.fft.irfft(np.abs(here) * np.exp(1j * np.cumsum(turns, axis=0)))
    stretched = np.zeros(len(starts) * hop + size)
    for place, frame in enumerate(laid):
        stretched[place * hop : place * hop + size] += frame
    return stretched / 1.5  # what windows twice applied add up to at this hop


def pitch(samples: Signal, factor: float) -> Signal:
    """Change the pitch but not the tempo."""
    return faster(stretch(samples, 1 / factor), factor)


def coded(samples: Signal, codec: str, container: str, bit_rate: int, rate: int = RATE) -> Signal:
    """Encode and decode again."""
    signal = resample(samples.astype(np.float32), from_rate=RATE, to_rate=rate)
    file = io.BytesIO()
    with av.open(file, "w", format=container) as output:
        stream = output.add_stream(codec, rate=rate, layout="mono", bit_rate=bit_rate)
        frame = av.AudioFrame.from_ndarray(np.clip(signal, -1, 1)[None], format="flt", layout="mono")
        frame.sample_rate = rate
        fitting = av.AudioResampler(stream.format.name, "mono", rate, frame_size=stream.frame_size or 1152)
        for part in [*fitting.resample(frame), *fitting.resample(None), None]:
            output.mux(stream.encode(part))
    file.seek(0)
    return _decoded(file)


def _decoded(file: io.BytesIO) -> Signal:
    fitting = av.AudioResampler("flt", "mono", RATE)
    with av.open(file) as container:
        parts = [part for frame in container.decode(audio=0) for part in fitting.resample(frame)]
    parts += fitting.resample(None)
    return np.concatenate([part.to_ndarray()[0] for part in parts]).astype(np.float64)


CONDITIONS: dict[str, Condition] = {
    "clean": lambda x, rng, speech: x,
    **{f"white{db}": lambda x, rng, speech, db=db: over(x, white(len(x), rng), -db) for db in (10, 5, 0)},
    **{f"pink{db}": lambda x, rng, speech, db=db: over(x, pink(len(x), rng), -db) for db in (10, 5, 0)},
    **{f"babble{db}": lambda x, rng, speech, db=db: over(x, babble(len(x), rng, speech), -db) for db in (10, 5, 0)},
    **{f"speech{db}": lambda x, rng, speech, db=db: speak_over(x, rng, speech, db) for db in (0, 3, 6)},
    "phone": lambda x, rng, speech: telephone(x),
    "mp3_64": lambda x, rng, speech: coded(x, "mp3", "mp3", 64_000),
    "opus_32": lambda x, rng, speech: coded(x, "libopus", "ogg", 32_000, 24_000),
    "reverb": lambda x, rng, speech: reverb(x, rng),
    "gain-20": lambda x, rng, speech: x * 0.1,
    "clip": lambda x, rng, speech: clip(x),
    "ota": lambda x, rng, speech: over_the_air(x, rng),
    "stream": lambda x, rng, speech: coded(speak_over(x, rng, speech, 3) * 0.5, "mp3", "mp3", 64_000),
    **{f"speed{percent:+d}": lambda x, rng, speech, percent=percent: faster(x, 1 + percent / 100)
       for percent in (1, -1, 2, -2, 4)},
    "tempo+4": lambda x, rng, speech: stretch(x, 1.04),
    "pitch+2": lambda x, rng, speech: pitch(x, 1.02),
    "pitch+3": lambda x, rng, speech: pitch(x, 1.03),
}  # fmt: skip
"""By name; a number behind a noise or a speech is its level in dB below, or above, the music."""
EXTRA: dict[str, Condition] = {"speed-4": lambda x, rng, speech: faster(x, 0.96)}
"""Beyond the 29."""
