"""Measures calls: the whole server in a process of its own, clients over real sockets, the bare server beside it.

    .venv/bin/python scripts/bench_calls.py [--calls N] [--seconds S] [--rounds N]

Prints a table in Markdown with the machine it ran on. The bare server is stock uvicorn (`websockets-sansio`, uvloop, no
compression) with the shortest ASGI application that does the same, in the same run, by turns. Servers have one core and
clients the other; clients send frames that are made beforehand, at the time at which they are due, whatever comes back.
Whatever else runs on the machine makes the figures worse: run it alone, or as `chrt -f 10`, before all else.
"""

import argparse
import asyncio
import base64
import hashlib
import os
import resource
import secrets
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, cast

import psutil
import uvicorn
import uvloop
from bench_speech import MIB, Row, machine, ms, quantile

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from app.audio import wav  # noqa: E402

SIZES = (640, 4096, 16_384)
PING = 0x89
CLIENTS = 100  # of the echo at full speed, each with one message on its way
FRAME, PERIOD = 640, 0.02
LONG_FILE_BYTES = 300_000_000
READ_RATE = 15_000_000  # bytes a second of the slow reader
ECHO_BAR, JITTER_BAR, MEMORY_BAR = 1.6, 0.010, 8 * MIB
SETTINGS = {
    "TTS_BACKENDS": "tone",
    "LOG_LEVEL": "WARNING",
    "CALLS_MAX_CONNECTIONS": "0",
    "CALLS_MAX_CONNECTIONS_PER_IP": "0",
}


# Servers


async def bare(scope: Any, receive: Any, send: Any, *, folder: Path) -> None:
    """Be the shortest application that echoes, and plays the files of a folder."""
    await receive()
    await send({"type": "websocket.accept"})
    if scope["path"].startswith("/ws/play/"):
        with (folder / scope["path"].rpartition("/")[2]).open("rb") as file:
            while chunk := file.read(64 * 1024):
                await send({"type": "websocket.send", "bytes": chunk})
        await send({"type": "websocket.close", "code": 1000})
        return
    while (message := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "bytes": message["bytes"]})


def serve_bare(port: int, folder: Path) -> None:
    config = uvicorn.Config(
        partial(bare, folder=folder),
        port=port,
        interface="asgi3",
        loop="uvloop",
        ws="websockets-sansio",
        ws_per_message_deflate=False,
        lifespan="off",
        log_level="warning",
    )
    uvicorn.Server(config).run()


@dataclass(frozen=True, slots=True)
class Server:
    """A server process."""

    name: str
    port: int
    process: psutil.Process

    def cpu(self) -> float:
        """Return the CPU seconds of all its threads, as the scheduler counts them."""
        spent = 0
        for thread in Path(f"/proc/{self.process.pid}/task").iterdir():
            spent += int((thread / "schedstat").read_text().split()[0])
        return spent / 1e9

    def memory(self) -> int:
        """Return its resident bytes."""
        return int(self.process.memory_info().rss)


