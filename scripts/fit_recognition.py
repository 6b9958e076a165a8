"""Learns from music what `app/fingerprint/calibration.py` holds, and writes that file.

    .venv/bin/python scripts/fit_recognition.py --music DIR [--cache DIR] [--queries 100] [--processes 2]

Queries are cut from one half of the tracks under all conditions, and compared with the catalogue. Each place that votes
propose gives an example: how often each class of what is read there occurs, and whether it is the right one. Other
places of the same track are none, since it may repeat itself. Weights are those of a logistic regression in which
neighbouring columns are held together, so that rare classes do as those beside them. Then the queries of each quarter
of the tracks are searched again with weights learnt from the other quarter, their own tracks left out, and the best
odds that are reached give the score. All are scaled so that they are natural logarithms there too: e times fewer wrong
places reach one more.

Tracks that share sound (remixes, other speeds, parts of the same suite, loops) are no examples of each other, and no
unknown music; they are found with the weights that are there already. Starting from none, run it twice.
"""

import argparse
import math
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from degradations import CONDITIONS, EXTRA, Signal
from music_library import ROOT, Catalogue, Query, Track, in_parallel, query, read, related, speech

sys.path.insert(0, str(ROOT))

from app.fingerprint import verification  # noqa: E402
from app.fingerprint.readings import AGAINS, BELOWS, COLUMNS, OFFS, classes  # noqa: E402
from app.fingerprint.readings import read as look  # noqa: E402
from app.fingerprint.score import FEWEST_PEAKS, scaled_odds  # noqa: E402
from app.fingerprint.search import Finding, Search  # noqa: E402
from app.fingerprint.spectrum import FRAMES_PER_SECOND  # noqa: E402
from app.fingerprint.verification import weights_of  # noqa: E402

SECONDS = (1.0, 2.0, 3.0, 5.0)
USUAL, AGAIN = BELOWS * OFFS * COLUMNS, AGAINS * BELOWS * COLUMNS
"""Weights of either table."""
MOST_WRONG = 100
"""Places of a query that are no examples beyond: those with most votes are."""
NEAR = 3
"""Frames within which a place is the right one."""
OTHER_SPEEDS = ("speed", "tempo", "pitch")
"""Beginnings of the conditions under which no place is right as it is."""
RIDGE = 3e-3
"""Times the square of a weight, beside the mean loss."""
SMOOTHNESS = 3e-2
"""Times the square of the difference between the weights of neighbouring columns, beside the mean loss."""
RIGHT_SHARE = 0.25
"""Of the loss, that right places have together."""
STEPS = 7
"""Of Newton's method; six are enough."""
BLOCK = 20_000
"""Examples that are worked on at a time, which bounds the memory."""
FRACTIONS = (0.8, 0.5, 0.2, 0.1, 0.05, 0.02)
"""Of queries of unknown music, whose best odds are written down."""
TAIL = FRACTIONS[-1]
"""From which on the tail of these odds is taken to be exponential,"""
FURTHEST = 0.001
"""to where it is measured."""
GROWTHS = np.arange(0.0, 1.0, 0.05)
FILE = ROOT / "app" / "fingerprint" / "calibration.py"


@dataclass(frozen=True, slots=True)
class Experiment:
    """Queries of one half of the tracks, by number."""

    catalogue: Catalogue
    related: dict[str, set[str]]
    """Hashes of tracks that share sound, by hash."""
    tracks: list[Track]
    said: Signal
    queries: int
    """Of each condition, of tracks of the catalogue, and as many of others."""

    def __len__(self) -> int:
        return 2 * self.queries * len({**CONDITIONS, **EXTRA})

    def query(self, number: int) -> Query:
        conditions = sorted({**CONDITIONS, **EXTRA})
        number, condition = divmod(number, len(conditions))
        number, is_held_out = divmod(number, 2)
        group = [track for track in self.tracks if track.half == 0 and track.is_held_out == bool(is_held_out)]
        return query(group, conditions[condition], number, self.said)


@dataclass(frozen=True, slots=True)
class Examples:
    """Places that were proposed."""

    counts: np.ndarray
    """How often each class occurs there: uint8, `(n, USUAL + AGAIN)`."""
    is_right: np.ndarray
    quarter: np.ndarray
    """Of the track from which the query is."""


def quarter(track: Track) -> int:
    return int(track.hash[8:12], 16) % 2


