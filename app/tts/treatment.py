"""What is done to the sound of a voice that cannot do by itself what was asked of it: the same for every backend.

A voice without a pitch of its own gets another melody (`app.audio.intonation`), any voice other formants (also
`app.audio.timbre`) and another tilt (`app.audio.tilt`). Melody and formants need the whole phrase: its middle must be
known before the first word. A tilt does not. Nothing changes its length, so marks stay where they are.
"""

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

import numpy as np

from app.audio.intonation import intone
from app.audio.melody import Melody, follow
from app.audio.pcm import Pcm, Samples, from_bytes, to_bytes, to_float32, to_int16
from app.audio.splice import cut_at_rests
from app.audio.tilt import Tilt
from app.audio.timbre import move_formants
from app.runtime.workers import CODEC_POOL, Workers
from app.tts.speech import Sound

Result = TypeVar("Result")

PIECE_SECONDS = 12.0
"""Worked on at a time, which takes some 0.2 s: bounds the memory, and what cancelling waits for."""
LIGHT_BYTES = 64 * 1024
"""PCM that is tilted in less than a millisecond."""


@dataclass(frozen=True, slots=True)
class Treatment:
    """How far a sound is changed; by default not at all."""

    pitch: float = 0.0
    """Semitones; the formants stay."""
    pitch_range: float = 1.0
    """Factor by which the melody is stretched around its middle."""
    timbre: float = 0.0
    """Semitones by which the formants move; the melody stays."""
    tilt: float = 0.0
    """dB per octave."""

    @property
    def needs_all(self) -> bool:
        """Whether nothing can be done before the whole phrase is there."""
        return bool(self.pitch or self.pitch_range != 1 or self.timbre)


async def treat(
    sounds: AsyncGenerator[Sound, None], treatment: Treatment, *, sample_rate: int, workers: Workers | None = None
) -> AsyncGenerator[Sound, None]:
    """Yield the sounds of a phrase, int16 at `sample_rate` Hz, changed: of the same length, with the same marks.

    That is one sound at the end if the treatment needs all of them, otherwise one for each.

    What takes more than a millisecond is done in the pool `codec` of `workers`; without them nothing is. Closing or
    cancelling closes `sounds`; cancellation waits for a piece that is being worked on. Raises what `sounds` raises.
    """
    async with aclosing(sounds):
        if treatment.needs_all:
            heard = [sound async for sound in sounds]
            pcm = await _treat_all(b"".join([sound.pcm for sound in heard]), treatment, sample_rate, workers)
            yield Sound(pcm, tuple(mark for sound in heard for mark in sound.marks))
            return
        tilt = Tilt(treatment.tilt, sample_rate=sample_rate)
        async for sound in sounds:
            pool = workers if len(sound.pcm) > LIGHT_BYTES else None
            yield replace(sound, pcm=await _run(pool, partial(_tilted, sound.pcm, tilt)))


async def _treat_all(pcm: bytes, treatment: Treatment, sample_rate: int, workers: Workers | None) -> bytes:
    pieces = cut_at_rests(from_bytes(pcm), sample_rate=sample_rate, most_seconds=PIECE_SECONDS)
    melodies = [await _run(workers, partial(_follow, piece, sample_rate)) for piece in pieces]
    middle = Melody(np.concatenate([melody.hz for melody in melodies])).median_hz
    tilt = Tilt(treatment.tilt, sample_rate=sample_rate) if treatment.tilt else None
    changed = [
        await _run(workers, partial(_change, piece, melody, middle, treatment, tilt, sample_rate))
        for piece, melody in zip(pieces, melodies, strict=True)
    ]
    peak = max(float(np.abs(piece).max(initial=0.0)) for piece in changed)
    return b"".join([await _run(workers, partial(_pack, piece, peak)) for piece in changed])


def _follow(piece: Pcm, sample_rate: int) -> Melody:
    return follow(to_float32(piece), sample_rate=sample_rate)


def _change(
    piece: Pcm, melody: Melody, middle_hz: float | None, treatment: Treatment, tilt: Tilt | None, sample_rate: int
) -> Samples:
    samples = to_float32(piece)
    changed = intone(
        samples,
        melody,
        sample_rate=sample_rate,
        semitones=treatment.pitch,
        pitch_range=treatment.pitch_range,
        middle_hz=middle_hz,
        formants=treatment.timbre,
        rest=move_formants(samples, melody, sample_rate=sample_rate, semitones=treatment.timbre),
    )
    return tilt.push(changed) if tilt else changed


def _pack(samples: Samples, peak: float) -> bytes:
    return to_bytes(to_int16(samples if peak <= 1 else samples / np.float32(peak)))


def _tilted(pcm: bytes, tilt: Tilt) -> bytes:
    return to_bytes(to_int16(tilt.push(to_float32(from_bytes(pcm)))))


async def _run(workers: Workers | None, function: Callable[[], Result]) -> Result:
    return function() if workers is None else await workers.run(CODEC_POOL, function)