@contextmanager
def serving(name: str, folder: Path) -> Iterator[Server]:
    """Run a server on a free port, on the first core."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory() as data:
        settings = os.environ | SETTINGS | {"DATA_DIR": data, "AUDIO_FILES_DIR": str(folder)}
        ours = [sys.executable, "-m", "app", "serve", "--port", str(port)]
        theirs = [sys.executable, __file__, "--serve-bare", str(port), str(folder)]
        process = subprocess.Popen(ours if name == "ours" else theirs, cwd=ROOT, env=settings)
        try:
            _wait_until_open(port, process)
            for thread in Path(f"/proc/{process.pid}/task").iterdir():
                os.sched_setaffinity(int(thread.name), {0})
            server = Server(name, port, psutil.Process(process.pid))
            _wait_until_quiet(server)
            yield server
        finally:
            process.terminate()
            process.wait(60)


def _wait_until_open(port: int, process: subprocess.Popen[bytes]) -> None:
    for _ in range(600):
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            if process.poll() is not None:
                raise SystemExit("the server did not start") from None
            time.sleep(0.05)
    raise SystemExit("the server did not start within 30 s")


def _wait_until_quiet(server: Server) -> None:
    """Wait for what a server prepares in the background: machine code, after an installation."""
    quiet = 0
    for _ in range(180):
        before = server.cpu()
        time.sleep(0.5)
        quiet = quiet + 1 if server.cpu() - before < 0.02 else 0
        if quiet == 4:
            return
    raise SystemExit("the server does not come to rest")


# Clients


def head(path: str) -> bytes:
    """Return the request that becomes a WebSocket."""
    key = base64.b64encode(secrets.token_bytes(16)).decode()
    return (
        f"GET {path} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n"
    ).encode()


def header(size: int, *, masked: bool) -> bytes:
    """Return the header of a binary message; the mask is zero, so that clients need not mask."""
    mask, tail = (0x80, bytes(4)) if masked else (0, b"")
    if size < 126:
        return bytes((0x82, mask | size)) + tail
    if size < 65_536:
        return struct.pack("!BBH", 0x82, mask | 126, size) + tail
    return struct.pack("!BBQ", 0x82, mask | 127, size) + tail


class Client(asyncio.Protocol):
    """One connection on which messages of one size come; tells of each when it is whole."""

    def __init__(self, path: str, size: int, on_message: Callable[["Client", bytes], None]) -> None:
        self.opened = asyncio.get_running_loop().create_future()
        self.sent = 0
        self.came = 0
        self.sent_at: dict[int, float] = {}
        self.times: list[float] = []
        self.waits: list[float] = []
        self.phase = 0.0
        self.transport: asyncio.Transport
        self._path = path
        self._head = header(size, masked=False)
        self._whole = len(self._head) + size
        self._on_message = on_message
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's are no instances
        self.transport.write(head(self._path))

    def data_received(self, data: bytes) -> None:
        data = self._buffer + data if self._buffer else data
        if not self.opened.done():
            answer, found, data = data.partition(b"\r\n\r\n")
            if not found:
                self._buffer = answer
                return
            if not answer.startswith(b"HTTP/1.1 101"):
                self.opened.set_exception(SystemExit(f"the server refused a call: {answer!r}"))
                return
            self.opened.set_result(None)
        start, head_bytes, whole = 0, len(self._head), self._whole
        while len(data) - start >= whole:
            if data[start] == PING:  # of four bytes, which uvicorn sends
                self.transport.write(b"\x8a\x84" + bytes(4) + data[start + 2 : start + 6])
                start += 6
                continue
            if data[start : start + head_bytes] != self._head:
                print(f"the server sent {data[start : start + 20]!r}", file=sys.stderr)
                os._exit(1)
            self._on_message(self, data[start + head_bytes : start + head_bytes + 4])
            start += whole
        self._buffer = data[start:]


async def connect(port: int, path: str, size: int, on_message: Callable[[Client, bytes], None]) -> Client:
    _, client = await asyncio.get_running_loop().create_connection(
        partial(Client, path, size, on_message), "127.0.0.1", port
    )
    await client.opened
    return client


async def until(due: float) -> float:
    """Wait for a time, to the millisecond that timers have; returns by how many seconds it is past."""
    if (wait := due - time.perf_counter()) > 0:
        await asyncio.sleep(max(wait, 0.001))
    return time.perf_counter() - due


@dataclass(slots=True)
class Told:
    """What the clients of one run have seen."""

    messages: int = 0
    disordered: int = 0
    gaps: list[float] = field(default_factory=list)
    """Seconds by which the time between two frames was not 20 ms."""
    waits: list[float] = field(default_factory=list)
    """Seconds from when a frame was due to be sent until it was back."""
    late: list[float] = field(default_factory=list)
    """Seconds by which the clients themselves were late in sending."""


async def flood(server: Server, size: int, seconds: float) -> float:
    """Echo at full speed; returns the CPU seconds of the server for one message."""
    message, count = header(size, masked=True) + os.urandom(size), 0

    def again(client: Client, _: bytes) -> None:
        nonlocal count
        count += 1
        client.transport.write(message)

    clients = [await connect(server.port, "/ws/echo", size, again) for _ in range(CLIENTS)]
    for client in clients:
        client.transport.write(message)
    await asyncio.sleep(0.5)
    before, counted = server.cpu(), count
    await asyncio.sleep(seconds)
    cost = (server.cpu() - before) / (count - counted)
    for client in clients:
        client.transport.abort()
    return cost


async def calls(server: Server, path: str, count: int, seconds: float) -> tuple[Told, float]:
    """Hold calls that send a frame every 20 ms; returns what came, and the CPU seconds of the server for a second."""
    told, echoes = Told(), path.startswith("/ws/echo")
    start, body = header(FRAME, masked=True), os.urandom(FRAME - 4)

    def note(client: Client, number: bytes) -> None:
        now = time.perf_counter()
        client.times.append(now)
        if echoes:
            told.disordered += int.from_bytes(number, "big") != client.came
            client.waits.append(now - client.sent_at.pop(client.came, now))
            client.came += 1

    clients = [await connect(server.port, path, FRAME, note) for _ in range(count)]
    began = time.perf_counter() + 0.2
    for number, client in enumerate(clients):
        client.phase = number / count * PERIOD
    schedule = [
        (began + n * PERIOD + client.phase, n, client) for n in range(round(seconds / PERIOD)) for client in clients
    ]
    before, started = server.cpu(), time.perf_counter()
    for due, n, client in schedule:
        told.late.append(await until(due))
        client.sent_at[n] = due
        client.transport.write(start + n.to_bytes(4, "big") + body)
    spent = (server.cpu() - before) / (time.perf_counter() - started)
    await asyncio.sleep(0.5)
    for client in clients:
        times = [at for at in client.times if at >= began]  # the first listeners hear how the last ones come
        told.messages += len(client.times)
        told.gaps += [abs(later - earlier - PERIOD) for earlier, later in zip(times, times[1:], strict=False)]
        told.waits += client.waits
        client.transport.abort()
    return told, spent


def slow_reader(server: Server, path: Path) -> tuple[int, bool]:
    """Read a file slowly; returns by how many bytes the server grew at most, and whether it was the file."""
    _read(server, path.with_name("short.mp3"), rate=READ_RATE)  # the first one loads what all need
    before = peak = server.memory()

    def look() -> None:
        nonlocal peak
        peak = max(peak, server.memory())

    same = _read(server, path, rate=READ_RATE, look=look) == hashlib.sha256(path.read_bytes()).digest()
    return peak - before, same


async def listen(server: Server, path: Path, seconds: float) -> int:
    """Listen to a file as a call does; returns by how many bytes the server grew at most."""
    url = f"/ws/play/{path.name}?format=l16"
    short = await connect(server.port, "/ws/play/short.wav?format=l16", FRAME, lambda client, _: None)
    await asyncio.sleep(1)
    short.transport.abort()
    before = peak = server.memory()
    client = await connect(server.port, url, FRAME, lambda client, _: None)
    for _ in range(round(seconds / 0.05)):
        await asyncio.sleep(0.05)
        peak = max(peak, server.memory())
    client.transport.abort()
    return peak - before


def _read(server: Server, path: Path, *, rate: int, look: Callable[[], None] = lambda: None) -> bytes:
    """Return the hash of what comes, read at a rate in bytes a second."""
    with socket.create_connection(("127.0.0.1", server.port)) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
        client.sendall(head(f"/ws/play/{path.name}"))
        file, digest, taken, started = client.makefile("rb"), hashlib.sha256(), 0, time.perf_counter()
        while file.readline() != b"\r\n":
            pass
        while (first := file.read(2))[0] == 0x82:
            size = first[1]
            if size >= 126:
                size = int.from_bytes(file.read(2 if size == 126 else 8), "big")
            digest.update(file.read(size))
            taken += size
            time.sleep(max(0.0, started + taken / rate - time.perf_counter()))
            look()
        return digest.digest()


# The table


def echo_rows(folder: Path, seconds: float, rounds: int) -> list[Row]:
    """What the echo costs, in CPU of the server for one message."""
    rows = []
    with serving("ours", folder) as ours, serving("bare", folder) as reference:
        for size in SIZES:
            costs: dict[str, list[float]] = {"ours": [], "bare": []}
            for number in range(rounds):
                for server in (ours, reference) if number % 2 else (reference, ours):
                    costs[server.name].append(uvloop.run(flood(server, size, seconds)))
            mine, theirs = statistics.median(costs["ours"]), statistics.median(costs["bare"])
            ratio = statistics.median(a / b for a, b in zip(costs["ours"], costs["bare"], strict=True))
            rows.append(
                Row(
                    f"echo of {size} bytes, {CLIENTS} clients: CPU for a message",
                    f"{mine * 1e6:.1f} µs beside {theirs * 1e6:.1f} µs = {ratio:.2f} × bare",
                    f"≤ {ECHO_BAR} × bare",
                    ratio <= ECHO_BAR,
                )
            )
    return rows


def call_rows(folder: Path, count: int, seconds: float) -> list[Row]:
    """How evenly frames come, of calls that are echoed and of calls that listen to a file."""
    rows = []
    listen = "/ws/play/music.wav?format=l16"
    for name, path in (("bare", "/ws/echo"), ("ours", "/ws/echo"), ("ours", listen)):
        with serving(name, folder) as server:
            uvloop.run(calls(server, path, 10, 1.0))
            told, cpu = uvloop.run(calls(server, path, count, seconds))
        echoes = path != listen
        what = f"{count} calls, {'echoed' if echoes else 'that listen and speak'}"
        what += " by the bare server" if name == "bare" else ""
        p99, wanted = quantile(told.gaps, 0.99), count * round(seconds / PERIOD)
        is_ours = name == "ours"
        rows.append(
            Row(
                f"{what}: jitter, median / p99",
                f"{ms(statistics.median(told.gaps))} / {ms(p99)}",
                f"p99 ≤ {ms(JITTER_BAR)}" if is_ours else "–",
                p99 <= JITTER_BAR or not is_ours,
            )
        )
        if echoes:
            back = quantile(told.waits, 0.99)
            rows.append(
                Row(
                    f"{what}: from due to back, median / p99",
                    f"{ms(statistics.median(told.waits))} / {ms(back)}",
                    f"p99 ≤ {ms(JITTER_BAR)}" if is_ours else "–",
                    back <= JITTER_BAR or not is_ours,
                )
            )
            complete = told.messages == wanted and not told.disordered
            rows.append(
                Row(
                    f"{what}: frames back, out of order",
                    f"{told.messages} of {wanted}, {told.disordered}",
                    "all, 0" if is_ours else "–",
                    complete or not is_ours,
                )
            )
        late = ms(quantile(told.late, 0.99))
        rows.append(
            Row(f"{what}: CPU of the server; clients late, p99", f"{cpu * 100:.0f} % of a core; {late}", "–", True)
        )
    return rows


def memory_rows(folder: Path) -> list[Row]:
    """What a long file costs that is read slowly."""
    rows = []
    for name in ("bare", "ours"):
        with serving(name, folder) as server:
            grown, same = slow_reader(server, folder / "long.mp3")
            heard = 0 if name == "bare" else uvloop.run(listen(server, folder / "long.wav", 10.0))
        of_bare = " of the bare server" * (name == "bare")
        rows.append(
            Row(
                f"300 MB to a reader of {READ_RATE // 1_000_000} MB/s: memory{of_bare}",
                f"{grown / MIB:.1f} MiB, {'the same bytes' if same else 'other bytes'}",
                f"≤ {MEMORY_BAR // MIB} MiB, the same bytes" if name == "ours" else "–",
                name == "bare" or (grown <= MEMORY_BAR and same),
            )
        )
    bar = f"≤ {MEMORY_BAR // MIB} MiB"
    rows.append(Row("300 MB of sound to a call: memory", f"{heard / MIB:.1f} MiB", bar, heard <= MEMORY_BAR))
    return rows


def make_files(folder: Path, seconds: float) -> None:
    """Make what is played: a file of 300 MB, a short one, and sound for a call."""
    with (folder / "long.mp3").open("wb") as file:
        for _ in range(LONG_FILE_BYTES // 1_000_000):
            file.write(os.urandom(1_000_000))
    with (folder / "long.wav").open("wb") as file:
        file.write(wav.header(sample_rate=44_100, channels=2, data_bytes=LONG_FILE_BYTES))
        for _ in range(LONG_FILE_BYTES // 1_000_000):
            file.write(os.urandom(1_000_000))
    (folder / "short.mp3").write_bytes(os.urandom(64_000))
    (folder / "short.wav").write_bytes(wav.encode(os.urandom(64_000), sample_rate=44_100))
    (folder / "music.wav").write_bytes(wav.encode(os.urandom(32_000 * (round(seconds) + 10)), sample_rate=16_000))


def main() -> int:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=300)
    parser.add_argument("--seconds", type=float, default=20.0, help="of the calls")
    parser.add_argument("--rounds", type=int, default=5, help="of each size of the echo, two seconds each")
    parser.add_argument("--only", choices=["echo", "calls", "memory"])
    options = parser.parse_args()
    print(machine(), "\n\n| what | measured | bar | holds |\n|---|---|---|---|", sep="", flush=True)
    os.sched_setaffinity(0, {1} & os.sched_getaffinity(0) or {0})
    holds = True
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_files(folder, options.seconds)
        parts: Sequence[tuple[str, Callable[[], list[Row]]]] = (
            ("echo", lambda: echo_rows(folder, 2.0, options.rounds)),
            ("calls", lambda: call_rows(folder, options.calls, options.seconds)),
            ("memory", lambda: memory_rows(folder)),
        )
        for part, measure in parts:
            for row in measure() if options.only in (None, part) else []:
                print(row, flush=True)
                holds = holds and row.holds
    return 0 if holds else 1


if __name__ == "__main__":
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, 65_536), most))
    if sys.argv[1:2] == ["--serve-bare"]:
        serve_bare(int(sys.argv[2]), Path(sys.argv[3]))
    else:
        sys.exit(main())
