"""Measures live speech: a real server in a process of its own, real WebSocket clients, the bare voice beside it.

    .venv/bin/python scripts/bench_speech.py [--quick]

Prints a table in Markdown with the machine it ran on. The bare voice is the embedded backend alone: one worker process,
spoken to over its pipes, on the same texts in the same run. Every figure has its bar; a bar that is missed says so.
"""

import argparse
import asyncio
import json
import os
import platform
import random
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
from websockets.asyncio.client import ClientConnection, connect

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from app.tts.backends.espeak import Espeak  # noqa: E402
from app.tts.speech import Utterance  # noqa: E402

MIB = 1024 * 1024
WORDS = (
    "主播 今天 真的 好棒 这个 操作 太秀 了 我们 一起 加油 大家 晚上 好 看到 你们 开心 唱歌 跳舞 游戏 打得 厉害 "
    "哈哈 笑死 我了 喜欢 这首 歌 什么 时候 下播 明天 还来 吗 送你 一个 小礼物 关注 已经 点了 支持"
).split()
LINE_CHARACTERS = 20

UNLIMITED = {
    "DANMU_MAX_CONNECTIONS_PER_IP": "0",
    "DANMU_MAX_MESSAGES_PER_MINUTE": "0",
    "TTS_QUEUE_DEPTH": "0",
    "LOG_LEVEL": "WARNING",
    "TTS_BACKENDS": "espeak",
}


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table."""

    what: str
    measured: str
    bar: str
    holds: bool

    def __str__(self) -> str:
        return f"| {self.what} | {self.measured} | {self.bar} | {'yes' if self.holds else '**no**'} |"


class Server:
    """A server process."""

    def __init__(self, port: int, process: psutil.Process) -> None:
        self.url = f"ws://127.0.0.1:{port}/ws"
        self.http = f"http://127.0.0.1:{port}"
        self.process = process

    def cpu(self) -> tuple[float, float]:
        """Return the CPU seconds of the server itself and of its workers."""
        own = self.process.cpu_times()
        workers = [child.cpu_times() for child in self.process.children(recursive=True)]
        return own.user + own.system, sum(times.user + times.system for times in workers)

    def memory(self) -> int:
        """Return the resident bytes of the server itself."""
        return int(self.process.memory_info().rss)


@contextmanager
def serving(**environment: str) -> Iterator[Server]:
    """Run a server on a free port, with no limits and a data folder of its own."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory() as data:
        settings = os.environ | UNLIMITED | {"DATA_DIR": data} | environment
        command = [sys.executable, "-m", "app", "serve", "--port", str(port)]
        process = subprocess.Popen(command, cwd=ROOT, env=settings)
        try:
            _wait_until_open(port, process)
            yield Server(port, psutil.Process(process.pid))
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


def line(rng: random.Random) -> str:
    """Make a chat line of 20 characters with one comma, as people write them."""
    text = ""
    while len(text) < LINE_CHARACTERS - 1:
        text += rng.choice(WORDS)
    return text[:5] + "，" + text[5 : LINE_CHARACTERS - 1]


@asynccontextmanager
async def client(server: Server) -> AsyncIterator[ClientConnection]:
    """Connect as the document's client does, without compression, which the server does not offer."""
    async with connect(server.url, compression=None, max_size=None, max_queue=None) as connection:
        yield connection


async def ask(connection: ClientConnection, text: str, *, type: str = "tts") -> float:
    """Send a line and wait for the first message of the answer; returns the seconds it took."""
    message = json.dumps({"id": "req_1", "type": type, "data": {"text": text}})
    started = time.perf_counter()
    await connection.send(message)
    reply = await connection.recv(decode=False)
    seconds = time.perf_counter() - started
    if b'"status":"error"' in reply[:4096]:
        raise SystemExit(f"the server answered {reply[:300]!r}")
    return seconds


def ms(seconds: float) -> str:
    return f"{seconds * 1000:.2f} ms"


def quantile(values: Sequence[float], q: float) -> float:
    return sorted(values)[min(len(values) - 1, int(q * len(values)))]