def examples(experiment: Experiment, number: int) -> Examples:
    """Return those of one query, at all its lengths: places that are right, and those of other tracks."""
    asked = experiment.query(number)
    counts, is_right = [], []
    for seconds in SECONDS:
        listener = asked.listened(seconds)
        search, count = Search(experiment.catalogue.view, listener), 0
        for finding in search.all(threshold=math.inf, speeds=False):
            track = experiment.catalogue.track_of(finding)
            is_there = track.hash == asked.track.hash and is_near(finding, asked)
            is_wrong = track.hash not in experiment.related[asked.track.hash] | {asked.track.hash}
            count += is_wrong
            if is_there or (is_wrong and count <= MOST_WRONG):
                peaks = search.peaks_of(finding.place, [finding.placement])
                counts.append(counted(*classes(look(listener.heard, peaks, finding.placement)).T))
                is_right.append(is_there)
    made = np.array(counts, np.uint8).reshape(-1, USUAL + AGAIN)
    return Examples(made, np.array(is_right, bool), np.full(len(made), quarter(asked.track)))


def is_near(finding: Finding, asked: Query) -> bool:
    """Tell whether a place of the query's track is that where the query was cut out."""
    start = finding.placement.place - finding.place.first_frame
    is_there = abs(start - asked.start * FRAMES_PER_SECOND) <= NEAR
    return is_there and not asked.condition.startswith(OTHER_SPEEDS)


