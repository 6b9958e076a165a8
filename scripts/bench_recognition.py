"""Measures the recognition of music: what is found under 29 conditions, what is found wrongly, and what it costs.

    .venv/bin/python scripts/bench_recognition.py --music DIR [--cache DIR] [--queries 60] [--conditions NAME…]

DIR is a folder with music, at least some fifty tracks. A fifth of them, by the content of the files, is kept out of the
catalogue; queries from these must not be found, and set the threshold. Queries are cut only from the half of the tracks
from which no constant was learnt. Tracks that are kept out but share sound with one of the catalogue are no queries;
they are named. What the score promises is also asked of queries from the catalogue without their track: of many more.

A hit is the right track with a score over the threshold; an offset hit is also at the right time, within 0.2 s (music
that repeats itself may be found where it does). That a track of the same sound is found as well is no mistake. Prints
tables in Markdown with the machine it ran on. Every figure with a bar says if it misses it.
"""

import argparse
import os
import platform
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from degradations import CONDITIONS, EXTRA, Signal
from music_library import ROOT, Catalogue, Query, Track, in_parallel, query, read, related, speech

sys.path.insert(0, str(ROOT))

from app.audio.decode import decode  # noqa: E402
from app.fingerprint.fingerprinter import fingerprint  # noqa: E402
from app.fingerprint.score import DEFAULT_THRESHOLD, confidence, similarity  # noqa: E402
from app.fingerprint.search import Library, Search  # noqa: E402
from app.fingerprint.spectrum import FRAMES_PER_SECOND, SAMPLE_RATE  # noqa: E402

SECONDS = (1.0, 2.0, 3.0, 5.0)
FALSE_POSITIVES = 0.005
OFFSET_SECONDS = 0.2
EASY = ("clean", "phone", "mp3_64", "opus_32", "reverb")
SCORES = (0.7, 1.0, 1.3, 2.0, 2.5, 2.6, 3.0, 4.0, 5.0)
RESAMPLED = 1000
"""Times that tracks are drawn anew, to see how much depends on which they are."""
OTHER_SPEEDS = ("speed+4", "speed-4", "tempo+4", "pitch+2", "pitch+3")
INGEST_TRACKS = 12
MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Answer:
    """What was found of one query at one length."""

    condition: str
    seconds: float
    kind: str
    """Whether the track is `known`, `unknown`, or known but `hidden`."""
    track: str
    right: float
    """Best score of the right track; -1 if it is not found."""
    offset: float
    """Seconds that it is off."""
    wrong: float
    """Best score of any other track; -1 if there is none."""
    mistaken: str
    """Name of that one."""
    listening: float
    """Seconds of CPU."""
    searching: float


@dataclass(frozen=True, slots=True)
class Experiment:
    """Queries by number."""

    catalogue: Catalogue
    known: list[Track]
    unknown: list[Track]
    alike: dict[str, set[str]]
    """Hashes of tracks that share sound, by hash."""
    said: Signal
    conditions: list[str]
    queries: int

    def __len__(self) -> int:
        return 2 * self.queries * len(self.conditions)

    def answers(self, number: int) -> list[Answer]:
        """Make a query, and ask it at all lengths."""
        number, condition = divmod(number, len(self.conditions))
        number, is_unknown = divmod(number, 2)
        tracks = self.unknown if is_unknown else self.known
        asked = query(tracks, self.conditions[condition], number, self.said)
        if is_unknown:
            return [self._answer(asked, seconds, "unknown", self.catalogue.view) for seconds in SECONDS]
        answers = [self._answer(asked, seconds, "known", self.catalogue.view) for seconds in SECONDS]
        if not self.alike[asked.track.hash]:
            others = self.catalogue.without({asked.track.hash})
            answers += [self._answer(asked, seconds, "hidden", others) for seconds in SECONDS]
        return answers

    def _answer(self, asked: Query, seconds: float, kind: str, library: Library) -> Answer:
        started = time.process_time()
        listener = asked.listened(seconds)
        listened = time.process_time()
        found = Search(library, listener).all(threshold=DEFAULT_THRESHOLD)
        ended = time.process_time()
        right, offset, wrong, mistaken = -1.0, np.inf, -1.0, ""
        for finding in found:
            track = self.catalogue.track_of(finding)
            if track.hash in self.alike[asked.track.hash]:
                continue
            if track.hash != asked.track.hash:
                wrong, mistaken = max((wrong, mistaken), (finding.score, track.name))
            elif finding.score > right:
                start = (finding.placement.place - finding.place.first_frame) / FRAMES_PER_SECOND
                right, offset = finding.score, abs(start - asked.start)
        times = (listened - started, ended - listened)
        return Answer(asked.condition, seconds, kind, asked.track.name, right, offset, wrong, mistaken, *times)


