"""Measures the recognition of music in live streams: how soon, how often wrongly, and what it costs.

    .venv/bin/python scripts/bench_listening.py --music DIR [--cache DIR] [--queries 60] [--hours 12] [--only PART]
        [--half 1] [--bound B]

DIR is a folder with music, at least some fifty tracks; `music_library.py` says which of them are in the catalogue.
Prints tables in Markdown with the machine they come from:

1. Latency: streams that begin at random places of tracks of the half from which no constant was learnt, under the
   conditions of `degradations.py`. Time is that of the sound, from its first sample to the message; what the server
   takes beside it is some milliseconds.
2. False alarms: tracks that are not in the catalogue, from end to end, under several conditions; speech; noise. They
   are of one half, the other one than that on which the bound was chosen (`--half 0 --bound 8` shows how that was
   done). Tracks that share a recording with one of the catalogue are left out, and named.
3. Cost: CPU of a hop, by what is heard. Each hop is heard five times, and the least is taken, since a busy machine only
   makes them longer. Memory: that of many streams at once.
"""

import argparse
import os
import platform
import resource
import statistics
import sys
import tempfile
import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from degradations import CONDITIONS, EXTRA, Signal, babble, faster, pink, white
from music_library import RATE, ROOT, Catalogue, Track, in_parallel, query, read, related, speech

sys.path.insert(0, str(ROOT))

from app.audio.pcm import Samples, to_float32  # noqa: E402
from app.fingerprint.certainty import CERTAIN  # noqa: E402
from app.fingerprint.event import Matched  # noqa: E402
from app.fingerprint.recognizer import Recognizer  # noqa: E402

HOP = 0.5
HOP_SAMPLES = int(HOP * RATE)
AT_SPEED = ("clean", "mp3_64", "opus_32", "phone", "reverb", "speech3", "ota", "stream", "white0", "babble0")
AT_OTHER_SPEEDS = ("speed+1", "speed+2", "speed-4", "tempo+4", "pitch+3")
SECONDS, OTHER_SECONDS = (1.0, 1.5, 2.0, 3.0, 5.0), (2.0, 5.0, 10.0, 15.0, 20.0)
PROTOTYPE = {"clean": 1.0, "mp3_64": 1.0, "phone": 1.0, "reverb": 2.0, "ota": 2.0, "speech3": 2.0, "stream": 2.2,
             "white0": 2.5, "babble0": 3.5}  # fmt: skip
"""Medians, in seconds, of the prototype that this is compared with: another catalogue, of 252 tracks."""
FASTEST, NOISY = ("clean", "mp3_64", "opus_32", "phone"), ("speech3", "ota")

UNKNOWN = ("clean", "mp3_64", "phone", "speech3", "ota", "opus_32", "gain-20", "reverb")
"""Conditions under which unknown music is heard, until there are hours enough."""
PIECE_SECONDS = 60
"""To which a condition is applied at a time."""
NOISE_SECONDS = 600
VOICES = (0.9, 0.95, 1.0, 1.05, 1.1)
"""Speeds at which speech is heard."""
SAME = 0.6
"""Correlation of waveforms from which on they are of the same recording."""
CERTAINTIES = (8.0, 10.0, 12.0, 14.0, 16.0, 20.0)

COST_SECONDS, SETTLING_SECONDS, REPEATS = 30, 5, 5
MEMORY_STREAMS, MEMORY_SECONDS = 200, 6
MIB = 1024 * 1024


class Frozen:
    """The index of a catalogue, as a recognizer takes it."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._view = catalogue.view

    def view(self) -> object:
        return self._view


def hops(samples: Samples) -> Iterator[Samples]:
    for start in range(0, len(samples) - HOP_SAMPLES + 1, HOP_SAMPLES):
        yield samples[start : start + HOP_SAMPLES]


def recognizer(catalogue: Catalogue, bound: float = CERTAIN) -> Recognizer:
    return Recognizer(Frozen(catalogue), sample_rate=RATE, hop=HOP, certain=bound)  # type: ignore[arg-type]


def happens(condition: str, samples: Samples, rng: np.random.Generator, said: Signal) -> Samples:
    heard = {**CONDITIONS, **EXTRA}[condition](samples.astype(np.float64), rng, said)
    return heard.astype(np.float32).clip(-1, 1)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a stream of known music."""

    condition: str
    seconds: float
    """Until the right track was told of; infinite if it was not."""
    is_wrong: bool
    """Whether another one was, which does not share a recording with it."""


