"""A folder of music for experiments: decoded, divided by the content of its files, and cut into queries.

A fifth of the tracks is kept out of the catalogue; queries from them must not be found. All tracks are divided again
into two halves: constants are learnt from queries of one (`scripts/fit_recognition.py`), and measured on queries of the
other (`scripts/bench_recognition.py`). Nothing depends on the order or on the names of files.
"""

import hashlib
import multiprocessing
import sys
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TypeVar, cast

import anyio
import numpy as np

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from degradations import CONDITIONS, EXTRA, RATE, Signal  # noqa: E402

from app.audio.decode import decode  # noqa: E402
from app.audio.pcm import Samples, to_float32, to_int16  # noqa: E402
from app.audio.resample import resample  # noqa: E402
from app.errors import InvalidAudio  # noqa: E402
from app.fingerprint.fingerprint import Fingerprint  # noqa: E402
from app.fingerprint.fingerprinter import fingerprint  # noqa: E402
from app.fingerprint.index import Index  # noqa: E402
from app.fingerprint.landmarks import Keys  # noqa: E402
from app.fingerprint.listener import Listener, listen  # noqa: E402
from app.fingerprint.peaks import Frames, Peaks  # noqa: E402
from app.fingerprint.reel import Place  # noqa: E402
from app.fingerprint.search import Finding, Library, Search  # noqa: E402
from app.fingerprint.spectrum import SAMPLE_RATE  # noqa: E402
from app.fingerprint.view import View  # noqa: E402
from app.fingerprint.votes import ORIGIN, WEIGHT_BITS, Ballots  # noqa: E402
from app.tts.backends.espeak import Espeak  # noqa: E402
from app.tts.speech import Utterance  # noqa: E402

SUFFIXES = {".aac", ".flac", ".m4a", ".mp3", ".ogg", ".opus", ".wav"}
SHORTEST_SECONDS = 25.0
LONGEST_SECONDS = 3600.0
HELD_OUT = 5
"""One track of so many."""
QUERY_SECONDS = 5.0
QUERY_FRAMES = 220
"""More than those have."""
MARGIN_SECONDS = 1.0
"""Cut out beyond the query, since what is played faster is shorter."""
QUIETEST = 0.003
"""Of full scale: where a second of music is quieter, no query is cut."""

PIECE_SECONDS, PIECE_STEP = 5.0, 10.0
"""Of a track, in search of others that share sound with it."""
SAME_SCORE, SAME_PIECES = 4.0, 2
"""Of so many pieces."""

SPEAKERS = ("en-us+f1", "en-us+m1", "en-gb+m4", "en-us+f3", "en-gb+f4", "cmn+f2", "fr-fr+m2", "en-us+m7")
SAID = (
    "Welcome everybody to the stream tonight, we are going to play the final level and then look at your questions.",
    "I think this boss is really hard, did you see how much damage that did? Let me try it with the other weapon.",
    "Thank you so much for the subscription, that is very kind of you, and hello to all the new people in chat.",
    "Right, so what I wanted to say about the update is that they changed the movement and it feels much slower now.",
    "Let me know in the comments what you would like to see next week, maybe we can play something together.",
    "大家好，欢迎来到我的直播间，今天我们继续打这个游戏。",
    "Bonjour à tous, on continue la partie d'hier soir, et cette fois on va gagner.",
)


@dataclass(frozen=True)
class Track:
    """A file of music, decoded to a file beside the others."""

    hash: str
    """SHA-256 of its bytes, 16 hexadecimal digits."""
    name: str
    pcm: Path

    @property
    def is_held_out(self) -> bool:
        return int(self.hash[:4], 16) % HELD_OUT == 0

    @property
    def half(self) -> int:
        """0 to learn from, 1 to measure on."""
        return int(self.hash[4:8], 16) % 2

    @cached_property
    def samples(self) -> np.ndarray:
        """int16, mono, at `RATE`; read from the disk where they are touched."""
        return np.load(self.pcm, mmap_mode="r")

    @property
    def seconds(self) -> float:
        return len(self.samples) / RATE

    @cached_property
    def fingerprint(self) -> Fingerprint:
        return fingerprint(to_float32(np.array(self.samples)), sample_rate=RATE)