class Answers:
    """All that was answered."""

    def __init__(self, answers: list[Answer]) -> None:
        self._answers = answers
        self.conditions = list(dict.fromkeys(one.condition for one in answers))

    def threshold(self, seconds: float) -> float:
        """Return the score that at most 0.5 % of the queries of unknown music exceed."""
        scores = np.sort([one.wrong for one in self._of(seconds, "unknown")])
        return float(scores[int(np.ceil(len(scores) * (1 - FALSE_POSITIVES))) - 1])

    def false_positives(self, seconds: float, least: float) -> float:
        return float(np.mean([one.wrong >= least for one in self._of(seconds, "unknown")]))

    def unknown(self, seconds: float) -> int:
        return len(self._of(seconds, "unknown"))

    def wrong_by_track(self, seconds: float) -> list[np.ndarray]:
        """Return the best scores of what is wrong, for each track that is not in the catalogue, or hidden there."""
        scores: dict[str, list[float]] = {}
        for one in self._answers:
            if one.seconds == seconds and one.kind != "known":
                scores.setdefault(one.track, []).append(one.wrong)
        return [np.array(each) for each in scores.values()]

    def mistakes(self, least: float) -> dict[tuple[str, str], list[Answer]]:
        """Return the answers that are wrong by so much, by the names of the tracks."""
        found: dict[tuple[str, str], list[Answer]] = {}
        for one in sorted(self._answers, key=lambda one: -one.wrong):
            if one.kind != "known" and one.wrong >= least:
                found.setdefault((one.track, one.mistaken), []).append(one)
        return found

    def hits(self, seconds: float, least: float, conditions: Iterable[str], *, offset: float = np.inf) -> float:
        """Return the fraction that is found, in percent; each condition counts the same."""
        shares = []
        for condition in conditions:
            mine = [one for one in self._of(seconds, "known") if one.condition == condition]
            shares.append(
                np.mean([one.right > least and one.right >= one.wrong and one.offset <= offset for one in mine])
            )
        return 100 * float(np.mean(shares))

    def milliseconds(self, seconds: float, part: Callable[[Answer], float], *, kind: str) -> float:
        return 1000 * statistics.median(part(one) for one in self._of(seconds, kind))

    def _of(self, seconds: float, kind: str) -> list[Answer]:
        return [one for one in self._answers if one.seconds == seconds and one.kind == kind]


def print_hits(answers: Answers) -> None:
    """Print what is found: first number hits, second offset hits."""
    thresholds = {seconds: answers.threshold(seconds) for seconds in SECONDS}
    print(
        f"Hits / offset hits in %, with the threshold for at most {100 * FALSE_POSITIVES} % false positives of the",
        end=" ",
    )
    print(f"{answers.unknown(3.0)} queries of unknown music at each length, and with the default one.\n")
    print("| condition |", " | ".join(f"{seconds:g} s" for seconds in SECONDS), "| 3 s, default |")
    print("|---|" + "--:|" * (len(SECONDS) + 1))
    rows = [(name, (name,)) for name in answers.conditions]
    if {*CONDITIONS} <= {*answers.conditions}:
        rows.append(("**all 29**", tuple(CONDITIONS)))
    for name, conditions in rows:
        cells = [_cell(answers, seconds, least, conditions) for seconds, least in thresholds.items()]
        cells.append(_cell(answers, 3.0, DEFAULT_THRESHOLD, conditions))
        print(f"| {name} |", " | ".join(cells), "|")
    print("| threshold |", " | ".join(f"{least:.2f}" for least in thresholds.values()), f"| {DEFAULT_THRESHOLD:.2f} |")
    shares = [100 * answers.false_positives(seconds, DEFAULT_THRESHOLD) for seconds in SECONDS]
    print("| false positives, default |", " | ".join(f"{share:.2f}" for share in shares), f"| {shares[2]:.2f} |\n")


