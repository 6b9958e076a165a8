"""Measures live streams: the whole server in a process of its own, paced clients in another, over real sockets.

    .venv/bin/python scripts/bench_streams.py [--streams N ...] [--seconds S] [--music FOLDER --cache FOLDER]

Prints a table in Markdown with the machine it ran on. Clients send music, in frames of the size of the document's
client, when it is due, whatever the server does. Half of the streams play tracks of the catalogue, a quarter music that
is not in it, a quarter speech. The catalogue has four fifths of the folder; without one, of music made up for it. The
clients work on the same cores as the server, and so does whatever else runs on the machine: run it alone.
"""

import argparse
import json
import os
import re
import resource
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import numpy as np
import psutil
from bench_speech import Row, machine, ms, quantile
from music_library import ROOT, read, speech
from stream_players import CONNECTIONS_PER_SECOND, RATE, Player, Sounds, Told

from app.audio import wav
from app.audio.pcm import Pcm, to_float32, to_int16
from app.fingerprint.hearings import AT_HOME
from tests.fingerprint.music import tune

FRAME_SAMPLES = 4096
"""Of the document's client."""
LATE_SECONDS = 0.5
HEALTH_SECONDS = 0.2
MEMORY_BYTES = 1 << 20
EXCERPTS = {"known": 48, "unknown": 24, "speech": 24}
EXCERPT_SECONDS = 30.0
MADE_TRACKS = 60
WARM_STREAMS, WARM_SECONDS = 80, 8.0
"""More than are heard without processes, and longer than these take to start."""
SECRET = "0" * 32
SETTINGS = {
    "AUTH_SECRET": SECRET,
    "LOG_LEVEL": "WARNING",
    "TTS_BACKENDS": "espeak",
    "WEBSOCKET_MAX_CONNECTIONS": "0",
    "STREAM_MAX_CONNECTIONS_PER_IP": "0",
    "STREAM_MAX_ATTEMPTS_PER_MINUTE": "0",
}


@dataclass(frozen=True, slots=True)
class Song:
    """A track as the bench knows it."""

    path: Path
    title: str
    samples: Pcm
    """At `RATE`."""
    is_known: bool
    """Whether the catalogue gets it."""


def songs(music: Path | None, cache: Path, work: Path) -> list[Song]:
    """Return the tracks of a folder, or some that are made up."""
    if music is not None:
        tracks = read(music, cache)
        return [Song(music / track.name, track.hash, track.samples, not track.is_held_out) for track in tracks]
    made = []
    for number in range(MADE_TRACKS):
        samples, path = to_int16(tune(number, seconds=EXCERPT_SECONDS * 2, sample_rate=RATE)), work / f"{number}.wav"
        path.write_bytes(wav.encode(samples.tobytes(), sample_rate=RATE))
        made.append(Song(path, f"made {number}", samples, number % 5 > 0))
    return made


def sounds(songs: Sequence[Song], said: np.ndarray) -> Sounds:
    """Cut what the clients play."""
    rng, length = np.random.default_rng(1), int(EXCERPT_SECONDS * RATE)
    excerpts, titles = {}, {}
    for kind, count in EXCERPTS.items():
        long = [song for song in songs if song.is_known == (kind == "known") and len(song.samples) > length]
        cuts, titles[kind] = [], []
        for _ in range(count):
            song = long[rng.integers(len(long))]
            source = said if kind == "speech" else song.samples
            start = int(rng.integers(len(source) - length))
            cuts.append(to_float32(np.array(source[start : start + length])))
            titles[kind].append("" if kind == "speech" else song.title)
        excerpts[kind] = np.stack(cuts)
    return Sounds(excerpts, titles)


def app(data: Path, *arguments: str) -> str:
    """Run a command of the server's own."""
    environment = {**os.environ, **SETTINGS, "DATA_DIR": str(data)}
    done = subprocess.run(
        [sys.executable, "-m", "app", *arguments], cwd=ROOT, env=environment, check=True, stdout=subprocess.PIPE
    )
    return done.stdout.decode()


def fill(data: Path, songs: Sequence[Song], work: Path) -> int:
    """Take the known tracks into the catalogue; returns how many there are."""
    listed = [{"path": str(song.path.absolute()), "title": song.title} for song in songs if song.is_known]
    (work / "songs.json").write_text(json.dumps(listed))
    app(data, "ingest", "--no-duplicates", str(work / "songs.json"))
    return len(listed)