def read(folder: Path, cache: Path) -> list[Track]:
    """Decode what is not in the cache yet, and return all tracks that are long enough, each content once."""
    cache.mkdir(parents=True, exist_ok=True)
    found: dict[str, Track] = {}
    for path in sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES):
        data = path.read_bytes()
        hash = hashlib.sha256(data).hexdigest()[:16]
        track = Track(hash, str(path.relative_to(folder)), cache / f"{hash}.npy")
        if hash not in found and (track.pcm.exists() or _decode(data, track)):
            found[hash] = track
    return [found[hash] for hash in sorted(found) if found[hash].seconds >= SHORTEST_SECONDS]


def _decode(data: bytes, track: Track) -> bool:
    try:
        clip = decode(data, sample_rate=RATE, max_samples=int(LONGEST_SECONDS * RATE), max_bytes=1 << 30)
    except InvalidAudio as error:
        print(f"{track.name}: {error}", file=sys.stderr)
        return False
    unfinished = track.pcm.with_suffix(".part.npy")
    np.save(unfinished, to_int16(clip.samples))
    unfinished.rename(track.pcm)
    return True


def speech(cache: Path) -> Signal:
    """Speak some minutes with the embedded voices, at `RATE`."""
    kept = cache / "speech.npy"
    if not kept.exists():
        np.save(kept, anyio.run(_speak))
    return to_float32(np.load(kept)).astype(np.float64)


async def _speak() -> np.ndarray:
    backend, parts = Espeak(workers=1), []
    async with backend.running():
        for speaker in SPEAKERS:
            for said in SAID:
                utterance = Utterance(said, backend.find_voice(speaker))
                parts += [sound.pcm async for sound in backend.synthesize(utterance, whole=True)]
    return resample(np.frombuffer(b"".join(parts), np.int16), from_rate=backend.sample_rate, to_rate=RATE)


@dataclass(frozen=True, slots=True)
class Query:
    """A cut of a track after something happened to it."""

    condition: str
    track: Track
    start: float
    """Seconds in the track."""
    samples: Samples
    """At `SAMPLE_RATE` or another; shorter queries are its first seconds."""

    def listened(self, seconds: float) -> Listener:
        return listen(self.samples[: round(seconds * SAMPLE_RATE)])


def query(
    tracks: list[Track],
    condition: str,
    number: int,
    said: Signal,
    *,
    seconds: float = QUERY_SECONDS,
    sample_rate: int = SAMPLE_RATE,
) -> Query:
    """Make one: the same for the same arguments."""
    rng = np.random.default_rng([zlib.crc32(condition.encode()), number])
    track, start, samples = _cut(tracks, rng, seconds)
    happens = {**CONDITIONS, **EXTRA}[condition]
    heard = happens(samples, rng, said).astype(np.float32)
    heard = resample(heard, from_rate=RATE, to_rate=sample_rate)[: round(seconds * sample_rate)]
    return Query(condition, track, start / RATE, heard.clip(-1, 1))


def _cut(tracks: list[Track], rng: np.random.Generator, seconds: float) -> tuple[Track, int, Signal]:
    """Cut music out of a track by chance, somewhere where its first seconds are not silent."""
    length = int((seconds + MARGIN_SECONDS) * RATE)
    tracks = [track for track in tracks if len(track.samples) > length]
    while True:
        track = tracks[rng.integers(len(tracks))]
        start = int(rng.integers(0, len(track.samples) - length))
        samples = to_float32(track.samples[start : start + length]).astype(np.float64)
        each = samples[: int(min(seconds, QUERY_SECONDS)) * RATE].reshape(-1, RATE)
        if np.all(np.sqrt((each**2).mean(axis=1)) > QUIETEST):
            return track, start, samples


