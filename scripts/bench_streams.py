"""Measures live streams: a server in a process of its own, paced clients in others, over real sockets.

    .venv/bin/python scripts/bench_streams.py [--streams N] [--seconds S] [--work MS ...]

Prints a table in Markdown with the machine it ran on. The server is the real door behind the real middlewares. What its
recognizer would do is a stand-in, which holds a core for `--work` milliseconds a hop without the interpreter's lock, as
the real one does: 0 shows what the door alone costs. Frames are those of the document's client (4096 samples) and of
0.1 s; clients send them when they are due, whatever the server does. Whatever else runs on the machine makes the
figures worse: run it alone.
"""

import argparse
import asyncio
import base64
import hashlib
import json
import os
import re
import resource
import secrets
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import numpy as np
import psutil
import uvloop
from bench_speech import Row, machine, ms, quantile
from fastapi import FastAPI

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from app.api.health import health  # noqa: E402
from app.api.stream.limits import StreamLimits  # noqa: E402
from app.api.stream.messages import MAX_MESSAGE_BYTES  # noqa: E402
from app.api.stream.router import router  # noqa: E402
from app.api.stream.streams import Streams  # noqa: E402
from app.audio.pcm import Samples  # noqa: E402
from app.fingerprint.hearings import RECOGNITION_POOL, Hearings  # noqa: E402
from app.fingerprint.track import Track  # noqa: E402
from app.runtime.access import AccessMiddleware  # noqa: E402
from app.runtime.auth import Authority  # noqa: E402
from app.runtime.body_limit import BodyLimit  # noqa: E402
from app.runtime.connections import AdmissionLimits, Connections  # noqa: E402
from app.runtime.credentials import CredentialMiddleware, RequireIdentity  # noqa: E402
from app.runtime.metrics import Metrics, MetricsMiddleware  # noqa: E402
from app.runtime.server import Server, SocketLimits, make_config  # noqa: E402
from app.runtime.workers import Workers  # noqa: E402

RATE, HOP = 22_050, 11_025
CLIENT_PROCESSES = 2
CONNECTIONS_PER_SECOND = 300
LATE_SECONDS = 0.5
DOOR_PERCENT = 60  # of a core
SLICES = 4  # of the work of one hop: the real one comes back for the lock between its kernels
UNLIMITED = StreamLimits(
    connections=0, connections_per_address=0, attempts_per_minute=0, bytes_per_second=0, messages_per_minute=0
)


class Work:
    """Holds a core for some time, without the interpreter's lock."""

    def __init__(self, milliseconds: float) -> None:
        data = bytes(4 << 20)
        started = time.perf_counter()
        hashlib.sha256(data).digest()
        per_ms = len(data) / (time.perf_counter() - started) / 1000
        self._data = memoryview(data)[: int(milliseconds / SLICES * per_ms)]

    def do(self) -> None:
        for _ in range(SLICES):
            hashlib.sha256(self._data).digest()


class StandIn:
    """In the place of a recognizer: works a hop at a time, and hears nothing."""

    def __init__(self, work: Work, sample_rate: int) -> None:
        self.capacity = 3 * sample_rate
        self._work = work
        self._processed = 0

    @property
    def buffered(self) -> int:
        return min(self._processed, self.capacity)

    def push(self, samples: Samples) -> list[object]:
        hops = (self._processed + len(samples)) // HOP - self._processed // HOP
        self._processed += len(samples)
        for _ in range(hops):
            self._work.do()
        return []


async def serve(port: int, milliseconds: float) -> None:
    """Serve the door until the process is ended."""
    work, metrics, streams = Work(milliseconds), Metrics(), Streams()
    cores = os.cpu_count() or 1

    async def find(ids: object) -> list[Track]:
        return []

    async def is_well() -> None:
        return None

    app = FastAPI()
    gate = Connections().gate("/ws/stream", AdmissionLimits())
    app.include_router(health(version="", database=is_well, checks={}, metrics=metrics.render))
    app.add_middleware(BodyLimit, max_bytes=1 << 20)
    app.add_middleware(RequireIdentity, authority=Authority(secrets.token_bytes(32)), required=False)
    app.add_middleware(MetricsMiddleware, metrics=metrics)
    app.add_middleware(AccessMiddleware)
    app.add_middleware(CredentialMiddleware)
    sizes = SocketLimits(max_message_bytes=MAX_MESSAGE_BYTES, message_deadline=60.0)
    config = make_config(app, host="127.0.0.1", port=port, limits_for=lambda path: sizes)
    async with Hearings(
        Workers({RECOGNITION_POOL: cores}),
        lambda rate: StandIn(work, rate),  # type: ignore[arg-type, return-value]
        on_turn=metrics.stream_turn_seconds.observe,
    ) as hearings:
        app.include_router(router(hearings, find, streams, gate, UNLIMITED))
        await Server(config).serve()


def frame(samples: int) -> bytes:
    """Return a masked binary message of so many samples; the mask is zero, so that clients need not mask."""
    payload = (np.random.default_rng(1).standard_normal(samples) * 0.1).astype("<f4").tobytes()
    size = len(payload)
    length = struct.pack("!BH", 0x80 | 126, size) if size < 65_536 else struct.pack("!BQ", 0x80 | 127, size)
    return b"\x82" + length + bytes(4) + payload