@dataclass(frozen=True, slots=True)
class Latency:
    """Streams by number."""

    catalogue: Catalogue
    tracks: list[Track]
    said: Signal
    queries: int
    bound: float

    def __len__(self) -> int:
        return self.queries * len(AT_SPEED + AT_OTHER_SPEEDS)

    def outcome(self, number: int) -> Outcome:
        number, condition = divmod(number, len(AT_SPEED + AT_OTHER_SPEEDS))
        name = (AT_SPEED + AT_OTHER_SPEEDS)[condition]
        seconds = OTHER_SECONDS[-1] if name in AT_OTHER_SPEEDS else SECONDS[-1]
        asked = query(self.tracks, name, number, self.said, seconds=seconds, sample_rate=RATE)
        listening, found, others = recognizer(self.catalogue, self.bound), np.inf, set()
        for hop, samples in enumerate(hops(asked.samples), 1):
            for event in listening.push(samples):
                hashes = (
                    {self.catalogue.tracks[hit.track_id].hash for hit in event.hits}
                    if isinstance(event, Matched)
                    else set()
                )
                if asked.track.hash in hashes:
                    found = min(found, hop * HOP)
                others |= hashes - {asked.track.hash}
        return Outcome(name, found, bool(others and others - self.catalogue.related(asked.track)))


def print_latency(outcomes: list[Outcome]) -> None:
    print(f"Found by so many seconds, in %, of {len(outcomes) // len(AT_SPEED + AT_OTHER_SPEEDS)} streams each.\n")
    for conditions, moments in ((AT_SPEED, SECONDS), (AT_OTHER_SPEEDS, OTHER_SECONDS)):
        print("| |", " | ".join(f"{moment:g} s" for moment in moments), "| median | prototype | wrong | bar |")
        print("|---|" + "--:|" * (len(moments) + 3) + "---|")
        for condition in conditions:
            mine = [one for one in outcomes if one.condition == condition]
            times = [one.seconds for one in mine]
            shares = [100 * np.mean([seconds <= moment for seconds in times]) for moment in moments]
            median = statistics.median(times)
            cells = " | ".join(f"{share:.0f}" for share in shares)
            wrong = sum(one.is_wrong for one in mine)
            print(f"| {condition} | {cells} | {median:.1f} | {PROTOTYPE.get(condition, '–')} | {wrong} |", end=" ")
            print(_bar(condition, median, shares[1] if moments is SECONDS else 0.0), "|")
        print()


def _bar(condition: str, median: float, by_1_5: float) -> str:
    if condition in FASTEST:
        return "" if median <= 1.0 and by_1_5 >= 97 else "median 1.0, 97 by 1.5: MISSED"
    if condition in NOISY:
        return "" if median <= 1.5 else "median 1.5: MISSED"
    return ""


@dataclass(frozen=True, slots=True)
class Watch:
    """What came of a stream in which nothing of the catalogue plays."""

    kind: str
    name: str
    seconds: float
    highest: float
    reached: tuple[int, ...]
    """How often each of `CERTAINTIES` was: once for as long as it is."""
    told: dict[str, float]
    """The tracks it was taken for, and how alike their waveforms were when it was."""

    @property
    def alarms(self) -> int:
        return sum(likeness < SAME for likeness in self.told.values())


def likeness(track: Track, moment: float, other: Track, there: float) -> float:
    """Return how well 2 s before a moment of a track correlate with those before one of another, give or take 0.5 s."""
    end, length, reach = int(moment * RATE), 2 * RATE, RATE // 2
    heard = np.diff(to_float32(np.array(track.samples[max(0, end - length) : end])))
    first = max(0, int(there * RATE) - length - reach)
    around = np.diff(to_float32(np.array(other.samples[first : first + length + 2 * reach])))
    if len(around) <= len(heard):
        return 0.0
    size = len(around) + len(heard)
    products = np.fft.irfft(np.fft.rfft(around, size) * np.fft.rfft(heard, size).conj(), size)
    energies = np.cumsum(np.concatenate(([0.0], around.astype(np.float64) ** 2)))
    energies = energies[len(heard) :] - energies[: -len(heard)]
    alike = np.abs(products[: len(energies)]) / np.sqrt((heard**2).sum() * energies + 1e-12)
    return float(alike.max())


