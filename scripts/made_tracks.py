"""Tracks made of the music of others, as many as are wanted, to fill an index with.

Each is made of pieces of 4 s of one track, in random order, all of them up to six semitones higher or lower and each up
to 6 % faster or slower. So its notes stay on the scale to which nearly all music is tuned: landmarks are as frequent as
those of the music it is made of, and it sounds like none of it.
"""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from app.fingerprint.fingerprint import VERSION, Fingerprint  # noqa: E402
from app.fingerprint.peaks import BIN_PARTS, Peaks  # noqa: E402
from app.fingerprint.spectrum import END_BIN, FIRST_BIN, FRAMES_PER_SECOND  # noqa: E402

PIECE_FRAMES = 172
LEAST_PEAKS = 60
"""Of a piece; others are nearly silent."""
LEAST_PIECES = 5
"""Of a track."""
MOST_SEMITONES = 6
TEMPOS = 0.94, 1.06
SECONDS = 150.0, 330.0


class TrackMaker:
    """Makes tracks: the same for the same music and number."""

    def __init__(self, music: Sequence[Fingerprint]) -> None:
        sources = [list(_pieces(fingerprint.peaks)) for fingerprint in music]
        self._sources = [pieces for pieces in sources if len(pieces) >= LEAST_PIECES]
        lengths = np.array([len(pieces) for pieces in self._sources])
        self._likely = lengths / lengths.sum()

    def make(self, number: int) -> Fingerprint:
        rng = np.random.default_rng([5, number])
        pieces = self._sources[rng.choice(len(self._sources), p=self._likely)]
        ratio = 2 ** (rng.integers(1, MOST_SEMITONES + 1) * rng.choice([-1, 1]) / 12)
        length, end = rng.uniform(*SECONDS) * FRAMES_PER_SECOND, 0
        parts: list[Peaks] = []
        while end < length:
            tempo = rng.uniform(*TEMPOS)
            parts.append(_turned(pieces[rng.integers(len(pieces))], ratio, tempo, end))
            end += round(PIECE_FRAMES * tempo)
        return Fingerprint(VERSION, end / FRAMES_PER_SECOND, _ordered(parts))


def _pieces(peaks: Peaks) -> Iterator[Peaks]:
    for first in range(0, int(peaks.frames.max(initial=0)) - PIECE_FRAMES, PIECE_FRAMES):
        start, end = np.searchsorted(peaks.frames, [first, first + PIECE_FRAMES])
        if end - start >= LEAST_PEAKS:
            frames = peaks.frames[start:end] - np.uint32(first)
            yield Peaks(frames, peaks.frequencies[start:end], peaks.strengths[start:end])


def _turned(piece: Peaks, ratio: float, tempo: float, first_frame: int) -> Peaks:
    frequencies = np.rint(piece.frequencies * ratio)
    kept = (frequencies > FIRST_BIN * BIN_PARTS) & (frequencies < END_BIN * BIN_PARTS)
    frames = np.rint(piece.frames[kept] * tempo) + first_frame
    return Peaks(frames.astype(np.uint32), frequencies[kept].astype(np.uint16), piece.strengths[kept])


def _ordered(parts: list[Peaks]) -> Peaks:
    frames = np.concatenate([part.frames for part in parts])
    frequencies = np.concatenate([part.frequencies for part in parts])
    order = np.lexsort((frequencies, frames))
    return Peaks(frames[order], frequencies[order], np.concatenate([part.strengths for part in parts])[order])
