"""The part of `bench_lipsync.py` through the door: the whole server, real sockets, a network of random numbers.

Server and clients share the cores, and so does whatever else runs on the machine.
"""

import asyncio
import json
import random
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path

import cv2
import psutil
import torch
from bench_networks import random_network
from lipsync_material import ROOT, judged, portrait, speech
from lipsync_server import NETWORK, Server, cancelled, job, request, serving

from app.audio.encode import encode
from app.audio.format import Format
from app.audio.pcm import to_int16
from app.lipsync.mel import SAMPLE_RATE
from app.lipsync.networks.registry import FILES, FOLDER, PLANS

SIDE = 512
JOB_SECONDS, JOB_BAR = 6.0, 0.5
"""Seconds of sound, and of the processor."""
FRAGMENT_BAR = 0.3
CANCEL_BAR_MS, PING_BAR_MS = 150.0, 20.0
MEMORY_BAR_MIB = 300.0
LENGTHS = (10.0, 600.0)
"""Seconds of sound."""
COLD_CANCELS = (0.02, 0.2, 0.6, 1.2, 2.5)
"""Seconds after which the first job of a server is cancelled."""
WARM_CANCELS = 6
"""For each round."""
PINGS_PER_SECOND = 50
LONG_SECONDS = 400.0
"""Of sound, which nobody draws before all is asked."""
MIB = 2**20

Probe = Callable[[], Awaitable[object]]


@contextmanager
def made_models(name: str = NETWORK) -> Iterator[Path]:
    """Make a folder with the face models and a network of random numbers."""
    with tempfile.TemporaryDirectory() as folder:
        models = Path(folder)
        (models / "faces").symlink_to(ROOT / "models" / "faces")
        (models / FOLDER).mkdir()
        torch.save(random_network(PLANS[name]).state_dict(), models / FOLDER / FILES[name][0])
        yield models


def image() -> bytes:
    return cv2.imencode(".png", portrait(SIDE)[0])[1].tobytes()


def sound(seconds: float) -> bytes:
    pcm = to_int16(speech(seconds)).tobytes()
    return encode(pcm, sample_rate=SAMPLE_RATE, format=Format.OGG).data


def measure_door(rounds: int) -> None:
    asyncio.run(_measure(rounds))


async def _measure(rounds: int) -> None:
    print(f"\n### Through the door, {NETWORK} of random numbers, {SIDE} x {SIDE}\n")
    print("| what | measured | bar |\n|---|--:|--:|")
    with made_models() as models:
        await measure_cold_cancels(models, rounds)
        with serving(models) as server:
            async with server.client() as connection:
                warm = await job(connection, request(image(), sound(2.0)))
                assert warm.result["model_used"] == NETWORK, warm.result["fallback_reason"]
                await job(connection, request(image(), sound(2.0), model="warp"))
            await measure_jobs(server, rounds)
            await measure_cancels(server, rounds)
            await measure_pings(server, rounds)
            await measure_memory(server)


async def measure_cold_cancels(models: Path, rounds: int) -> None:
    """Cancel the very first job of a server, while it loads its models."""
    message, taken = request(image(), sound(30.0)), []
    for wait in COLD_CANCELS if rounds > 2 else COLD_CANCELS[1::2]:
        with serving(models) as server:
            async with server.client() as connection:
                await connection.send(message)
                await asyncio.sleep(wait)
                taken.append(1000 * await cancelled(connection))
    told = ", ".join(f"{each:.0f}" for each in taken)
    print(
        f"| cancel to `cancelled`, the first job of {len(taken)} servers | {told} ms "
        f"| {judged(max(taken), CANCEL_BAR_MS, at_most=True)} |",
        flush=True,
    )


async def measure_jobs(server: Server, rounds: int) -> None:
    picture = image()
    for model, bar in ((NETWORK, JOB_BAR), ("warp", None)):
        clock, firsts = [], []
        async with server.client() as connection:
            whole, streamed = (
                request(picture, sound(JOB_SECONDS), model=model, is_streamed=each) for each in (False, True)
            )
            before = server.cpu_seconds
            for _ in range(rounds):
                clock.append((await job(connection, whole)).seconds)
            spent = (server.cpu_seconds - before) / rounds
            for _ in range(rounds):
                firsts.append((await job(connection, streamed)).first_fragment)
        first = statistics.median(firsts)
        print(
            f"| job of {JOB_SECONDS:g} s, {model}, warm | {spent:.2f} s CPU, "
            f"{statistics.median(clock):.2f} s by the clock | {judged(spent, bar, at_most=True)} s CPU |\n"
            f"| first fragment, {model}, warm | {first:.2f} s, {min(firsts):.2f} to {max(firsts):.2f} "
            f"| {judged(first, FRAGMENT_BAR, at_most=True)} s |",
            flush=True,
        )


