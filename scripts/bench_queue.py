"""Compares what `queue_status` says of waits with the waits, on a real server under more load than it can carry.

    .venv/bin/python scripts/bench_queue.py [--seconds 15]

Many clients send lines of very different lengths, each its next one as soon as it has the reply; some have several at
once, some ask for streams. A few of them ask `queue_status` all the time: what it estimated is compared with the time
until the request's turn came, which is when the position in the same status became 0.

Twice: with the embedded voice in one process, and with a slow voice elsewhere that speaks three lines at a time, a
server of piper's kind that only waits and beeps. Whatever else runs on the machine makes the embedded voice slower and
faster from second to second, and its estimates worse: run it alone.
"""

import argparse
import asyncio
import json
import random
import socket
import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Thread

from bench_speech import WORDS, Row, Server, client, machine, ms, serving
from websockets.asyncio.client import ClientConnection

from app.audio import wav
from tests.tts.tiny_voices import piper_config

CLIENTS, ASKERS, STREAMERS, HASTY = 100, 8, 8, 8
"""All together; of these ask for the status, ask for streams, and have three requests at once."""
SHORTEST, LONGEST = 5, 80
"""Characters of a line; the longest makes 16 s of speech, about as much as fits a reply."""
LEAST_WAIT = 0.2
"""Seconds; of shorter waits nobody asks how long they will be."""
POLL_SECONDS = 0.02
WARM_UP_SECONDS = 3.0
FIXED_SECONDS, CHARACTER_SECONDS = 0.02, 0.003
"""What the slow voice takes for a line, ± 20 %."""
ALLOWED_ERROR = 0.3


@dataclass(slots=True)
class Guess:
    """What was estimated, and what came of it."""

    at: float
    estimate: float | None


@dataclass(slots=True)
class Findings:
    """What the askers saw."""

    errors: list[float] = field(default_factory=list)
    """Estimate beside the wait, as a fraction of the wait: 0.1 is 10 % too long."""
    waits: list[float] = field(default_factory=list)
    unknown: int = 0

    def add(self, guesses: list[Guess], granted: float) -> None:
        for guess in guesses:
            wait = granted - guess.at
            if guess.estimate is None:
                self.unknown += 1
            elif max(wait, guess.estimate) >= LEAST_WAIT:
                self.waits.append(wait)
                self.errors.append(guess.estimate / wait - 1)


def text(rng: random.Random) -> str:
    """Make a line, short or long: their logarithms are spread evenly."""
    length = round(SHORTEST * (LONGEST / SHORTEST) ** rng.random())
    made = ""
    while len(made) < length:
        made += rng.choice(WORDS) + rng.choice(("", "", "", "，"))
    return made[:length]


async def send(connection: ClientConnection, id: str, type: str, said: str | None = None) -> None:
    await connection.send(json.dumps({"id": id, "type": type, "data": {"text": said} if said else None}))


def is_of(reply: bytes, name: str, value: str) -> bool:
    """Tell whether a reply has this `type` or `id`, without reading all of it: audio is long.

    Raises:
        SystemExit: it is an error.
    """
    head = reply[:512]
    if b'"status":"error"' in head:
        raise SystemExit(f"the server answered {head!r}")
    return f'"{name}":"{value}"'.encode() in head


async def fill(server: Server, number: int, end: float) -> None:
    """Keep the line full: one line after another, three at a time, or streams."""
    rng = random.Random(number)
    kind = "tts_stream" if number < STREAMERS else "tts"
    many = 3 if STREAMERS <= number < STREAMERS + HASTY else 1
    async with client(server) as connection:
        for index in range(many):
            await send(connection, f"r{index}", kind, text(rng))
        while time.perf_counter() < end:
            reply = await connection.recv(decode=False)
            if not is_of(reply, "type", "tts_chunk"):
                id = next(f"r{index}" for index in range(many) if is_of(reply, "id", f"r{index}"))
                await send(connection, id, kind, text(rng))


