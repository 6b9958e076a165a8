"""Measures how much more speaks for what is wrong, the more tracks there are: the score's `CHANCES`.

    .venv/bin/python scripts/bench_growth.py --music DIR [--cache DIR] [--tracks 62 124 1000] [--queries 10]

DIR is a folder with music, as `scripts/bench_recognition.py` takes it. Its tracks are searched in catalogues of some of
them, of all, and of all among tracks that are made of them (`scripts/made_tracks.py`). Queries are cut from one half of
them under all conditions; their own tracks, and those that share sound with them, are hidden. The odds that the best
wrong place reaches are those of a second, so that queries of all lengths can be compared. Of each catalogue a row tells
what fractions of queries exceed what one of ten, of fifty and of two hundred exceed in the one of all music; and by
which power of the number of tracks these fractions grow: 1 if each track were another chance.
"""

import argparse
import math
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from degradations import CONDITIONS, EXTRA, Signal
from made_tracks import TrackMaker
from music_library import ROOT, Catalogue, Track, Without, in_parallel, query, read, related, speech

sys.path.insert(0, str(ROOT))

from app.fingerprint.index import Index  # noqa: E402
from app.fingerprint.score import DEFAULT_THRESHOLD, scaled_odds, score  # noqa: E402
from app.fingerprint.search import Search  # noqa: E402
from app.fingerprint.view import View  # noqa: E402

SECONDS = (1.0, 3.0)
RARE = (0.1, 0.02, 0.005)
BATCH = 200
"""Made tracks that are in memory before they are merged."""


def grown(order: list[Track], sizes: list[int], folder: Path) -> Iterator[tuple[int, View]]:
    """Yield views of ever more tracks, at the end of made ones too; tracks have their number in the order."""
    maker, index, count = TrackMaker([track.fingerprint for track in order]), Index(folder), 0
    for size in sorted({len(order), *sizes}):
        while count < size:
            batch = range(count, min(size, count + BATCH))
            index.add_all(
                (number, order[number].fingerprint if number < len(order) else maker.make(number)) for number in batch
            )
            index.merge()
            count = batch.stop
        yield size, index.view()


class Asking:
    """Queries of unknown music, by number."""

    def __init__(self, view: View, order: list[Track], tracks: list[Track], alike: dict[str, set[str]]) -> None:
        self._view = view
        self._tracks = [track for track in tracks if not track.is_held_out or not alike[track.hash]]
        numbers = {track.hash: number for number, track in enumerate(order)}
        self._hidden = {
            track.hash: [numbers[hash] for hash in {track.hash, *alike[track.hash]} if hash in numbers]
            for track in self._tracks
        }

    def odds(self, number: int, said: Signal) -> list[tuple[float, float]]:
        """Return the odds and the score of the best place of a query, for each of its lengths."""
        conditions = [*CONDITIONS, *EXTRA]
        number, condition = divmod(number, len(conditions))
        asked, best = query(self._tracks, conditions[condition], number, said), []
        library = Without(self._view, self._hidden[asked.track.hash])
        for seconds in SECONDS:
            found = Search(library, asked.listened(seconds)).all(threshold=DEFAULT_THRESHOLD)
            odds = [scaled_odds(one.odds, one.evidence.peaks) for one in found]
            scores = [score(one.odds, one.evidence.peaks, library.seconds) for one in found]
            best.append((max(odds, default=-math.inf), max(scores, default=0.0)))
        return best


def main() -> None:
    arguments = parsed()
    tracks, said = read(arguments.music, arguments.cache), speech(arguments.cache)
    with tempfile.TemporaryDirectory() as first, tempfile.TemporaryDirectory() as folder:
        catalogue = Catalogue(tracks, Path(first))
        mine = [track for track in tracks if track.half == arguments.half]
        alike = related(catalogue, mine, arguments.processes)
        order = [catalogue.tracks[number] for number in np.random.default_rng(0).permutation(len(catalogue.tracks))]
        count = arguments.queries * len({**CONDITIONS, **EXTRA})
        found: dict[int, np.ndarray] = {}
        for size, view in grown(order, arguments.tracks, Path(folder)):
            asking = Asking(view, order, mine, alike)

            def work(number: int, asking: Asking = asking) -> list[tuple[float, float]]:
                return asking.odds(number, said)

            found[size] = np.array(in_parallel(work, count, arguments.processes)).reshape(-1, 2)
        print_growth(found, len(order))


def print_growth(found: dict[int, np.ndarray], whole: int) -> None:
    """Print what is exceeded in each catalogue, beside that of all music."""
    print("| tracks | exceed what 10 / 2 / 0.5 % do, % | power | reach the default threshold, % |\n|--:|---|---|--:|")
    for size, best in found.items():
        exceeded = [np.quantile(found[whole][:, 0], 1 - rare) for rare in RARE]
        shares = [float(np.mean(best[:, 0] > odds)) for odds in exceeded]
        powers = [_power(share / rare, size / whole) for share, rare in zip(shares, RARE, strict=True)]
        print(f"| {size} |", " / ".join(f"{100 * share:.2f}" for share in shares), "|", " / ".join(powers), end=" | ")
        print(f"{100 * np.mean(best[:, 1] >= DEFAULT_THRESHOLD):.2f} of {len(best)} |")


def _power(more: float, larger: float) -> str:
    return f"{math.log(more) / math.log(larger):.2f}" if more > 0 and larger != 1 else "–"


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--music", type=Path, required=True, help="a folder of music")
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "chorus-music")
    parser.add_argument("--tracks", type=int, nargs="+", default=[62, 124, 1000])
    parser.add_argument("--queries", type=int, default=10, help="of each condition")
    parser.add_argument("--half", type=int, choices=(0, 1), default=1, help="0: from which constants are learnt")
    parser.add_argument("--processes", type=int, default=2)
    return parser.parse_args()


if __name__ == "__main__":
    main()