async def one_client(server: Server, runs: int) -> list[Row]:
    """Median of one client's replies beside the bare voice on the same texts, pair by pair."""
    rng = random.Random(1)
    backend = Espeak(workers=1)
    bare: list[float] = []
    replies: list[float] = []
    firsts: list[float] = []
    async with backend.running(), client(server) as connection:
        voice = backend.choose_voice("zh-CN")
        for _ in range(runs + 10):
            text = line(rng)
            started = time.perf_counter()
            async for _ in backend.synthesize(Utterance(text, voice), whole=True):
                pass
            bare.append(time.perf_counter() - started)
            replies.append(await ask(connection, text))
        for _ in range(runs + 10):
            firsts.append(await ask(connection, line(rng), type="tts_stream"))
            while b'"tts_complete"' not in (await connection.recv(decode=False))[:512]:
                pass
    base, reply, first = (statistics.median(values[10:]) for values in (bare, replies, firsts))
    ratio = reply / base
    return [
        Row("bare voice, 20 characters, median", ms(base), "–", True),
        Row("one client, reply, median", f"{ms(reply)} = {ratio:.2f} × bare", "≤ 1.5 × bare", ratio <= 1.5),
        Row("one client, first chunk of `tts_stream`, median", ms(first), "≤ 2.5 ms", first <= 0.0025),
    ]


async def random_arrivals(server: Server, seconds: float, rate: float = 20.0) -> list[Row]:
    """Lines that come at random, from ten clients, `rate` a second."""
    rng = random.Random(2)
    waits: list[float] = []
    free: asyncio.Queue[ClientConnection] = asyncio.Queue()

    async def one(text: str, at: float) -> None:
        await asyncio.sleep(max(0.0, at - time.perf_counter()))
        connection = await free.get()
        waits.append(await ask(connection, text))
        free.put_nowait(connection)

    connections = [await connect(server.url, compression=None, max_size=None) for _ in range(40)]
    for connection in connections:
        await ask(connection, line(rng))
        free.put_nowait(connection)
    at = time.perf_counter() + 0.5
    async with asyncio.TaskGroup() as group:
        for _ in range(int(seconds * rate)):
            at += rng.expovariate(rate)
            group.create_task(one(line(rng), at))
    for connection in connections:
        await connection.close()
    median, p99 = statistics.median(waits), quantile(waits, 0.99)
    return [
        Row(
            f"{rate:.0f} lines a second at random, median / p99",
            f"{ms(median)} / {ms(p99)}",
            "p99 ≤ 40 ms",
            p99 <= 0.04,
        )
    ]


async def crowd(server: Server, clients: int, rounds: int) -> list[Row]:
    """Many clients at once: nobody fails, and what the server itself costs beside its workers, handshakes excepted."""
    waits: list[float] = []
    connections = [await connect(server.url, compression=None, max_size=None) for _ in range(clients)]

    async def one(number: int) -> None:
        rng = random.Random(1000 + number)
        for _ in range(rounds):
            waits.append(await ask(connections[number], line(rng)))

    before = server.cpu()
    async with asyncio.TaskGroup() as group:
        for number in range(clients):
            group.create_task(one(number))
    own, workers = (after - earlier for after, earlier in zip(server.cpu(), before, strict=True))
    for connection in connections:
        await connection.close()
    replies = clients * rounds
    ratio = own / workers
    return [
        Row(f"{clients} clients at once, replies", f"{len(waits)} of {replies}", "all", len(waits) == replies),
        Row(
            "CPU of the server for a reply, beside its workers'",
            f"{ms(own / replies)} beside {ms(workers / replies)} = {ratio:.2f} ×",
            "≤ 0.3 ×",
            ratio <= 0.3,
        ),
    ]


async def cached(server: Server, seconds: float) -> list[Row]:
    """The same few lines again and again, from eight clients."""
    count = 0
    end = time.perf_counter() + seconds

    async def one(number: int) -> None:
        nonlocal count
        text = line(random.Random(number % 4))
        async with client(server) as connection:
            await ask(connection, text)
            while time.perf_counter() < end:
                await ask(connection, text)
                count += 1

    async with asyncio.TaskGroup() as group:
        for number in range(8):
            group.create_task(one(number))
    rate = count / seconds
    return [Row("cached lines, replies a second, 8 clients", f"{rate:.0f}", "≥ 1000", rate >= 1000)]


