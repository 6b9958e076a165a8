"""Measures the index of tracks: how fast it is searched, how large it is, how soon it is there, what it costs to find.

    .venv/bin/python scripts/bench_lookup.py --music DIR [--cache DIR] [--tracks 1000 10000] [--scale 10] [--folder DIR]

DIR is a folder with music, as `scripts/bench_recognition.py` takes it. Beside its tracks the catalogue has tracks made
of them (`scripts/made_tracks.py`); a table says how near their landmarks come to those of music. They are kept in a
database, SQLite in the folder if no other is named, from which the index is made as a server makes it.

With --scale the largest catalogue is searched once more with so many times the postings: each has copies that are heard
somewhere by chance. Queries are cut out of music under ten conditions, most of them hard, and asked as a stream asks
them, in six hops of half a second, and as a recording, 3 s at once. Times are those of the clock, and in brackets of a
thread's processor. The right place is one of those that are looked at; "of all" says how often it is if no vote is left
out.
"""

import argparse
import os
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import numpy as np
from asked_queries import Asked, Lookups, at_once, in_hops, queries_of
from made_tracks import TrackMaker
from music_library import ROOT, in_parallel, read

sys.path.insert(0, str(ROOT))

from stored_catalogue import MIB, MemoryMeter, beside, fill, own_memory_mib, start  # noqa: E402

from app.fingerprint.bounds import bounds_of  # noqa: E402
from app.fingerprint.fingerprint import Fingerprint  # noqa: E402
from app.fingerprint.index import Index  # noqa: E402
from app.fingerprint.landmarks import Landmarks, landmarks, probes  # noqa: E402
from app.fingerprint.postings import Postings, frozen  # noqa: E402
from app.fingerprint.pursuit import MOST_VOTES, PAIRS  # noqa: E402
from app.fingerprint.spread import EXACT_BITS  # noqa: E402
from app.fingerprint.view import MOST_BALLOTS, View  # noqa: E402

ALL = 1 << 22
"""Votes: more than there are."""
BLOCK = 1 << 16
"""Buckets that are scaled at once."""
ADDED = 600
"""Tracks in memory when a merge begins."""


def print_lookups(name: str, view: View, queries: list[Asked]) -> None:
    for what, ask, most in (("hop", in_hops, MOST_VOTES), ("3 s", at_once, MOST_BALLOTS)):
        ask(view, queries[:2], most)
        found, best = ask(view, queries, most), ask(view, queries, ALL)
        clock, thread = (1000 * np.quantile(times, [0.5, 0.95]) for times in (found.clock, found.thread))
        print(f"| {name} | {len(view.postings) / 1e6:.0f} | {what} | {np.mean(found.votes):.0f} |", end=" ")
        print(" | ".join(f"{at:.2f} ({of:.2f})" for at, of in zip(clock, thread, strict=True)), end=" | ")
        print(f"{100 * np.mean(found.right):.1f} | {100 * np.mean(best.right):.1f} |", flush=True)


def print_law(music: list[Fingerprint], unheard: list[Fingerprint], maker: TrackMaker) -> None:
    """Print how postings are divided among keys, in music and in made tracks, as many of each."""
    asked = np.concatenate([probes(fingerprint.peaks, pairs=PAIRS).keys for fingerprint in unheard])
    keys = np.concatenate([landmarks(fingerprint.peaks).keys for fingerprint in music])
    made: list[np.ndarray] = []
    while sum(map(len, made)) < len(keys):
        made.append(landmarks(maker.make(len(made)).peaks).keys)
    print(
        "| | share of postings in the 0.1 / 1 / 10 % commonest keys | postings of a key that other music asks for,",
        end="",
    )
    print(" of 100 M: mean; half, 90, 99 % have at most |\n|---|--:|--:|")
    for name, of in (("music", keys), ("made", np.concatenate(made)[: len(keys)])):
        there, counts = np.unique(of, return_counts=True)
        common = np.sort(counts)[::-1]
        shares = [100 * common[: int(part * len(common))].sum() / len(of) for part in (0.001, 0.01, 0.1)]
        at = np.minimum(np.searchsorted(there, asked), len(there) - 1)
        sizes = np.where(there[at] == asked, counts[at], 0) * 1e8 / len(of)
        print(f"| {name} |", " / ".join(f"{share:.1f}" for share in shares), f"| {sizes.mean():.0f};", end=" ")
        print(" / ".join(f"{size:.0f}" for size in np.quantile(sizes, [0.5, 0.9, 0.99])), "|", flush=True)
    print()


def print_merge(folder: Path, origin: str, maker: TrackMaker, queries: list[Asked]) -> None:
    """Print what lookups wait for while a merge writes a new snapshot, and the memory that it takes."""
    with beside(folder, origin) as index:
        first = len(index.view().reel) + 1
        index.is_whole()
        index.add_all((first + number, maker.make(first + number)) for number in range(ADDED))
        index.remove(1)
        before, figures = own_memory_mib(), index.figures()
        merging = threading.Thread(target=index.merge)
        print(f"With {ADDED} tracks in memory ({figures.memory_bytes / MIB:.0f} MiB) and one removed:")
        for name in ("no merge", "merge"):
            found, begun = Lookups(), time.perf_counter()
            with MemoryMeter() as memory:
                if name == "merge":
                    merging.start()
                while merging.is_alive() if name == "merge" else time.perf_counter() - begun < 5:
                    for asked in (hop for query in queries[:20] for hop in query.hops):
                        found.look(lambda asked=asked: _votes(index.view(), asked))
            times = 1000 * np.array(found.clock)
            print(
                f"- {name}, {time.perf_counter() - begun:.0f} s: {len(times)} hops looked up, {np.median(times):.2f}",
                end="",
            )
            print(f" ms (median), {np.quantile(times, 0.95):.2f} ms (95 %), {times.max():.1f} ms (slowest);", end=" ")
            print(f"{memory.most_mib - before:.0f} MiB more memory", flush=True)
        print()


