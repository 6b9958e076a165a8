"""Learns from music what `app/fingerprint/calibration.py` holds, and writes that file.

    .venv/bin/python scripts/fit_recognition.py --music DIR [--cache DIR] [--queries 100] [--processes 2]

Queries are cut from one half of the tracks under all conditions, and compared with the catalogue. Each place that votes
propose gives an example: how often each combination of what verification reads occurs, and whether the track is the
right one. Weights are those of a logistic regression. Then the queries of each quarter of the tracks are searched again
with weights learnt from the other quarter, their own tracks left out, and the best odds that are reached give the
score.

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
from app.fingerprint.score import FEWEST_PEAKS, scaled_odds  # noqa: E402
from app.fingerprint.search import Search  # noqa: E402
from app.fingerprint.verification import BELOW_STEPS, LOUDER_CLASSES, OFF_STEPS, classes  # noqa: E402
from app.fingerprint.verification import read as look  # noqa: E402

SECONDS = (1.0, 2.0, 3.0, 5.0)
ROWS = (len(BELOW_STEPS) + 1) * (len(OFF_STEPS) + 1)
WEIGHTS = ROWS * LOUDER_CLASSES
RIDGE = 1e-3
"""Times the square of a weight, beside the mean loss."""
RIGHT_SHARE = 0.25
"""Of the loss, that right places have together."""
STEPS = 12
"""Of Newton's method; six are enough."""
FRACTIONS = (0.8, 0.5, 0.2, 0.1, 0.05, 0.02)
"""Of queries of unknown music, whose best odds are written down."""
TAIL = FRACTIONS[-1]
"""From which on the tail of these odds is taken to be exponential,"""
FURTHEST = 0.001
"""to where it is measured."""
GROWTHS = np.arange(0.2, 1.0, 0.05)
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
    """How often each combination occurs there: uint8, `(n, WEIGHTS)`."""
    is_right: np.ndarray
    quarter: np.ndarray
    """Of the track from which the query is."""


def quarter(track: Track) -> int:
    return int(track.hash[8:12], 16) % 2


def examples(experiment: Experiment, number: int) -> Examples:
    """Return those of one query, at all its lengths."""
    asked = experiment.query(number)
    counts, is_right = [], []
    for seconds in SECONDS:
        listener = asked.listened(seconds)
        search = Search(experiment.catalogue.view, listener)
        for finding in search.all(threshold=0, speeds=False):
            track = experiment.catalogue.track_of(finding)
            if track.hash not in experiment.related[asked.track.hash]:
                peaks = search.peaks_of(finding.place, [finding.placement])
                rows, columns = classes(look(listener.heard, peaks, finding.placement)).T
                counts.append(np.bincount(rows * LOUDER_CLASSES + columns, minlength=WEIGHTS).clip(max=255))
                is_right.append(track.hash == asked.track.hash)
    made = np.array(counts, np.uint8).reshape(-1, WEIGHTS)
    return Examples(made, np.array(is_right, bool), np.full(len(made), quarter(asked.track)))


def joined(parts: list[Examples]) -> Examples:
    return Examples(
        np.concatenate([part.counts for part in parts]),
        np.concatenate([part.is_right for part in parts]),
        np.concatenate([part.quarter for part in parts]),
    )


def fit(counts: np.ndarray, is_right: np.ndarray) -> np.ndarray:
    """Return the weights of a logistic regression, by Newton's method: `(ROWS, LOUDER_CLASSES)`."""
    inputs = np.hstack([counts, np.ones((len(counts), 1))]).astype(np.float32)
    shares = np.where(is_right, RIGHT_SHARE / is_right.sum(), (1 - RIGHT_SHARE) / (~is_right).sum())
    ridge = np.append(np.full(WEIGHTS, 2 * RIDGE), 1e-9)
    weights = np.zeros(WEIGHTS + 1)
    for _ in range(STEPS):
        guesses = 1 / (1 + np.exp(-np.clip(inputs @ weights, -40, 40)))
        slope = inputs.T @ (shares * (guesses - is_right)) + ridge * weights
        curvature = (inputs * (shares * guesses * (1 - guesses))[:, None]).T @ inputs + np.diag(ridge)
        weights -= np.linalg.solve(curvature, slope)
    return weights[:-1].reshape(ROWS, LOUDER_CLASSES)


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
    found: list[tuple[float, float, int]] = []
    for asked in (0, 1):
        learnt = made.quarter != asked
        verification._WEIGHTS[:] = fit(made.counts[learnt], made.is_right[learnt])

        def work(number: int, asked: int = asked) -> list[tuple[float, float, int]]:
            query = experiment.query(number)
            is_asked = quarter(query.track) == asked and not experiment.related[query.track.hash]
            return wrong(experiment, query) if is_asked else []

        for best in in_parallel(work, len(experiment), processes):
            found += best
    return np.array(found)


@dataclass(frozen=True, slots=True)
class Tail:
    """How much speaks for what is wrong; odds are those of a second."""

    growth: float
    odds: np.ndarray
    """Which `FRACTIONS` of queries exceed."""
    decade: float

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


def write(weights: np.ndarray, tail: Tail, *, seconds: float, about: str) -> None:
    rows = "".join("    (" + ", ".join(f"{weight:.3f}" for weight in row) + "),\n" for row in weights)
    FILE.write_text(f'''"""What was learnt from music; written by `scripts/fit_recognition.py`, not by hand.

{about}
"""

WEIGHTS = (
{rows})
"""Of what is read at a track's peaks. A row for how far below its surroundings the query is there, and within that for
how far off its frequency is; a column for how much quieter to louder it is than expected: see `verification`."""

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
        about = (
            f"Of {len(catalogue.tracks)} tracks in the catalogue and {len(tracks) - len(catalogue.tracks)} out of it; "
            f"{len(experiment)} queries,\n{len(made.is_right)} places, {int(made.is_right.sum())} of them right."
        )
        write(fit(made.counts, made.is_right), reached, seconds=catalogue.view.seconds, about=about)


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--music", type=Path, required=True, help="a folder of music")
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "chorus-music")
    parser.add_argument("--queries", type=int, default=100, help="of each condition, known and unknown each")
    parser.add_argument("--processes", type=int, default=2)
    return parser.parse_args()


if __name__ == "__main__":
    main()