def _cell(answers: Answers, seconds: float, least: float, conditions: tuple[str, ...]) -> str:
    hits = answers.hits(seconds, least, conditions)
    return f"{hits:.1f} / {answers.hits(seconds, least, conditions, offset=OFFSET_SECONDS):.1f}"


def print_bars(answers: Answers) -> None:
    """Print what must be reached, under all conditions."""
    at = {seconds: answers.threshold(seconds) for seconds in SECONDS}
    bars = [
        ("all 29, 3 s", answers.hits(3.0, at[3.0], CONDITIONS), 92.0),
        ("all 29, 1 s", answers.hits(1.0, at[1.0], CONDITIONS), 60.0),
        ("speech +3 dB, 3 s", answers.hits(3.0, at[3.0], ["speech3"]), 93.0),
        ("babble 0 dB, 3 s", answers.hits(3.0, at[3.0], ["babble0"]), 75.0),
        *((f"{name}, 3 s", answers.hits(3.0, at[3.0], [name]), 99.0) for name in EASY),
        *((f"{name}, 3 s", answers.hits(3.0, at[3.0], [name]), 95.0) for name in OTHER_SPEEDS),
    ]
    print("| figure | % | bar | |\n|---|--:|--:|---|")
    for name, value, bar in bars:
        print(f"| {name} | {value:.1f} | {bar:.0f} | {'' if value >= bar else 'MISSED'} |")
    print()


def print_calibration(answers: Answers) -> None:
    """Print how many queries of unknown music reach a score, beside how many may."""
    scores = {seconds: answers.wrong_by_track(seconds) for seconds in SECONDS}
    print(
        "Unknown music that reaches a score, in %, and within what this is for 95 % of other choices of tracks:",
        end=" ",
    )
    print(f"{sum(map(len, scores[3.0]))} queries of {len(scores[3.0])} tracks, kept or left out of the catalogue.\n")
    print("| score | confidence | similarity | may |", " | ".join(f"{seconds:g} s" for seconds in SECONDS), "|")
    print("|--:|--:|--:|--:|" + "--:|" * len(SECONDS))
    for score in SCORES:
        print(f"| {score} | {confidence(score):.5f} | {similarity(score):.3f} | {100 * 10**-score:.3f} |", end=" ")
        print(" | ".join(_share(tracks, score) for tracks in scores.values()), "|")
    print("\nOf these, what reaches the default threshold:\n")
    print("| unknown | taken for | queries | highest score |\n|---|---|--:|--:|")
    for (track, mistaken), wrong in answers.mistakes(DEFAULT_THRESHOLD).items():
        print(f"| {track} | {mistaken} | {len(wrong)} | {wrong[0].wrong:.1f} ({wrong[0].condition}) |")
    print()


def _share(tracks: list[np.ndarray], score: float) -> str:
    reached, asked = np.array([[np.sum(scores >= score), len(scores)] for scores in tracks]).T
    drawn = np.random.default_rng(0).integers(0, len(tracks), (RESAMPLED, len(tracks)))
    low, high = np.quantile(reached[drawn].sum(axis=1) / asked[drawn].sum(axis=1), (0.025, 0.975))
    return f"{100 * reached.sum() / asked.sum():.2f} ({100 * low:.2f}…{100 * high:.2f})"