def _votes(view: View, asked: Landmarks) -> tuple[int, np.ndarray]:
    places = view.votes(asked.keys, asked.frames, most=MOST_VOTES).places
    return len(places), places


def scaled(view: View, factor: int, folder: Path) -> View:
    """Let every posting have copies at places of chance, on a reel so many times as long."""
    rng, frames = np.random.default_rng(3), view.reel.end

    def parts() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for first in range(0, 1 << EXACT_BITS, BLOCK):
            bounds = view.postings.bounds.between(first, BLOCK, len(view.postings))
            copies = np.repeat(view.postings.frames[bounds[0] : bounds[-1]], factor)
            elsewhere = np.arange(len(copies)) % factor > 0
            copies[elsewhere] = rng.integers(0, factor * frames, np.count_nonzero(elsewhere), dtype=np.uint32)
            yield np.diff(bounds) * factor, copies

    path = folder / "scaled"
    with path.open("wb") as file:
        bounds = bounds_of(
            (sizes for sizes, copies in parts() if file.write(copies.data) >= 0),
            bits=EXACT_BITS,
            most=factor * len(view.postings),
        )
    for array in (bounds.marks, bounds.uppers, bounds.lows):
        frozen(array)
    reel = view.reel.with_tracks([-1], [(factor - 1) * frames])
    return replace(
        view, postings=Postings(bounds, np.frombuffer(np.memmap(path, np.uint32, "r"), np.uint32)), reel=reel
    )


def warm(view: View) -> None:
    """Touch all that is searched, as a server does when it has started."""
    int(np.bitwise_or.reduce(view.postings.frames))


def print_start(url: str, folder: Path) -> None:
    """Print how soon a process has all tracks, without a snapshot and with one."""
    if not (folder / "index").exists():
        made = start(url, folder, and_merge=True)
        print(
            f"- {made.tracks} tracks, no snapshot: {made.seconds:.0f} s, {made.memory_mib:.0f} MiB of its own at most"
        )
    mapped = start(url, folder)
    print(
        f"- {mapped.tracks} tracks, a snapshot: {mapped.seconds:.2f} s, and {mapped.imports:.2f} s before to load",
        end=" ",
    )
    print(f"the program; {mapped.memory_mib:.0f} MiB of its own at most", flush=True)


def print_size(index: Index) -> None:
    figures, view = index.figures(), index.view()
    bounds = sum(
        array.nbytes for array in (view.postings.bounds.marks, view.postings.bounds.uppers, view.postings.bounds.lows)
    )
    print(
        f"- {figures.tracks} tracks, {figures.seconds / 3600:.0f} h, {figures.postings / 1e6:.1f} M postings:", end=" "
    )
    print(
        f"{figures.snapshot_bytes / MIB:.0f} MiB, {figures.snapshot_bytes / figures.postings:.2f} bytes a posting:",
        end=" ",
    )
    print(f"4 its place, {bounds / figures.postings:.2f} where those of its key begin, the rest its track's peaks")


def main() -> None:
    options = parsed()
    tracks = read(options.music, options.cache)
    sounds = in_parallel(lambda number: tracks[number].fingerprint, len(tracks), options.processes)
    pairs = list(zip(tracks, sounds, strict=True))
    music = [sound for track, sound in pairs if not track.is_held_out]
    maker = TrackMaker(music)
    queries = queries_of(tracks, options.queries, options.cache, options.processes)
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; {len(music)} tracks of music; a hop has", end=" ")
    print(f"{np.mean([len(hop.keys) for asked in queries for hop in asked.hops]):.0f} keys, a query of 3 s", end=" ")
    print(f"{np.mean([len(asked.whole.keys) for asked in queries]):.0f}.\n")
    print_law(music, [sound for track, sound in pairs if track.is_held_out], maker)
    with ExitStack() as stack:
        folder = options.folder or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        views = {}
        for size in sorted(options.tracks):
            place = folder / f"{size}"
            place.mkdir(parents=True, exist_ok=True)
            url = f"sqlite:///{place / 'chorus.db'}"
            origin = fill(url, size, lambda number: music[number] if number < len(music) else maker.make(number))
            print_start(url, place)
            index = Index(place, origin=origin)
            print_size(index)
            views[f"{size}"] = index.view()
        print()
        print_merge(place, origin, maker, queries)
        if options.scale > 1:
            stack.callback((place / "scaled").unlink, missing_ok=True)
            views[f"{size * options.scale} (scaled)"] = scaled(index.view(), options.scale, place)
        print("| tracks | postings, M | query | votes | median ms | p95 ms | right place, % | of all |")
        print("|--:|--:|---|--:|--:|--:|--:|--:|")
        for name, view in views.items():
            warm(view)
            print_lookups(name, view, queries)


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--music", type=Path, required=True, help="a folder of music")
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "chorus-music")
    parser.add_argument("--tracks", type=int, nargs="+", default=[1000, 10_000])
    parser.add_argument("--scale", type=int, default=1, help="so many times the largest, on the disk and in memory")
    parser.add_argument("--queries", type=int, default=24, help="of each condition")
    parser.add_argument("--folder", type=Path, help="for what is made; it stays there for the next time")
    parser.add_argument("--processes", type=int, default=2)
    return parser.parse_args()


if __name__ == "__main__":
    main()
