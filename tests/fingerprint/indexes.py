"""Tracks for an index, and what is to be found in it."""

from pathlib import Path

import numpy as np

from app.fingerprint.fingerprint import VERSION, Fingerprint
from app.fingerprint.index import Index
from app.fingerprint.landmarks import probes
from app.fingerprint.peaks import Peaks
from app.fingerprint.view import View
from app.fingerprint.votes import count
from tests.fingerprint.constellations import constellation, ordered, taken

QUERY_FRAMES = 129


def track(number: int, *, seconds: float = 12.0) -> Fingerprint:
    """Make the same peaks for the same number."""
    return Fingerprint(VERSION, seconds, constellation(np.random.default_rng(1000 + number), seconds=seconds))


def cut(peaks: Peaks, first: int, frames: int = QUERY_FRAMES) -> Peaks:
    """Cut three seconds out of a track; their frames count from 0."""
    part = taken(peaks, (peaks.frames >= first) & (peaks.frames < first + frames))
    return Peaks(part.frames - np.uint32(first), part.frequencies, part.strengths)


def found(view: View, query: Peaks) -> tuple[int, int] | None:
    """Return the track of the best candidate, and its frame where the query begins; None if nothing is found."""
    asked = probes(query)
    candidates = count(view.gather(asked.keys, asked.frames), most=1)
    if not len(candidates.places):
        return None
    place = int(candidates.places[0])
    at = view.track_at(place)
    return None if at is None else (at.track_id, place - at.first_frame)


def finds(view: View, number: int, *, at: int = 200) -> bool:
    """Tell whether a stretch of a track is found where it is."""
    answer = found(view, cut(track(number).peaks, at))
    return answer is not None and answer[0] == number and abs(answer[1] - at) <= 2


def filled(folder: Path, numbers: range, **options: str) -> Index:
    """Make an index of some tracks."""
    index = Index(folder, **options)
    index.add_all((number, track(number)) for number in numbers)
    return index


def compile_kernels(folder: Path) -> None:
    """Call what the laws call, so that no example of theirs takes seconds."""
    index = filled(folder, range(3))
    index.merge()
    index.remove(1)
    index.add(7, track(7))
    assert finds(index.view(), 2)
    index.merge()
    assert finds(index.view(), 7)


def extreme(frames: list[int]) -> Peaks:
    """Put peaks at these frames."""
    count = len(frames)
    return ordered(np.array(frames), np.arange(count) * 64 + 4000, np.full(count, 100))