class Without:
    """A view without some tracks: a library in which their music is unknown."""

    def __init__(self, view: View, hidden: Iterable[int]) -> None:
        self._view = view
        self._hidden = [place for number in hidden if (place := view.reel.find(number)) is not None]

    @property
    def seconds(self) -> float:
        return self._view.seconds

    def gather(self, keys: Keys, frames: Frames) -> Ballots:
        ballots = self._view.gather(keys, frames)
        places = (ballots >> WEIGHT_BITS) - ORIGIN
        is_hidden = np.zeros(len(ballots), bool)
        for place in self._hidden:
            is_hidden |= (places > place.first_frame - QUERY_FRAMES) & (places < place.end_frame)
        return ballots[~is_hidden]

    def track_at(self, frame: int) -> Place | None:
        place = self._view.track_at(frame)
        return None if place in self._hidden else place

    def peaks(self, first_frame: int, end_frame: int) -> Peaks:
        return self._view.peaks(first_frame, end_frame)


class Catalogue:
    """The tracks that may be found, in an index."""

    def __init__(self, tracks: list[Track], folder: Path) -> None:
        self.tracks = [track for track in tracks if not track.is_held_out]
        self._index = Index(folder)
        self._index.add_all((number, track.fingerprint) for number, track in enumerate(self.tracks))
        self._index.merge()
        self.view: View = self._index.view()

    def track_of(self, finding: Finding) -> Track:
        return self.tracks[finding.place.track_id]

    def place_of(self, track: Track) -> Place | None:
        return None if track.is_held_out else self.view.reel.find(self.tracks.index(track))

    def without(self, hashes: set[str]) -> Library:
        """Return the catalogue without some tracks."""
        hidden = [number for number, track in enumerate(self.tracks) if track.hash in hashes]
        return Without(self.view, hidden) if hidden else self.view

    def related(self, track: Track) -> set[str]:
        """Return the hashes of other tracks that share sound with this: a recording, a part of one, a loop.

        So they do if two pieces of this, ten seconds apart at least, are found in the other, each of which happens by
        chance once in ten thousand times.
        """
        pieces: Counter[str] = Counter()
        for piece in _pieces(track):
            found = Search(self.view, listen(piece)).all(threshold=SAME_SCORE)
            pieces.update({self.track_of(finding).hash for finding in found if finding.score >= SAME_SCORE})
        return {hash for hash, count in pieces.items() if count >= SAME_PIECES} - {track.hash}


def related(catalogue: Catalogue, tracks: list[Track], processes: int) -> dict[str, set[str]]:
    """Return the hashes of tracks that share sound, by hash; mutual."""
    found: dict[str, set[str]] = {track.hash: set() for track in tracks}
    for track, others in zip(
        tracks, in_parallel(lambda number: catalogue.related(tracks[number]), len(tracks), processes), strict=True
    ):
        for other in others:
            found[track.hash].add(other)
            found.setdefault(other, set()).add(track.hash)
    return found


def _pieces(track: Track) -> Iterator[Samples]:
    sound = resample(to_float32(np.array(track.samples)), from_rate=RATE, to_rate=SAMPLE_RATE)
    length, step = int(PIECE_SECONDS * SAMPLE_RATE), int(PIECE_STEP * SAMPLE_RATE)
    for start in range(0, len(sound) - length, step):
        yield sound[start : start + length]


ResultT = TypeVar("ResultT")
_work: list[Callable[[int], object]] = []
"""What the forked processes do; they see it, and all that it needs, because they are forked."""


def in_parallel(work: Callable[[int], ResultT], count: int, processes: int) -> list[ResultT]:
    """Do a numbered work so many times in forked processes, and return the results in order."""
    _work.append(work)
    results = []
    with multiprocessing.get_context("fork").Pool(processes) as pool:
        for done, result in enumerate(pool.imap(_do, range(count), chunksize=4), 1):
            results.append(cast(ResultT, result))
            if 100 * done // count > 100 * (done - 1) // count:
                print(f"\r{100 * done // count} % of {count} ", end="", file=sys.stderr, flush=True)
    print("\r", end="", file=sys.stderr, flush=True)
    _work.pop()
    return results


def _do(number: int) -> object:
    return _work[-1](number)