async def stream(port: int, name: str, data: bytes, *, period: float, first_at: float, last_at: float) -> list[float]:
    """Send frames when they are due; returns by how much each was late, in seconds."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    key = base64.b64encode(secrets.token_bytes(16)).decode()
    head = f"GET /ws/stream/{name} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    writer.write(f"{head}Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode())
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101")
    late = []
    due = first_at
    while due < last_at:
        await asyncio.sleep(max(0.0, due - time.time()))
        writer.write(data)
        late.append(time.time() - due)
        due += period
    await asyncio.sleep(max(0.0, last_at + 2 - time.time()))  # so that closing is not measured
    writer.close()
    return late


async def send(port: int, first: int, count: int, samples: int, start: float, seconds: float) -> None:
    """Be so many clients; prints how many frames they sent, and by how much the latest was late."""
    data, period = frame(samples), samples / RATE
    async with asyncio.TaskGroup() as group:
        tasks = []
        for n in range(count):
            first_at = start + (first + n) % 997 / 997 * period
            times = {"period": period, "first_at": first_at, "last_at": start + seconds}
            tasks.append(group.create_task(stream(port, f"bench-{first + n}", data, **times)))
            await asyncio.sleep(CLIENT_PROCESSES / CONNECTIONS_PER_SECOND)
    late = [seconds for task in tasks for seconds in task.result()]
    print(json.dumps({"frames": len(late), "late": max(late)}))


@dataclass(frozen=True, slots=True)
class Measured:
    """One run."""

    frames: int
    cpu: float
    """Seconds of the server, threads included."""
    clients_late: float
    """Seconds by which the latest frame was sent late."""
    turns: int
    late_turns: int
    """Over more than half a second after their hop was complete."""
    health: Sequence[float]
    """Seconds of each request."""
    memory: float
    """Bytes of the server for one stream."""


@contextmanager
def serving(milliseconds: float) -> Iterator[tuple[int, psutil.Process]]:
    """Run the server in a process of its own."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    process = subprocess.Popen([sys.executable, __file__, "--serve", str(port), str(milliseconds)], cwd=ROOT)
    try:
        for _ in range(200):
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                time.sleep(0.05)
        yield port, psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait(60)


def measure(streams: int, samples: int, seconds: float, milliseconds: float) -> Measured:
    """Run paced clients against a server and look at it from outside."""
    with serving(milliseconds) as (port, server):
        empty = server.memory_info().rss
        start = time.time() + streams / CONNECTIONS_PER_SECOND * 1.5 + 3
        share = streams // CLIENT_PROCESSES
        clients = [
            subprocess.Popen(
                [sys.executable, __file__, "--send", *map(str, (port, n * share, share, samples, start, seconds))],
                stdout=subprocess.PIPE,
                cwd=ROOT,
            )
            for n in range(CLIENT_PROCESSES)
        ]
        time.sleep(max(0.0, start - time.time()))
        before = sum(server.cpu_times()[:2])
        asked = ask_health(port, until=start + seconds)
        cpu = sum(server.cpu_times()[:2]) - before
        memory = (server.memory_info().rss - empty) / streams
        turns, late = count_turns(port)
        told = [json.loads(client.communicate()[0]) for client in clients]
    frames = sum(one["frames"] for one in told)
    return Measured(frames, cpu, max(one["late"] for one in told), turns, late, asked, memory)


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


def rows(streams: int, samples: int, seconds: float, milliseconds: float) -> list[Row]:
    """Measure one combination."""
    found = measure(streams, samples, seconds, milliseconds)
    what = f"{streams} streams, frames of {samples} samples, {milliseconds:g} ms of work a hop"
    p99 = quantile(found.health, 0.99)
    cost = f"{found.cpu / found.frames * 1e6:.0f} µs a frame, {found.cpu / seconds * 100:.0f} % of a core"
    beside_work = found.cpu / seconds * 100 - 2 * streams * milliseconds / 10
    return [
        Row(f"{what}: CPU of the server", cost, f"{DOOR_PERCENT} % beside the work", beside_work <= DOOR_PERCENT),
        Row(f"{what}: late turns", f"{found.late_turns} of {found.turns}", "0", found.late_turns == 0),
        Row(f"{what}: /health p99", ms(p99), "200 ms", p99 <= 0.2),
        Row(f"{what}: memory of a stream", f"{found.memory / 1024:.0f} KiB", "512 KiB", found.memory <= 512 * 1024),
        Row(f"{what}: frames sent late by", ms(found.clients_late), "500 ms", found.clients_late <= 0.5),
    ]


def main() -> int:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--streams", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--frames", type=int, nargs="*", default=[4096, 2205], help="samples of a frame")
    parser.add_argument("--work", type=float, nargs="*", default=[0.0, 0.3], help="milliseconds a hop")
    options = parser.parse_args()
    print(machine(), "\n\n| what | measured | bar | holds |\n|---|---|---|---|", sep="")
    holds = True
    for samples in options.frames:
        for milliseconds in options.work:
            for row in rows(options.streams, samples, options.seconds, milliseconds):
                print(row, flush=True)
                holds = holds and row.holds
    return 0 if holds else 1


if __name__ == "__main__":
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, 65_536), most))
    if sys.argv[1:2] == ["--serve"]:
        uvloop.run(serve(int(sys.argv[2]), float(sys.argv[3])))
    elif sys.argv[1:2] == ["--send"]:
        port, first, count, samples = map(int, sys.argv[2:6])
        uvloop.run(send(port, first, count, samples, float(sys.argv[6]), float(sys.argv[7])))
    else:
        sys.exit(main())