async def ask(server: Server, number: int, begin: float, end: float, findings: Findings) -> None:
    """Send one line after another and compare what the status says with what happens."""
    rng = random.Random(number)
    async with client(server) as connection:
        while time.perf_counter() < end:
            await send(connection, "line", "tts", text(rng))
            guesses, granted = await follow(connection)
            if guesses and guesses[0].at > begin:
                findings.add(guesses, granted)


async def follow(connection: ClientConnection) -> tuple[list[Guess], float]:
    """Ask until the reply is there; return what was estimated while the request waited, and when its turn came."""
    guesses: list[Guess] = []
    granted: float | None = None
    while True:
        asked = time.perf_counter()
        await send(connection, "status", "queue_status")
        reply = await connection.recv(decode=False)
        told = (asked + time.perf_counter()) / 2
        if is_of(reply, "id", "line"):
            await connection.recv()
            return guesses, granted or told
        status = json.loads(reply)["data"]
        if status["position"]:
            guesses.append(Guess(told, status["estimated_wait_time"]))
        elif granted is None and guesses:
            granted = (guesses[-1].at + told) / 2
        await asyncio.sleep(POLL_SECONDS)


async def measure(server: Server, seconds: float) -> Findings:
    begin = time.perf_counter() + WARM_UP_SECONDS
    end = begin + seconds
    findings = Findings()
    async with asyncio.TaskGroup() as group:
        for number in range(CLIENTS - ASKERS):
            group.create_task(fill(server, number, end))
        for number in range(CLIENTS - ASKERS, CLIENTS):
            group.create_task(ask(server, number, begin, end, findings))
    return findings


@contextmanager
def slow_piper() -> Iterator[str]:
    """Serve as piper's own HTTP server does, slowly, in a thread that ends with the program; yields the URL."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        Thread(target=asyncio.run, args=(beep(listener),), daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


async def beep(listener: socket.socket) -> None:
    rng = random.Random(0)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        if head.startswith(b"GET"):
            body = json.dumps({"zh_CN-huayan-medium": piper_config(espeak_voice="cmn")}).encode()
        else:
            length = next(line for line in head.lower().splitlines() if line.startswith(b"content-length:"))
            asked = json.loads(await reader.readexactly(int(length.split()[1])))
            work = len(asked["text"]) * asked["length_scale"]
            await asyncio.sleep((FIXED_SECONDS + CHARACTER_SECONDS * work) * rng.uniform(0.8, 1.2))
            body = wav.encode(bytes(2 * round(100 * work)), sample_rate=16_000)
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, sock=listener) as server:
        await server.serve_forever()


def rows(found: Findings, voice: str) -> list[Row]:
    sizes = [abs(error) for error in found.errors]
    near = sum(size <= ALLOWED_ERROR for size in sizes) / len(sizes)
    median = statistics.median(sizes)
    waits = sorted(found.waits)
    return [
        Row(f"{voice}: estimated waits", f"{len(waits)}, {ms(waits[0])} to {ms(waits[-1])}", "–", True),
        Row(f"{voice}: estimates within ± 30 %", f"{near:.0%}", "≥ 90 %", near >= 0.9),
        Row(f"{voice}: error, median", f"{median:.0%}", "≤ 15 %", median <= 0.15),
        Row(f"{voice}: unknown", str(found.unknown), "0", not found.unknown),
    ]


async def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=15.0)
    seconds = parser.parse_args().seconds
    with serving(TTS_CACHE_BYTES="0", TTS_WORKERS="1") as server:
        table = rows(await measure(server, seconds), "embedded voice")
    with (
        slow_piper() as url,
        serving(TTS_CACHE_BYTES="0", TTS_BACKENDS="piper", PIPER_URL=url, PIPER_WORKERS="3") as server,
    ):
        table += rows(await measure(server, 2 * seconds), "slow voice, three at a time")
    print(f"Machine: {machine()}.\n")
    print("| what | measured | bar | holds |\n|---|---|---|---|")
    print("\n".join(map(str, table)))
    return 0 if all(row.holds for row in table) else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
