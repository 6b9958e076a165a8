"""From speech to a mouth: by its phonemes where they are known, otherwise by ear."""

import math
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from app.audio.pcm import Samples
from app.lipsync.mouth.heard_mouth import HeardMouth
from app.lipsync.mouth.mouth import MouthTrack
from app.lipsync.mouth.phonemes import Rows, SpokenMouth, TimedPhoneme

_PIECE_SECONDS = 10
"""Heard at a time of a sound that is there as a whole, which bounds the memory."""


def track(
    samples: Samples,
    *,
    sample_rate: int,
    fps: float,
    frames: int | None = None,
    phonemes: Sequence[TimedPhoneme] | None = None,
    smooth: bool = True,
) -> MouthTrack:
    """Return the mouth of a whole sound; the arguments and errors are those of `rows`."""
    piece = _PIECE_SECONDS * sample_rate
    pieces = (samples[start : start + piece] for start in range(0, max(len(samples), 1), piece))
    parts = rows(pieces, sample_rate=sample_rate, fps=fps, frames=frames, phonemes=phonemes, smooth=smooth)
    return MouthTrack(np.concatenate(list(parts)), fps)


def rows(
    pieces: Iterable[Samples],
    *,
    sample_rate: int,
    fps: float,
    frames: int | None = None,
    phonemes: Sequence[TimedPhoneme] | None = None,
    smooth: bool = True,
) -> Iterator[Rows]:
    """Yield the mouth of a sound that arrives in pieces, up to half a second after it: rows of a `MouthTrack`.

    Joined, they are the same however the sound was cut. Frame i is of the time (i + 0.5) / fps. CPU-bound.

    Args:
        pieces: float32 in [-1, 1], shape (n,).
        sample_rate: Hz.
        fps: frames a second.
        frames: how many are wanted; None: as many as the sound lasts, the last one in part.
        phonemes: of the whole sound, in order; None: they are not known. Then the sound itself is not listened to.
        smooth: whether a mouth that is heard is freed of its trembling; that of phonemes has none.

    Raises:
        InvalidAudio: no samples at all, or one that is not a finite number, in a sound that has to be heard.
    """
    mouth = HeardMouth(sample_rate, fps, smooth=smooth) if phonemes is None else _Read(phonemes, sample_rate, fps)
    samples = given = 0
    for piece in pieces:
        samples += len(piece)
        found = mouth.push(piece)[: None if frames is None else frames - given]
        given += len(found)
        yield found
    total = math.ceil(samples * fps / sample_rate) if frames is None else frames
    yield mouth.finish(total)[: max(total - given, 0)]


class _Read:
    """The mouth of known phonemes, of whose sound only the length is asked."""

    def __init__(self, phonemes: Sequence[TimedPhoneme], sample_rate: int, fps: float) -> None:
        self._mouth = SpokenMouth(fps)
        self._phonemes, self._next = phonemes, 0
        self._sample_rate, self._samples = sample_rate, 0

    def push(self, samples: Samples) -> Rows:
        self._samples += len(samples)
        return self._until(self._samples / self._sample_rate)

    def finish(self, frames: int) -> Rows:
        return np.concatenate((self._until(math.inf), self._mouth.finish(frames)))

    def _until(self, seconds: float) -> Rows:
        first = self._next
        while self._next < len(self._phonemes) and self._phonemes[self._next].start < seconds:
            self._next += 1
        known = self._phonemes[first : self._next]
        return self._mouth.push(known, until=min(seconds, self._samples / self._sample_rate))