@dataclass(frozen=True, slots=True)
class Silence:
    """Streams in which nothing of the catalogue plays, by number."""

    catalogue: Catalogue
    tracks: list[Track]
    said: Signal
    jobs: list[tuple[str, int]]
    bound: float

    @classmethod
    def of(cls, catalogue: Catalogue, tracks: list[Track], said: Signal, hours: float, bound: float) -> "Silence":
        """Take as many conditions as are needed for so many hours."""
        jobs = [("speech", number) for number in range(len(VOICES))]
        jobs += [(kind, number) for kind in ("white", "pink", "babble") for number in range(1)]
        seconds = len(VOICES) * len(said) / RATE + 3 * NOISE_SECONDS
        for condition in UNKNOWN:
            if seconds < 3600 * hours:
                jobs += [(condition, number) for number in range(len(tracks))]
                seconds += sum(track.seconds for track in tracks)
        return cls(catalogue, tracks, said, jobs, bound)

    def __len__(self) -> int:
        return len(self.jobs)

    def watch(self, number: int) -> Watch:
        kind, number = self.jobs[number]
        rng = np.random.default_rng([zlib.crc32(kind.encode()), number])
        listening, scores, told = recognizer(self.catalogue, self.bound), [], {}
        for samples in (hop for piece in self._pieces(kind, number, rng) for hop in hops(piece)):
            for event in listening.push(samples):
                for hit in event.hits if isinstance(event, Matched) else ():
                    other = self.catalogue.tracks[hit.track_id]
                    if other.name not in told:
                        moment = (len(scores) + 1) * HOP
                        told[other.name] = (
                            likeness(self.tracks[number], moment, other, hit.end) if kind in UNKNOWN else 0.0
                        )
            scores.append(listening.nearest)
        above = np.array(scores)[:, None] >= np.array(CERTAINTIES)
        reached = above[0].astype(int) + (above[1:] & ~above[:-1]).sum(axis=0)
        name = self.tracks[number].name if kind in UNKNOWN else str(number)
        return Watch(kind, name, HOP * len(scores), max(scores), tuple(reached.tolist()), told)

    def _pieces(self, kind: str, number: int, rng: np.random.Generator) -> Iterator[Samples]:
        if kind == "speech":
            yield faster(self.said, VOICES[number]).astype(np.float32)
        elif kind in ("white", "pink", "babble"):
            for _ in range(NOISE_SECONDS // PIECE_SECONDS):
                count = PIECE_SECONDS * RATE
                noise = (
                    babble(count, rng, self.said)
                    if kind == "babble"
                    else {"white": white, "pink": pink}[kind](count, rng)
                )
                yield (0.05 * noise / noise.std()).astype(np.float32)
        else:
            samples = self.tracks[number].samples
            for start in range(0, len(samples) - RATE, PIECE_SECONDS * RATE):
                piece = to_float32(np.array(samples[start : start + PIECE_SECONDS * RATE]))
                yield happens(kind, piece, rng, self.said)


def print_alarms(watches: list[Watch], bound: float) -> None:
    print(f"Nothing of the catalogue plays. Alarms are certainties of {bound} and more, of the same sound those whose")
    print(f"waveforms correlate by {SAME} and more: a loop or a sample that both tracks have. They are no alarms.\n")
    print(
        "| heard | hours | alarms | same sound | highest certainty |",
        " | ".join(f"≥ {least:g}" for least in CERTAINTIES),
        "|",
    )
    print("|---|--:|--:|--:|--:|" + "--:|" * len(CERTAINTIES))
    for kind in [*dict.fromkeys(one.kind for one in watches), "**all**"]:
        mine = [one for one in watches if kind in (one.kind, "**all**")]
        reached = np.sum([one.reached for one in mine], axis=0)
        hours, alarms = sum(one.seconds for one in mine) / 3600, sum(one.alarms for one in mine)
        same = sum(len(one.told) - one.alarms for one in mine)
        print(f"| {kind} | {hours:.2f} | {alarms} | {same} | {max(one.highest for one in mine):.2f} |", end=" ")
        print(" | ".join(str(count) for count in reached), "|")
    print("\nHighest:", end=" ")
    for one in sorted(watches, key=lambda one: -one.highest)[:8]:
        print(f"{one.highest:.2f} {one.kind} {Path(one.name).name}", end=" ")
        print({Path(name).name: round(likeness, 2) for name, likeness in one.told.items()} or "", end="; ")
    print("\n")


def print_costs(catalogue: Catalogue, known: list[Track], unknown: list[Track], said: Signal) -> None:
    print(f"CPU of a hop of {HOP} s in ms, after {SETTLING_SECONDS} s.\n")
    print("| heard | mean | median | 95 % | bar |\n|---|--:|--:|--:|---|")
    streams = {
        "unknown music": [(track, "clean") for track in unknown],
        "unknown music, speech over it": [(track, "speech3") for track in unknown],
        "known music": [(track, "clean") for track in known],
        "known music, speech over it": [(track, "speech3") for track in known],
        "known music, 2 % faster": [(track, "speed+2") for track in known],
    }
    for name, heard in streams.items():
        costs = [cost for track, condition in heard[:8] for cost in _costs(catalogue, track, condition, said)]
        mean = statistics.fmean(costs)
        bar = "" if mean <= 1.0 else "1.0: MISSED"
        print(f"| {name} | {mean:.2f} | {statistics.median(costs):.2f} | {np.quantile(costs, 0.95):.2f} | {bar} |")
    print()


def _costs(catalogue: Catalogue, track: Track, condition: str, said: Signal) -> list[float]:
    middle = len(track.samples) // 2
    start = max(0, middle - COST_SECONDS * RATE // 2)
    piece = to_float32(np.array(track.samples[start : start + COST_SECONDS * RATE]))
    piece = happens(condition, piece, np.random.default_rng(0), said)
    rounds = []
    for _ in range(REPEATS):
        listening, costs = recognizer(catalogue), []
        for samples in hops(piece):
            started = time.thread_time()
            listening.push(samples)
            costs.append(1000 * (time.thread_time() - started))
        rounds.append(costs[int(SETTLING_SECONDS / HOP) :])
    return [min(costs) for costs in zip(*rounds, strict=True)]


def print_memory(catalogue: Catalogue, unknown: list[Track]) -> None:
    samples = to_float32(np.array(unknown[0].samples[: MEMORY_SECONDS * RATE]))
    recognizer(catalogue).push(samples)
    before, streams = _resident(), [recognizer(catalogue) for _ in range(MEMORY_STREAMS)]
    for listening in streams:
        listening.push(samples)
    each = (_resident() - before) / MEMORY_STREAMS
    print(f"Memory: {each / MIB:.2f} MiB a stream, of {MEMORY_STREAMS}; bar 1{'' if each <= MIB else ': MISSED'}.\n")


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def print_machine() -> None:
    names = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    processor = names[0].split(":")[1].strip() if names else platform.machine()
    print(
        f"{os.cpu_count()} cores of {processor}, Python {platform.python_version()}, numpy {np.__version__};", end=" "
    )
    print(f"load {os.getloadavg()[0]:.1f}.\n")


def main() -> None:
    arguments = parsed()
    tracks, said = read(arguments.music, arguments.cache), speech(arguments.cache)
    print_machine()
    with tempfile.TemporaryDirectory() as folder:
        catalogue = Catalogue(tracks, Path(folder))
        known = [track for track in tracks if track.half == 1 and not track.is_held_out]
        out = [track for track in tracks if track.is_held_out and track.half == arguments.half]
        if arguments.only in (None, "costs"):
            print_memory(catalogue, out)
            print_costs(catalogue, known, out, said)
        if arguments.only in (None, "latency"):
            latency = Latency(catalogue, known, said, arguments.queries, arguments.bound)
            print_latency(in_parallel(latency.outcome, len(latency), arguments.processes))
        if arguments.only in (None, "alarms"):
            alike = related(catalogue, out, arguments.processes)
            shared = [track for track in out if alike[track.hash]]
            print("Left out:", ", ".join(track.name for track in shared) or "none", end=".\n\n")
            mine = [track for track in out if track not in shared]
            silence = Silence.of(catalogue, mine, said, arguments.hours, arguments.bound)
            print_alarms(in_parallel(silence.watch, len(silence), arguments.processes), arguments.bound)


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--music", type=Path, required=True, help="a folder of music")
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "chorus-music")
    parser.add_argument("--queries", type=int, default=60, help="of each condition")
    parser.add_argument("--hours", type=float, default=12.0, help="in which nothing of the catalogue plays")
    parser.add_argument("--half", type=int, choices=(0, 1), default=1, help="of the music that is unknown")
    parser.add_argument("--bound", type=float, default=CERTAIN, help="certainty from which on a track is told of")
    parser.add_argument("--only", choices=("costs", "latency", "alarms"))
    parser.add_argument("--processes", type=int, default=2)
    return parser.parse_args()


if __name__ == "__main__":
    main()