async def measure_cancels(server: Server, rounds: int) -> None:
    """Cancel at any time, and see what is left."""
    rng, taken = random.Random(1), []
    async with server.client() as connection:
        message = request(image(), sound(60.0))
        for _ in range(WARM_CANCELS):
            await connection.send(message)
            await asyncio.sleep(0.3)
            await cancelled(connection)
        await asyncio.sleep(1.0)
        held, memory = server.holds, server.memory_bytes
        for _ in range(WARM_CANCELS * rounds):
            await connection.send(message)
            await asyncio.sleep(rng.uniform(0.02, 1.0))
            taken.append(1000 * await cancelled(connection))
        await asyncio.sleep(1.0)
        threads, files = (after - before for after, before in zip(server.holds, held, strict=True))
        grown = (server.memory_bytes - memory) / MIB
    worst = max(taken)
    print(
        f"| cancel to `cancelled`, {len(taken)} at random "
        f"| median {statistics.median(taken):.0f} ms, worst {worst:.0f} "
        f"| {judged(worst, CANCEL_BAR_MS, at_most=True)} ms |\n"
        f"| afterwards more than before: threads, files, MiB | {threads}, {files}, {grown:.1f} | 0 |",
        flush=True,
    )


@asynccontextmanager
async def probes(server: Server) -> AsyncIterator[dict[str, Probe]]:
    """Ask something small of each door, on a connection of its own."""
    async with AsyncExitStack() as stack:
        sockets = {}
        for path in ("/ws/lip-sync", "/ws", "/ws/echo"):
            sockets[path] = await stack.enter_async_context(server.client(path))
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        stack.callback(writer.close)

        async def pong() -> None:
            await sockets["/ws/lip-sync"].send('{"type":"ping"}')
            while json.loads(await sockets["/ws/lip-sync"].recv()).get("type") != "pong":
                pass

        async def control_pong() -> None:
            await (await sockets["/ws"].ping())

        async def echo() -> None:
            await sockets["/ws/echo"].send(bytes(640))
            while not isinstance(await sockets["/ws/echo"].recv(), bytes):
                pass

        async def health() -> None:
            writer.write(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
            head = await reader.readuntil(b"\r\n\r\n")
            await reader.readexactly(int(head.lower().partition(b"content-length:")[2].split()[0]))

        yield {
            "/ws/lip-sync": pong,
            "/ws": control_pong,
            "/ws/echo": echo,
            "/health": health,
        }


async def measure_pings(server: Server, rounds: int) -> None:
    """Ask every door while portraits are drawn on all cores, and before."""
    async with probes(server) as asked:
        before = await _asked(asked, 2.0)
        async with AsyncExitStack() as stack:
            message = request(image(), sound(LONG_SECONDS))
            drawing = [await stack.enter_async_context(server.client()) for _ in range(psutil.cpu_count() or 1)]
            for connection in drawing:
                await connection.send(message)
            during = await _asked(asked, 2.0 * rounds)
            for connection in drawing:
                await cancelled(connection)
    for path, times in during.items():
        p99, idle = _p99(times), _p99(before[path])
        print(
            f"| answer of `{path}` during {len(drawing)} jobs, p99 of {len(times)} | {p99:.1f} ms, before {idle:.1f} "
            f"| {judged(p99, PING_BAR_MS, at_most=True)} ms |",
            flush=True,
        )


async def _asked(asked: dict[str, Probe], seconds: float) -> dict[str, list[float]]:
    """Return milliseconds of each answer; all doors are asked at the same pace, whatever comes back."""
    times: dict[str, list[float]] = {path: [] for path in asked}

    async def ask(path: str) -> None:
        end = time.perf_counter() + seconds
        while (start := time.perf_counter()) < end:
            await asked[path]()
            taken = time.perf_counter() - start
            times[path].append(1000 * taken)
            await asyncio.sleep(max(1 / PINGS_PER_SECOND - taken, 0))

    await asyncio.gather(*(ask(path) for path in asked))
    return times


def _p99(times: list[float]) -> float:
    return sorted(times)[int(0.99 * (len(times) - 1))]


async def measure_memory(server: Server) -> None:
    """Follow the server's memory through a short job and a long one, whole and streamed."""
    picture = image()
    for is_streamed in (True, False):
        for seconds in LENGTHS:
            message = request(picture, sound(seconds), is_streamed=is_streamed)
            before, peak, done = server.memory_bytes, 0, asyncio.Event()

            async def watch() -> None:
                nonlocal peak
                while not done.is_set():  # noqa: ASYNC110, B023
                    peak = max(peak, server.memory_bytes)
                    await asyncio.sleep(0.02)

            async with server.client() as connection, asyncio.TaskGroup() as group:
                group.create_task(watch())
                answer = await job(connection, message)
                done.set()
            used = (peak - before) / MIB
            print(
                f"| memory of a job of {seconds:g} s, {'streamed' if is_streamed else 'whole'} "
                f"({answer.seconds:.0f} s, {int(str(answer.result['video_size'])) / MIB:.1f} MiB) | {used:.0f} MiB "
                f"| {judged(used, MEMORY_BAR_MIB, at_most=True)} MiB |",
                flush=True,
            )