def print_costs(answers: Answers) -> None:
    """Print what a query costs."""
    print("CPU of a query in ms, medians: listening + searching, of known music (clean to noisy) and of unknown.\n")
    print("| |", " | ".join(f"{seconds:g} s" for seconds in SECONDS), "|\n|---|" + "--:|" * len(SECONDS))
    for kind in ("known", "unknown"):
        cells = [
            f"{answers.milliseconds(seconds, lambda one: one.listening, kind=kind):.1f} + "
            f"{answers.milliseconds(seconds, lambda one: one.searching, kind=kind):.1f}"
            for seconds in SECONDS
        ]
        print(f"| {kind} |", " | ".join(cells), "|")
    print()


def print_ingest(folder: Path, tracks: list[Track]) -> None:
    """Print how fast files become fingerprints, in one thread."""
    decoding = analysing = seconds = 0.0
    for track in tracks[:: max(1, len(tracks) // INGEST_TRACKS)][:INGEST_TRACKS]:
        data = (folder / track.name).read_bytes()
        started = time.process_time()
        clip = decode(data, sample_rate=SAMPLE_RATE, max_samples=1 << 31, max_bytes=1 << 30)
        decoded = time.process_time()
        fingerprint(clip.samples, sample_rate=clip.sample_rate)
        decoding, analysing = decoding + decoded - started, analysing + time.process_time() - decoded
        seconds += clip.duration
    whole = decoding + analysing
    print(f"Ingest of {seconds / 60:.0f} min of these files: {seconds / whole:.0f} x real time a core", end=" ")
    print(f"(decoding {seconds / decoding:.0f}, fingerprint {seconds / analysing:.0f}); bar 300", end="")
    print("." if seconds / whole >= 300 else ": MISSED.")


def print_machine() -> None:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{os.cpu_count()} cores of {_processor()}, Python {platform.python_version()}, numpy {np.__version__};",
        end=" ",
    )
    print(f"load {os.getloadavg()[0]:.1f}; memory of this process at most {peak:.0f} MiB.\n")


def _processor() -> str:
    names = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    return names[0].split(":")[1].strip() if names else platform.machine()


def divided(catalogue: Catalogue, tracks: list[Track], alike: dict[str, set[str]]) -> tuple[list[Track], list[Track]]:
    """Return the tracks of the catalogue and those out of it from which queries are cut; tell what is left out."""
    mine = [track for track in tracks if track.half == 1]
    known, out = ([track for track in mine if track.is_held_out == flag] for flag in (False, True))
    shared = [track for track in out if alike[track.hash]]
    print(f"{len(catalogue.tracks)} tracks, {catalogue.view.seconds / 3600:.1f} h, in the catalogue;", end=" ")
    print(f"queries from {len(known)} of them, and from {len(out) - len(shared)} out of it.")
    print("Left out, since they share sound with a track of the catalogue:", end=" ")
    print(", ".join(track.name for track in shared) or "none", end=".\n\n")
    return known, [track for track in out if track not in shared]


def main() -> None:
    arguments = parsed()
    tracks = read(arguments.music, arguments.cache)
    said = speech(arguments.cache)
    print_machine()
    with tempfile.TemporaryDirectory() as folder:
        catalogue = Catalogue(tracks, Path(folder))
        alike = related(catalogue, [track for track in tracks if track.half == 1], arguments.processes)
        known, unknown = divided(catalogue, tracks, alike)
        experiment = Experiment(catalogue, known, unknown, alike, said, arguments.conditions, arguments.queries)
        parts = in_parallel(experiment.answers, len(experiment), arguments.processes)
        answers = Answers([answer for part in parts for answer in part])
    if len(answers.conditions) == len({**CONDITIONS, **EXTRA}):
        print_bars(answers)
    print_hits(answers)
    print_calibration(answers)
    print_costs(answers)
    print_ingest(arguments.music, tracks)


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--music", type=Path, required=True, help="a folder of music")
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "chorus-music")
    parser.add_argument(
        "--conditions", nargs="+", choices=[*CONDITIONS, *EXTRA], default=[*CONDITIONS, *EXTRA], help="only some"
    )
    parser.add_argument("--queries", type=int, default=60, help="of each condition, known and unknown each")
    parser.add_argument("--processes", type=int, default=2)
    return parser.parse_args()


if __name__ == "__main__":
    main()
