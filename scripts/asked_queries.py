"""Queries of the music in an index, and how soon and how well each is looked up."""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from music_library import ROOT, Query, Track, in_parallel, query, speech

sys.path.insert(0, str(ROOT))

from app.fingerprint.ballot_box import BallotBox  # noqa: E402
from app.fingerprint.landmarks import Landmarks, probes  # noqa: E402
from app.fingerprint.listener import Listener  # noqa: E402
from app.fingerprint.pursuit import CANDIDATES as STREAM_CANDIDATES  # noqa: E402
from app.fingerprint.pursuit import PAIRS  # noqa: E402
from app.fingerprint.search import CANDIDATES  # noqa: E402
from app.fingerprint.spectrum import FRAMES_PER_SECOND, SAMPLE_RATE  # noqa: E402
from app.fingerprint.view import View  # noqa: E402
from app.fingerprint.votes import count  # noqa: E402

CONDITIONS = ("clean", "phone", "reverb", "white0", "pink0", "babble0", "speech3", "speech6", "ota", "stream")
HOPS, HOP = 6, SAMPLE_RATE // 2
NEAR = 8
"""Frames within which a place is the right one."""


@dataclass(frozen=True)
class Asked:
    """A query as it is asked, and where it is from."""

    track_id: int
    start: float
    """Seconds in the track."""
    hops: list[Landmarks]
    whole: Landmarks

    def is_at(self, view: View, places: np.ndarray) -> bool:
        first = view.reel.find(self.track_id).first_frame
        off = (places - round(first + self.start * FRAMES_PER_SECOND) + (1 << 31)) % (1 << 32) - (1 << 31)
        return bool(np.any(np.abs(off) <= NEAR))


def asked_of(cut: Query, track_id: int) -> Asked:
    listener, hops = Listener(keep=round(HOPS * HOP / SAMPLE_RATE * FRAMES_PER_SECOND)), []
    for hop in range(HOPS):
        listener.push(cut.samples[hop * HOP : (hop + 1) * HOP])
        hops.append(probes(listener.peaks, since=listener.since, pairs=PAIRS))
    return Asked(track_id, cut.start, hops, probes(cut.listened(HOPS * HOP / SAMPLE_RATE).peaks))


@dataclass
class Lookups:
    """What was measured of some."""

    clock: list[float]
    thread: list[float]
    votes: list[int]
    right: list[bool]

    def __init__(self) -> None:
        self.clock, self.thread, self.votes, self.right = [], [], [], []

    def look(self, function: Callable[[], tuple[int, np.ndarray]]) -> np.ndarray:
        clock, thread = time.perf_counter(), time.thread_time()
        votes, places = function()
        self.thread.append(time.thread_time() - thread)
        self.clock.append(time.perf_counter() - clock)
        self.votes.append(votes)
        return places


def in_hops(view: View, queries: list[Asked], most: int) -> Lookups:
    """Ask as a stream does; a query is found if it is at any hop."""
    found = Lookups()
    for asked in queries:
        box = BallotBox()

        def hop(landmarks: Landmarks, box: BallotBox = box) -> tuple[int, np.ndarray]:
            votes = view.votes(landmarks.keys, landmarks.frames, most=most)
            return len(votes.places), box.cast(votes, most=STREAM_CANDIDATES).places

        places = [found.look(lambda landmarks=landmarks: hop(landmarks)) for landmarks in asked.hops]
        found.right.append(asked.is_at(view, np.concatenate(places)))
    return found


def at_once(view: View, queries: list[Asked], most: int) -> Lookups:
    found = Lookups()
    for asked in queries:

        def whole(landmarks: Landmarks = asked.whole) -> tuple[int, np.ndarray]:
            ballots = view.gather(landmarks.keys, landmarks.frames, most=most)
            return len(ballots), count(ballots, most=CANDIDATES).places

        found.right.append(asked.is_at(view, found.look(whole)))
    return found


def queries_of(tracks: list[Track], each: int, cache: Path, processes: int) -> list[Asked]:
    inside = [track for track in tracks if not track.is_held_out]
    ids = {track.hash: number + 1 for number, track in enumerate(inside)}
    said, known = speech(cache), [track for track in inside if track.half == 1]

    def asked(number: int) -> Asked:
        cut = query(known, CONDITIONS[number % len(CONDITIONS)], number // len(CONDITIONS), said)
        return asked_of(cut, ids[cut.track.hash])

    return in_parallel(asked, each * len(CONDITIONS), processes)
