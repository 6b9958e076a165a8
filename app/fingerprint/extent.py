"""The extent of a hit: from when to when in the query its track is really heard.

A query that holds the end of a track and the beginning of another is a hit of both. What speaks for a track is weighed
by half seconds; the stretch of them with the greatest sum is where it is heard.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np

from app.fingerprint.fit import fits
from app.fingerprint.hit import Hit
from app.fingerprint.listener import Listener
from app.fingerprint.placement import Placement
from app.fingerprint.readings import NEW
from app.fingerprint.reel import Place
from app.fingerprint.search import Library
from app.fingerprint.spectrum import FRAMES_PER_SECOND
from app.fingerprint.verification import stretches

STRETCH_FRAMES: Final = 22
"""Half a second."""
MARGIN: Final = 8
"""Frames of the track beyond the query's ends."""


def extent(library: Library, query: Listener, hit: Hit, track: Place, *, seconds: float) -> tuple[float, float]:
    """Return the seconds of the query from and to which a hit is heard; all of it where that cannot be told.

    Args:
        library: has the track.
        query: has listened to the query, and kept all of it.
        hit: what was found.
        track: its track, where it is now.
        seconds: that the query has; a little more than its frames tell of.
    """
    placements = _placements(query, hit, track)
    first = max(track.first_frame, round(placements[0].place) - MARGIN - NEW)
    end = min(track.first_frame + track.frames, round(placements[0].place + query.frames * hit.speed) + MARGIN)
    heard, peaks = query.heard, library.peaks(first, max(first, end))
    placement = max(placements, key=lambda placement: fits(heard, peaks, placement))
    edges = np.append(np.arange(heard.first, heard.end - STRETCH_FRAMES // 2, STRETCH_FRAMES), heard.end)
    found = stretches(heard, peaks, placement, edges)
    begin, stop = heaviest(_beyond_likeness([stretch.odds for stretch in found]))
    if stop == begin:
        return 0.0, seconds
    end_frame = edges[stop] if stop < len(found) else seconds * FRAMES_PER_SECOND
    return float(edges[begin] / FRAMES_PER_SECOND), float(end_frame / FRAMES_PER_SECOND)


def _beyond_likeness(odds: Sequence[float]) -> list[float]:
    """Return odds less what other music of the same kind gains: a quarter of what the track's own stretches do."""
    best = sorted(odds)[len(odds) // 2 :]
    expected = max(0.0, sum(best) / max(1, len(best))) / 4
    return [each - expected for each in odds]


def heaviest(weights: Sequence[float]) -> tuple[int, int]:
    """Return where the stretch with the greatest sum begins and ends; an empty one if no sum is positive (Kadane)."""
    best, begin, stop = 0.0, 0, 0
    total, start = 0.0, 0
    for place, weight in enumerate(weights):
        if total <= 0:
            total, start = 0.0, place
        total += weight
        if total > best:
            best, begin, stop = total, start, place + 1
    return begin, stop


def _placements(query: Listener, hit: Hit, track: Place) -> list[Placement]:
    """Return what a hit may mean: a hit does not tell the pitch, nor where a track would begin that begins later."""
    start = hit.start * FRAMES_PER_SECOND
    if hit.start <= 0:
        start = hit.end * FRAMES_PER_SECOND - query.frames * hit.speed
    places = [track.first_frame + start + step for step in (-1, 0, 1)]
    return [Placement(place, hit.speed, pitch) for place in places for pitch in {1.0, hit.speed}]