async def flood(server: Server, seconds: float) -> list[Row]:
    """Nine viewers beside one client that always has 100 lines waiting."""

    async def viewers(waits: list[float], end: float) -> None:
        async def one(number: int) -> None:
            rng = random.Random(3000 + number)
            async with client(server) as connection:
                await asyncio.sleep(rng.random() * 0.3)
                while time.perf_counter() < end:
                    waits.append(await ask(connection, line(rng)))
                    await asyncio.sleep(rng.expovariate(4.0))

        async with asyncio.TaskGroup() as group:
            for number in range(9):
                group.create_task(one(number))

    async def flooder(end: float) -> None:
        rng = random.Random(4000)
        async with client(server) as connection:
            for number in range(100):
                await connection.send(json.dumps({"id": f"f{number}", "type": "tts", "data": {"text": line(rng)}}))
            while time.perf_counter() < end:
                await connection.recv(decode=False)
                number += 1
                await connection.send(json.dumps({"id": f"f{number}", "type": "tts", "data": {"text": line(rng)}}))

    quiet: list[float] = []
    await viewers(quiet, time.perf_counter() + seconds)
    disturbed: list[float] = []
    end = time.perf_counter() + seconds
    async with asyncio.TaskGroup() as group:
        group.create_task(flooder(end))
        group.create_task(viewers(disturbed, end))
    alone, beside = statistics.median(quiet), statistics.median(disturbed)
    ratio = beside / alone
    return [
        Row(
            "nine viewers beside one that floods, median",
            f"{ms(beside)} = {ratio:.2f} × undisturbed ({ms(alone)})",
            "≤ 3 ×",
            ratio <= 3,
        )
    ]


async def never_reads(server: Server) -> list[Row]:
    """A client that asks for 300 long lines and never reads."""
    rng = random.Random(5)
    async with client(server) as connection:
        await ask(connection, line(rng))
    before = server.memory()
    peak = before
    raw = socket.create_connection(server.url.removeprefix("ws://").removesuffix("/ws").split(":"))
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    raw.sendall(
        b"GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    )
    own_port = raw.getsockname()[1]
    if not raw.recv(4096).startswith(b"HTTP/1.1 101"):
        raise SystemExit("the server refused the client that never reads")
    started = time.perf_counter()
    try:
        for number in range(300):
            text = "".join(line(rng) for _ in range(4))
            raw.sendall(_masked(json.dumps({"id": str(number), "type": "tts", "data": {"text": text}}).encode()))
    except OSError:
        pass
    freed: float | None = None
    while time.perf_counter() - started < 40:
        await asyncio.sleep(0.25)
        peak = max(peak, server.memory())
        if own_port not in {c.raddr.port for c in server.process.net_connections("tcp") if c.raddr}:
            freed = time.perf_counter() - started
            break
    raw.close()
    cost = (peak - before) / MIB
    return [
        Row("a client that never reads costs", f"{cost:.1f} MiB", "≤ 16 MiB", cost <= 16),
        Row(
            "a client that never reads is freed after",
            "never within 40 s" if freed is None else f"{freed:.1f} s",
            "≤ 30 s",
            freed is not None and freed <= 30,
        ),
    ]


def _masked(payload: bytes) -> bytes:
    header = bytes([0x81, 0x80 | 126]) + len(payload).to_bytes(2, "big")
    return header + bytes(4) + payload


async def idle(server: Server, connections: int) -> list[Row]:
    """Many connections that do nothing."""
    warm = [await connect(server.url, compression=None) for _ in range(50)]
    before = server.memory()
    opened = [await connect(server.url, compression=None) for _ in range(connections)]
    await asyncio.sleep(1)
    each = (server.memory() - before) / connections / 1024
    for connection in [*warm, *opened]:
        await connection.close()
    return [Row(f"{connections} idle connections, each", f"{each:.1f} KB", "≤ 48 KB", each <= 48)]


def machine() -> str:
    """Describe where the figures come from."""
    model = next(
        (
            entry.partition(":")[2].strip()
            for entry in Path("/proc/cpuinfo").read_text().splitlines()
            if "model name" in entry
        ),
        platform.processor(),
    )
    memory = psutil.virtual_memory().total / 1024**3
    return (
        f"{os.cpu_count()} cores ({model}), {memory:.0f} GiB, Python {platform.python_version()}, {platform.system()}"
    )


async def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a fifth of the runs")
    scale = 0.2 if parser.parse_args().quick else 1.0
    rows: list[Row] = []
    with serving(TTS_CACHE_BYTES="0") as server:
        rows += await one_client(server, int(300 * scale))
        rows += await random_arrivals(server, 30 * scale)
        rows += await crowd(server, 100, max(2, int(10 * scale)))
        rows += await flood(server, 15 * scale)
        peak = server.memory()
    with serving() as server:
        rows += await cached(server, 10 * scale)
    with serving(TTS_CACHE_BYTES="0") as server:
        rows += await never_reads(server)
    with serving() as server:
        rows += await idle(server, 1000)
    print(f"Machine: {machine()}. Server process after the load: {peak / MIB:.0f} MiB.\n")
    print("| what | measured | bar | holds |\n|---|---|---|---|")
    print("\n".join(map(str, rows)))
    return 0 if all(row.holds for row in rows) else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
