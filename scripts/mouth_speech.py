"""Speech of the embedded voice for the mouth network: spoken on the spot, spoiled as recordings are, and labelled.

The labels are the mouth that `app.lipsync.mouth.phonemes` makes of the phonemes' own times.
"""

import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from mouth_sentences import EXAMINED, EXAMINED_VARIANTS, SENTENCES, VARIANTS  # noqa: E402

from app.audio.pcm import from_bytes, to_float32  # noqa: E402
from app.audio.resample import resample  # noqa: E402
from app.lipsync.mel import COLUMNS_PER_SECOND, HOP, SAMPLE_RATE, mel_spectrum  # noqa: E402
from app.lipsync.mouth.phonemes import SpokenMouth, TimedPhoneme  # noqa: E402
from app.tts.backends.espeak import Espeak  # noqa: E402
from app.tts.speech import MarkKind, Utterance  # noqa: E402

SHORTEST_CLOSED = 0.04
"""Seconds that lips stay together at least: a frame of 25 a second, so that it is seen."""
MEETING = 0.03
"""The opening below which lips count as closed."""

Array = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Spoken:
    """A sentence that was spoken."""

    voice: str
    samples: Array
    """At 16 kHz."""
    phonemes: tuple[TimedPhoneme, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Example:
    """What the network hears, and what it is to say."""

    mel: Array
    """Shape (columns, 80)."""
    mouth: Array
    """Shape (columns, 4): open, wide, upper, and whether the lips meet."""


async def lessons(backend: Espeak, seconds: float, rng: np.random.Generator) -> AsyncIterator[Spoken]:
    """Speak so many seconds: any sentence, sometimes its words in disorder, in any voice, fast and slow."""
    total = 0.0
    while total < seconds:
        language = rng.choice(list(SENTENCES))
        text = str(rng.choice(SENTENCES[language][:-EXAMINED]))
        if rng.random() < 0.4:
            text = _disordered(text, rng)
        spoken = await _speak(backend, f"{language}+{rng.choice(VARIANTS)}", text, rng)
        total += len(spoken.samples) / SAMPLE_RATE
        yield spoken


async def examination(backend: Espeak, rng: np.random.Generator) -> AsyncIterator[Spoken]:
    """Speak the sentences that are kept for it, in voices that are kept for it."""
    for language, sentences in SENTENCES.items():
        for text in sentences[-EXAMINED:]:
            yield await _speak(backend, f"{language}+{rng.choice(EXAMINED_VARIANTS)}", text, rng)


async def speak(backend: Espeak, voice: str, text: str, *, speed: float = 1.0, pitch: float = 0.0) -> Spoken:
    """Speak a text, with the times of its phonemes."""
    utterance = Utterance(text, backend.find_voice(voice), speed=speed, pitch=pitch, marks=True)
    sounds = [sound async for sound in backend.synthesize(utterance, whole=True)]
    samples = to_float32(from_bytes(b"".join(sound.pcm for sound in sounds)))
    marks = [mark for sound in sounds for mark in sound.marks if mark.kind is MarkKind.PHONEME]
    phonemes = tuple(TimedPhoneme(mark.text, mark.start, mark.end) for mark in marks)
    return Spoken(voice, resample(samples, from_rate=backend.sample_rate, to_rate=SAMPLE_RATE), phonemes)


async def _speak(backend: Espeak, voice: str, text: str, rng: np.random.Generator) -> Spoken:
    return await speak(backend, voice, text, speed=rng.uniform(0.55, 1.1), pitch=rng.uniform(-3, 4))


def example(spoken: Spoken, rng: np.random.Generator, *, spoil: bool = True) -> Example:
    """Put silence around a sentence, make a recording of it, and label it."""
    before, after = rng.uniform(0.1, 0.7, 2)
    stretch = rng.uniform(0.92, 1.1) if spoil else 1.0
    samples = resample(spoken.samples, from_rate=SAMPLE_RATE, to_rate=round(SAMPLE_RATE * stretch))
    lead, tail = (round(part * SAMPLE_RATE) for part in (before, after))
    samples = np.pad(samples, (lead, tail))
    if spoil:
        samples = _recorded(samples, rng)
    mel = mel_spectrum(samples)
    shift = lead / SAMPLE_RATE + 0.5 / COLUMNS_PER_SECOND  # column i is of the time i / 80, not of (i + 0.5) / 80
    moved = [
        TimedPhoneme(phoneme.ipa, phoneme.start * stretch + shift, phoneme.end * stretch + shift)
        for phoneme in spoken.phonemes
    ]
    track = SpokenMouth(COLUMNS_PER_SECOND, shortest=SHORTEST_CLOSED)
    rows = np.concatenate((track.push(moved, until=0.0), track.finish(len(samples) // HOP + 1)))
    meets = rows[:, :1] < MEETING
    return Example(mel, np.concatenate((rows, meets), axis=1).astype(np.float32))


def _recorded(samples: Array, rng: np.random.Generator) -> Array:
    """Return a sound as it comes out of a room, a microphone and a line."""
    if rng.random() < 0.5:
        samples = _in_room(samples, rng)
    samples = _filtered(samples, rng)
    loud = np.sqrt(np.mean(samples**2)) + 1e-9
    if rng.random() < 0.7:
        noise = _filtered(rng.normal(0, 1, len(samples)).astype(np.float32), rng, tilt=True)
        samples = samples + noise / np.sqrt(np.mean(noise**2)) * loud * 10 ** (-rng.uniform(7, 45) / 20)
    samples = samples / loud * 10 ** (-rng.uniform(14, 48) / 20)
    return np.clip(samples, -1, 1).astype(np.float32)


def _in_room(samples: Array, rng: np.random.Generator) -> Array:
    seconds = rng.uniform(0.1, 0.5)
    times = np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    tail = rng.normal(0, 1, len(times)) * np.exp(-6.9 * times / seconds)
    tail *= rng.uniform(0.05, 0.5) / np.sqrt(np.sum(tail**2))
    tail[0] = 1.0
    size = len(samples) + len(tail)
    wet = np.fft.irfft(np.fft.rfft(samples, size) * np.fft.rfft(tail, size), size)
    return wet[: len(samples)].astype(np.float32)


def _filtered(samples: Array, rng: np.random.Generator, *, tilt: bool = False) -> Array:
    """Return a sound through a random equalizer, and sometimes through a telephone."""
    frequencies = np.fft.rfftfreq(len(samples), 1 / SAMPLE_RATE)
    knots = np.array([0, 150, 400, 1000, 2200, 4500, 8000])
    gains = rng.uniform(-7, 7, len(knots))
    if tilt:
        gains = gains - rng.uniform(0, 9) * np.arange(len(knots))
    decibels = np.interp(frequencies, knots, gains)
    if not tilt and rng.random() < 0.15:
        decibels = np.where((frequencies < 300) | (frequencies > 3400), -50, decibels)
    return np.fft.irfft(np.fft.rfft(samples) * 10 ** (decibels / 20), len(samples)).astype(np.float32)


def _disordered(text: str, rng: np.random.Generator) -> str:
    """Shuffle words, or signs where there are no spaces."""
    words = text.split()
    if len(words) < 3:
        return "".join(rng.permutation(list(text)))
    return " ".join(rng.permutation(words))