def counted(rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Count the classes of either table."""
    again, usual = np.divmod(rows, BELOWS * OFFS)
    again = again * BELOWS + usual // OFFS
    tables = (usual, USUAL), (again, AGAIN)
    return np.concatenate(
        [np.bincount(table * COLUMNS + columns, minlength=size).clip(max=255) for table, size in tables]
    )


def joined(parts: list[Examples]) -> Examples:
    return Examples(
        np.concatenate([part.counts for part in parts]),
        np.concatenate([part.is_right for part in parts]),
        np.concatenate([part.quarter for part in parts]),
    )


def fit(counts: np.ndarray, is_right: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the weights of a logistic regression, by Newton's method: both tables of `weights_of`."""
    shares = np.where(is_right, RIGHT_SHARE / is_right.sum(), (1 - RIGHT_SHARE) / (~is_right).sum())
    bend = np.diff(np.eye(COLUMNS), axis=0)
    smooth = np.kron(np.eye((USUAL + AGAIN) // COLUMNS), bend.T @ bend)
    ridge = np.zeros((USUAL + AGAIN + 1, USUAL + AGAIN + 1))
    ridge[:-1, :-1] = 2 * (RIDGE * np.eye(USUAL + AGAIN) + SMOOTHNESS * smooth)
    ridge[-1, -1] = 1e-9
    weights = np.zeros(USUAL + AGAIN + 1)
    for _ in range(STEPS):
        slope, curvature = ridge @ weights, ridge.copy()
        for start in range(0, len(counts), BLOCK):
            block = slice(start, start + BLOCK)
            inputs = np.hstack([counts[block], np.ones((len(counts[block]), 1), np.uint8)]).astype(np.float32)
            guesses = 1 / (1 + np.exp(-np.clip(inputs @ weights.astype(np.float32), -40, 40)))
            slope += inputs.T @ (shares[block] * (guesses - is_right[block]))
            scale = (shares[block] * guesses * (1 - guesses)).astype(np.float32)
            curvature += (inputs * scale[:, None]).T @ inputs
        weights -= np.linalg.solve(curvature, slope)
    return weights[:USUAL].reshape(-1, COLUMNS), weights[USUAL:-1].reshape(-1, COLUMNS)


def wrong(experiment: Experiment, asked: Query) -> list[tuple[float, float, int]]:
    """Return seconds, odds and peaks of the most that speaks for anything wrong, for each length of a query."""
    library, best = experiment.catalogue.without({asked.track.hash}), []
    for seconds in SECONDS:
        found = Search(library, asked.listened(seconds)).all(threshold=math.inf)
        most = max(found, key=lambda one: scaled_odds(one.odds, one.evidence.peaks), default=None)
        if most is not None:
            best.append((seconds, most.odds, most.evidence.peaks))
    return best


def wrong_of_quarters(experiment: Experiment, made: Examples, processes: int) -> np.ndarray:
    """Return what `wrong` does, of all queries, each quarter with weights learnt from the other: `(n, 3)`."""
    learnt = [
        weights_of(*fit(made.counts[made.quarter != asked], made.is_right[made.quarter != asked])) for asked in (0, 1)
    ]

    def work(number: int) -> list[tuple[float, float, int]]:
        query = experiment.query(number)
        verification._WEIGHTS[:] = learnt[quarter(query.track)]
        return [] if experiment.related[query.track.hash] else wrong(experiment, query)

    return np.array([best for found in in_parallel(work, len(experiment), processes) for best in found])


@dataclass(frozen=True, slots=True)
class Tail:
    """How much speaks for what is wrong; odds are those of a second."""

    growth: float
    odds: np.ndarray
    """Which `FRACTIONS` of queries exceed."""
    decade: float

    def scaled(self, scale: float) -> "Tail":
        return Tail(self.growth, scale * self.odds, scale * self.decade)

    def score(self, odds: np.ndarray) -> np.ndarray:
        beyond = np.maximum(0, odds - self.odds[-1]) / self.decade
        return np.interp(odds, self.odds, -np.log10(FRACTIONS)) + beyond


def scaled(found: np.ndarray, growth: float) -> np.ndarray:
    return found[:, 1] / (np.maximum(found[:, 2], FEWEST_PEAKS) / FEWEST_PEAKS) ** growth


def tail(found: np.ndarray) -> Tail:
    """Return the tail that has the most of the queries of each length below it."""
    growth = best_growth(found)
    odds = scaled(found, growth)
    lengths = [np.quantile(odds[found[:, 0] == seconds], 1 - np.array(FRACTIONS)) for seconds in SECONDS]
    exceeded = np.max(lengths, axis=0)
    furthest = float(np.quantile(odds, 1 - FURTHEST))
    return Tail(growth, exceeded, (furthest - exceeded[-1]) / math.log10(TAIL / FURTHEST))


def best_growth(found: np.ndarray) -> float:
    """Return the growth with which queries of all lengths have the same tail."""

    def unevenness(growth: float) -> float:
        odds = scaled(found, growth)
        rare = odds > np.quantile(odds, 1 - TAIL / 2)
        return float(np.std([rare[found[:, 0] == seconds].mean() for seconds in SECONDS]))

    return float(min(GROWTHS, key=unevenness))


def report(found: np.ndarray, tail: Tail) -> None:
    scores = tail.score(scaled(found, tail.growth))
    print(f"\nof {len(scores)} searches of unknown music\n\n| reach a score of | may | do, at", end="")
    print(" | ".join(f" {seconds:g} s" for seconds in SECONDS), "|\n|---|---|" + "---|" * len(SECONDS))
    for score in (0.3, 1.0, 1.3, 1.7, 2.0, 2.5, 3.0, 3.5, 4.0):
        shares = [np.mean(scores[found[:, 0] == seconds] >= score) for seconds in SECONDS]
        print(f"| {score} | {10**-score:.4f} |", " | ".join(f"{share:.4f}" for share in shares), "|")


def write(tables: tuple[np.ndarray, np.ndarray], tail: Tail, *, seconds: float, about: str) -> None:
    usual, again = map(table, tables)
    FILE.write_text(f'''"""What was learnt from music; written by `scripts/fit_recognition.py`, not by hand.

{about}
"""

WEIGHTS = (
{usual})
"""Of what is read at a track's peaks. A row for how far below its surroundings the query is there, and within that for
how far off its frequency is; a column for how much quieter to louder it is than expected: see `readings`."""

AGAIN = (
{again})
"""Added to these. A row for since when the track has had the same note, the latest first, and within that for how far
below its surroundings the query is; a column as above."""

GROWTH = {tail.growth:.2f}
"""Exponent by which the odds of wrong tracks grow with the number of their peaks."""
SCORES = ({", ".join(f"{-math.log10(fraction):.3f}" for fraction in FRACTIONS)})
"""-log10 of the fractions of queries of unknown music,"""
ODDS = ({", ".join(f"{odds:.3f}" for odds in tail.odds)})
"""for which at least so much speaks at most, in a query of a second."""
DECADE = {tail.decade:.3f}
"""By how much more than the last of these speaks for a tenth of those."""
CALIBRATED_SECONDS = {seconds:.1f}
"""Of music in the catalogue with which this was measured."""
''')


def table(weights: np.ndarray) -> str:
    return "".join("    (" + ", ".join(f"{weight:.2f}" for weight in row) + "),\n" for row in weights)


def main() -> None:
    arguments = parsed()
    tracks = read(arguments.music, arguments.cache)
    said = speech(arguments.cache)
    with tempfile.TemporaryDirectory() as folder:
        catalogue = Catalogue(tracks, Path(folder))
        experiment = Experiment(
            catalogue, related(catalogue, tracks, arguments.processes), tracks, said, arguments.queries
        )
        made = joined(in_parallel(lambda number: examples(experiment, number), len(experiment), arguments.processes))
        found = wrong_of_quarters(experiment, made, arguments.processes)
        reached = tail(found)
        report(found, reached)
        scale = math.log(10) / reached.decade
        about = (
            f"Of {len(catalogue.tracks)} tracks in the catalogue and {len(tracks) - len(catalogue.tracks)} out of it; "
            f"{len(experiment)} queries,\n{len(made.is_right)} places, {int(made.is_right.sum())} of them right."
        )
        usual, again = fit(made.counts, made.is_right)
        write((scale * usual, scale * again), reached.scaled(scale), seconds=catalogue.view.seconds, about=about)


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--music", type=Path, required=True, help="a folder of music")
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "chorus-music")
    parser.add_argument("--queries", type=int, default=100, help="of each condition, known and unknown each")
    parser.add_argument("--processes", type=int, default=2)
    return parser.parse_args()


if __name__ == "__main__":
    main()
