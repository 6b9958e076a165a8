"""Learns from music what `app/fingerprint/calibration.py` holds, and writes that file.

    .venv/bin/python scripts/fit_recognition.py --music DIR [--cache DIR] [--queries 100] [--processes 2]

Queries are cut from one half of the tracks under all conditions, and compared with the catalogue. Each place that votes
propose gives an example: how often each combination of what verification reads occurs, and whether the track is the
right one. Weights are those of a logistic regression. Then the queries of each quarter of the tracks are searched again
with weights learnt from the other quarter, and the best odds of tracks that are not the right ones give the tail of the
score.

Tracks with the same recording (remixes, other speeds, parts of the same suite) are no examples of each other; they are
found with the weights that are there already. Starting from none, run it twice.
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
TAIL = 0.02
"""Fraction of queries of unknown music from which on the tail of their best odds is taken to be exponential."""
GROWTHS = np.arange(0.2, 1.0, 0.05)
PEAKS_PER_SECOND = 50
FILE = ROOT / "app" / "fingerprint" / "calibration.py"


@dataclass(frozen=True, slots=True)
class Experiment:
    """Queries of one half of the tracks, by number."""

    catalogue: Catalogue
    related: dict[str, set[str]]
    """Hashes of tracks with the same recording, by hash."""
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

    def alike(self, asked: Query) -> set[str]:
        return {asked.track.hash, *self.related[asked.track.hash]}


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
        for finding in search.as_it_is():
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
    """Return seconds, odds and peaks of the best track that is not the right one, for each length of a query."""
    best = []
    for seconds in SECONDS:
        found = Search(experiment.catalogue.view, asked.listened(seconds)).all(threshold=math.inf)
        alike = experiment.alike(asked)
        others = [one for one in found if experiment.catalogue.track_of(one).hash not in alike]
        if others:
            most = max(others, key=lambda one: one.odds)
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
            return wrong(experiment, query) if quarter(query.track) == asked else []

        for best in in_parallel(work, len(experiment), processes):
            found += best
    return np.array(found)


def scaled(found: np.ndarray, growth: float) -> np.ndarray:
    return found[:, 1] / (found[:, 2] / PEAKS_PER_SECOND) ** growth


def best_growth(found: np.ndarray) -> float:
    """Return the growth with which queries of all lengths have the same tail."""

    def unevenness(growth: float) -> float:
        odds = scaled(found, growth)
        tail = odds > np.quantile(odds, 1 - TAIL / 2)
        return float(np.std([tail[found[:, 0] == seconds].mean() for seconds in SECONDS]))

    return float(min(GROWTHS, key=unevenness))


def report_tail(found: np.ndarray, growth: float, onset: float, decade: float) -> None:
    odds = scaled(found, growth)
    print(f"\nof {len(odds)} searches of unknown music\n\n| reach a score of | should | do, at", end="")
    print(" | ".join(f" {seconds:g} s" for seconds in SECONDS), "|\n|---|---|" + "---|" * len(SECONDS))
    for score in (1.0, 1.5, 2.0, 2.5, 3.0, 3.5):
        least = onset + (score + math.log10(TAIL)) * decade
        shares = [np.mean(odds[found[:, 0] == seconds] >= least) for seconds in SECONDS]
        print(f"| {score} | {10**-score:.4f} |", " | ".join(f"{share:.4f}" for share in shares), "|")


def write(weights: np.ndarray, *, growth: float, onset: float, decade: float, seconds: float, about: str) -> None:
    rows = "".join("    (" + ", ".join(f"{weight:.3f}" for weight in row) + "),\n" for row in weights)
    FILE.write_text(f'''"""What was learnt from music; written by `scripts/fit_recognition.py`, not by hand.

{about}
"""

WEIGHTS = (
{rows})
"""Of what is read at a track's peaks. A row for how far below its surroundings the query is there, and within that for
how far off its frequency is; a column for how much quieter to louder it is than expected: see `verification`."""

GROWTH = {growth:.2f}
"""Exponent by which the odds of wrong tracks grow with the number of their peaks."""
TAIL = {-math.log10(TAIL):.3f}
"""Score from which on it is measured: -log10 of a fraction of queries."""
ONSET = {onset:.3f}
"""Odds that this fraction of queries of unknown music reaches, in 1 s."""
DECADE = {decade:.3f}
"""By how much more than that a tenth of these does."""
CALIBRATED_SECONDS = {seconds:.0f}.0
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
        growth = best_growth(found)
        odds = scaled(found, growth)
        onset = float(np.quantile(odds, 1 - TAIL))
        decade = float((odds[odds > onset] - onset).mean() * math.log(10))
        report_tail(found, growth, onset, decade)
        about = (
            f"Of {len(catalogue.tracks)} tracks in the catalogue and {len(tracks) - len(catalogue.tracks)} out of it; "
            f"{len(experiment)} queries,\n{len(made.is_right)} places, {int(made.is_right.sum())} of them right."
        )
        write(fit(made.counts, made.is_right), growth=growth, onset=onset, decade=decade,
              seconds=catalogue.view.seconds, about=about)  # fmt: skip


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--music", type=Path, required=True, help="a folder of music")
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "chorus-music")
    parser.add_argument("--queries", type=int, default=100, help="of each condition, known and unknown each")
    parser.add_argument("--processes", type=int, default=2)
    return parser.parse_args()


if __name__ == "__main__":
    main()