@contextmanager
def serving(data: Path, tracks: int) -> Iterator[tuple[int, psutil.Process]]:
    """Run the server in a process of its own, until its catalogue is open."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    token = app(data, "token", "bench", "--role", "admin").strip()
    process = subprocess.Popen(
        [sys.executable, "-m", "app", "serve", "--port", str(port)],
        cwd=ROOT,
        env={**os.environ, **SETTINGS, "DATA_DIR": str(data)},
    )
    try:
        url, headers = f"http://127.0.0.1:{port}/api/v1/tracks/stats", {"Authorization": f"Bearer {token}"}
        for _ in range(1200):
            time.sleep(0.1)
            try:
                if (httpx.get(url, headers=headers).json()["index"] or {}).get("tracks") == tracks:
                    break
            except httpx.TransportError:
                continue
        yield port, psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait(60)


@dataclass(frozen=True, slots=True)
class Measured:
    """One run."""

    told: Told
    cpu: float
    """Cores that the server took."""
    clients: float
    """Cores that the clients took."""
    turns: int
    late_turns: int
    """Over more than half a second after their hop was complete."""
    health: Sequence[float]
    """Seconds of each request."""
    memory: float
    """Bytes of the server for one stream."""


def measure(data: Path, tracks: int, streams: int, samples: int, seconds: float, sounds: Path) -> Measured:
    """Run paced clients against a server, and look at it from outside."""
    with serving(data, tracks) as (port, server):
        warm_up(port, samples, Sounds.read(sounds), WARM_STREAMS if streams > AT_HOME else 1)
        empty = memory(server)
        start = time.time() + streams / CONNECTIONS_PER_SECOND * 1.5 + 2
        arguments = (port, streams, samples, start, seconds, sounds)
        command = [sys.executable, str(Path(__file__).with_name("stream_players.py")), *map(str, arguments)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT) as players:
            client = psutil.Process(players.pid)
            time.sleep(max(0.0, start - time.time()))
            before, client_before, turns_before = cpu(server), cpu(client), count_turns(port)
            health = ask_health(port, until=start + seconds)
            took, client_took = (cpu(server) - before) / seconds, (cpu(client) - client_before) / seconds
            each = (memory(server) - empty) / streams
            told = Told(**json.loads(players.communicate()[0]))
        turns, late = (now - then for now, then in zip(count_turns(port), turns_before, strict=True))
    return Measured(told, took, client_took, turns, late, health, each)


def warm_up(port: int, samples: int, sounds: Sounds, streams: int) -> None:
    """Have everything loaded that is loaded once, which is no stream's, and the processes that hear many."""
    players = [Player(port, number, samples, sounds) for number in range(streams)]
    for _ in range(round(WARM_SECONDS * RATE / samples)):
        for player in players:
            player.send(time.time())
        time.sleep(samples / RATE)
    for player in players:
        player.close()
    time.sleep(1.0)


def family(process: psutil.Process) -> list[psutil.Process]:
    """Return the server and the processes that it has started."""
    return [process, *process.children(recursive=True)]


def cpu(process: psutil.Process) -> float:
    return float(sum(sum(one.cpu_times()[:2]) for one in family(process)))


def memory(process: psutil.Process) -> int:
    """Return the bytes that the server and its processes have for themselves."""
    return sum(one.memory_info().rss - one.memory_info().shared for one in family(process))


def ask_health(port: int, *, until: float) -> list[float]:
    """Ask ten times a second; returns the seconds that each answer took."""
    asked = []
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
        while time.time() < until:
            started = time.perf_counter()
            client.get("/health").raise_for_status()
            asked.append(time.perf_counter() - started)
            time.sleep(0.1)
    return asked


def count_turns(port: int) -> tuple[int, int]:
    """Return how many turns there were, and how many of them were late."""
    text = httpx.get(f"http://127.0.0.1:{port}/metrics").text
    in_time = re.search(rf'stream_turn_seconds_bucket{{le="{LATE_SECONDS}"}} (\S+)', text)
    total = re.search(r"stream_turn_seconds_count (\S+)", text)
    assert in_time and total
    return int(float(total[1])), int(float(total[1]) - float(in_time[1]))


def rows(found: Measured, what: str) -> Iterator[Row]:
    """Say what was measured."""
    told, p99 = found.told, quantile(found.health, 0.99)
    hops = f"{found.late_turns} of {found.turns}"
    yield Row(f"{what}: hops late by more than 0.5 s", hops, "0", not found.late_turns)
    yield Row(f"{what}: /health p99", ms(p99), ms(HEALTH_SECONDS), p99 <= HEALTH_SECONDS)
    memory = f"{found.memory / 1024:.0f} KiB"
    yield Row(f"{what}: memory of a stream", memory, f"{MEMORY_BYTES >> 10} KiB", found.memory <= MEMORY_BYTES)
    lost = told.errors + told.closed
    yield Row(f"{what}: errors and closed connections", str(lost), "0", not lost)
    late = told.late[-1]
    yield Row(f"{what}: latest frame of a client", ms(late), "500 ms", late <= 0.5)
    cores = f"{found.cpu:.2f} of {os.cpu_count()} cores, the clients {found.clients:.2f}"
    yield Row(f"{what}: the server took", cores, "–", True)
    yield Row(f"{what}: known tracks told", f"{told.found} of {told.known}", "–", True)
    if first := told.first_match:
        seconds = f"{quantile(first, 0.5):.1f} s, {quantile(first, 0.95):.1f} s"
        yield Row(f"{what}: first told after, median and p95", seconds, "–", True)
    yield Row(f"{what}: told of another file (some have the same music)", str(told.other), "–", True)


def main() -> int:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--streams", type=int, nargs="*", default=[1000])
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--frame", type=int, default=FRAME_SAMPLES, help="samples of a frame")
    parser.add_argument("--music", type=Path, help="folder of music; none: it is made up")
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "chorus-music")
    parser.add_argument("--data", type=Path, help="keep the catalogue here for another run")
    options = parser.parse_args()
    holds = True
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        options.cache.mkdir(parents=True, exist_ok=True)
        listed = songs(options.music, options.cache, work)
        sounds(listed, to_int16(speech(options.cache).astype(np.float32))).write(work)
        data = options.data or work / "data"
        data.mkdir(parents=True, exist_ok=True)
        tracks = fill(data, listed, work)
        hours = sum(len(song.samples) for song in listed if song.is_known) / RATE / 3600
        print(machine(), f"; {tracks} tracks of {hours:.1f} h", "\n\n| what | measured | bar | holds |", sep="")
        print("|---|---|---|---|", flush=True)
        for streams in options.streams:
            found = measure(data, tracks, streams, options.frame, options.seconds, work)
            for row in rows(found, f"{streams} streams"):
                print(row, flush=True)
                holds = holds and row.holds
    return 0 if holds else 1


if __name__ == "__main__":
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, 65_536), most))
    sys.exit(main())
