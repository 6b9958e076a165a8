"""Measures takes: a real server in a process of its own, real sockets, the bare speech engine beside it.

    .venv/bin/python scripts/bench_speak.py [--quick]

Prints a table in Markdown with the machine it ran on. The bare engine is `Synthesizer.speak` of the same sentence in
the same voice, in this process and with one worker, by turns with the takes. Every figure has its bar; a bar that is
missed says so. Whatever else runs on the machine makes the figures worse: run it alone.
"""

import argparse
import asyncio
import json
import secrets
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from bench_speech import MIB, Row, Server, machine, ms, quantile, serving
from websockets.asyncio.client import ClientConnection, connect

from app.api.speak.answers import encode_item
from app.runtime.auth import Authority
from app.runtime.database import READ_POOL, WRITE_POOL, Database
from app.runtime.queue import Priority
from app.runtime.workers import CODEC_POOL, FILES_POOL, Workers
from app.takes.casting import Casting
from app.takes.ids import Ids, Kind, time_ms
from app.takes.model import models
from app.takes.part import Part
from app.takes.reading import Reading
from app.takes.recordings import Recordings
from app.takes.sql import SqlStore
from app.takes.stock import stock_voices
from app.takes.studio import Studio, StudioLimits
from app.takes.take import Recorded, Status, Take, TakeRequest, Wording
from app.takes.voice import Voice
from app.tts.backends.espeak import Espeak
from app.tts.cache import SpeechCache
from app.tts.leveler import Leveler
from app.tts.synthesizer import Synthesizer

OWNER = "bench"
SECRET = secrets.token_urlsafe(32)
UNBOUNDED = {"AUTH_SECRET": SECRET, "TTS_CACHE_BYTES": "0", "SPEAK_MAX_CONNECTIONS_PER_ACCOUNT": "0"}
AHEAD = 4
LONG_SECONDS, LONG_RATE = 2400, 22_050  # 101 MiB of wav
READ_SECONDS = 0.02


def sentence(number: int) -> str:
    """Make a sentence that was not said before."""
    return f"This is sentence number {number}, and it is as long as most of them are."


def text(number: int, sentences: int) -> str:
    """Make a text whose sentences were not said before."""
    return " ".join(sentence(number * 1000 + n) for n in range(sentences))


class Bare:
    """The speech engine alone, as a take would ask it."""

    def __init__(self, workers: Workers) -> None:
        self.workers = workers
        leveler = Leveler(target_lufs=-16.0, workers=workers)
        self.spoken = 0
        self.synthesizer = Synthesizer(
            [Espeak(workers=1)],
            workers=workers,
            cache=SpeechCache(max_bytes=0),
            queue_depth=0,
            leveler=leveler,
            on_job=self._count,
        )
        self._casting = Casting(self.synthesizer)

    def voice(self) -> Voice:
        """Return the voice that every take here has: one that the server brings."""
        return next(iter(stock_voices(models(self.synthesizer))))

    def _count(self, *job: object) -> None:
        self.spoken += 1

    async def speak(self, written: str, voice: Voice) -> float:
        """Return the seconds for one sentence."""
        reading = Reading(
            Wording(written), voice, synthesizer=self.synthesizer, casting=self._casting, default_language="en-US"
        )
        request = next(reading.lines()).request
        started = time.perf_counter()
        await self.synthesizer.speak(request, client=OWNER, priority=Priority.NORMAL, may_hurry=False)
        return time.perf_counter() - started


@dataclass(eq=False)
class Listener:
    """Hears parts, each as long as it likes."""

    seconds: float
    bare: Bare
    heard_at: list[float] = field(default_factory=list)
    most_ahead: int = 0
    waited: float = 0.0
    _free: float | None = None

    async def told(self, item: object) -> None:
        """Not of interest."""

    async def heard(self, part: Part) -> None:
        if self._free is not None:
            self.waited += time.perf_counter() - self._free
        self.most_ahead = max(self.most_ahead, self.bare.spoken - part.index)
        await asyncio.sleep(self.seconds)
        self.most_ahead = max(self.most_ahead, self.bare.spoken - part.index)
        self._free = time.perf_counter()


@dataclass
class Client:
    """An account's way to the server."""

    http: httpx.AsyncClient
    voice_id: str

    @asynccontextmanager
    async def socket(self) -> AsyncIterator[ClientConnection]:
        """Connect as clients do: a signed URL first."""
        url = (await self.http.get("websocket/espeak")).json()["worker_websocket_url"]
        async with connect(url, compression=None, max_size=None, max_queue=None) as connection:
            yield connection

    async def ask(self, connection: ClientConnection, request_id: int, written: str) -> float:
        """Ask for a take in parts; returns when that was."""
        data = {"text": written, "voice_id": self.voice_id}
        started = time.perf_counter()
        await connection.send(json.dumps({"command": "/takes/generate", "request_id": request_id, "data": data}))
        return started


@asynccontextmanager
async def client(server: Server) -> AsyncIterator[Client]:
    """Log in, and choose the voice that the bare engine has too."""
    token = Authority(SECRET.encode()).issue(OWNER, expires_in=3600)
    headers = {"Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(base_url=f"{server.http}/v1/speak/", headers=headers, timeout=300) as http:
        voices = (await http.get("voices")).raise_for_status().json()
        yield Client(http, next(voice["voice_id"] for voice in voices if voice["model"] == "espeak"))


async def parts(connection: ClientConnection) -> AsyncIterator[float]:
    """Yield when each part of a take came, until its last status."""
    while True:
        message = await connection.recv()
        if isinstance(message, bytes):
            length = int.from_bytes(message[4:8], "little")
            if len(message) > 8 + length:
                yield time.perf_counter()
        elif (status := json.loads(message)["data"]["status"]) in ("ready", "error"):
            if status == "error":
                raise SystemExit(f"the server answered {message[:300]}")
            return


async def first_part(server: Server, bare: Bare, runs: int) -> list[Row]:
    """First part over the wire beside the bare engine, sentence by sentence."""
    engine: list[float] = []
    firsts: list[float] = []
    voice = bare.voice()
    async with client(server) as account, account.socket() as connection:
        for run in range(runs + 10):
            engine.append(await bare.speak(sentence(run), voice))
            started = await account.ask(connection, run, text(run, 3))
            firsts.append([at async for at in parts(connection)][0] - started)
    base, first = statistics.median(engine[10:]), statistics.median(firsts[10:])
    bar = 1.2 * base + 0.003
    return [
        Row("bare engine, a sentence of 70 characters, median", ms(base), "–", True),
        Row("first part over the WebSocket, median", ms(first), f"≤ 1.2 × bare + 3 ms = {ms(bar)}", first <= bar),
    ]


async def made_ahead(bare: Bare, folder: Path) -> list[Row]:
    """Twenty sentences to a listener that takes longer to hear them than they take to be made."""
    async with Database(f"sqlite:///{folder / 'ahead.db'}", bare.workers) as database:
        await database.migrate()
        store, voice = SqlStore(database), bare.voice()
        await store.add_voice(voice)
        studio = Studio(
            bare.synthesizer,
            store,
            Recordings(folder / "ahead", workers=bare.workers),
            limits=StudioLimits(),
            maker="bench",
            render=encode_item,
            on_owed=lambda: None,
        )
        async with studio:
            listener = Listener(0.05, bare)
            bare.spoken = 0
            request = TakeRequest(Wording(text(7, 20)), voice.id)
            await studio.perform_take(OWNER, request, listener, client=listener)
    waited = listener.waited / 19
    return [
        Row(
            "20 sentences: parts made ahead of what was heard",
            f"{listener.most_ahead}",
            f"{AHEAD}",
            listener.most_ahead == AHEAD,
        ),
        Row("20 sentences: wait for the next part, mean", ms(waited), "≤ 1 ms", waited <= 0.001),
    ]


async def sockets(server: Server, count: int, sentences: int) -> list[Row]:
    """Many sockets at once, each with a take of so many parts."""
    arrived: list[list[float]] = [[] for _ in range(count)]

    async def one(number: int, connection: ClientConnection) -> None:
        await account.ask(connection, 1, text(100 + number, sentences))
        async for at in parts(connection):
            arrived[number].append(at)

    async with client(server) as account, AsyncExitStack() as stack:
        connections = [await stack.enter_async_context(account.socket()) for _ in range(count)]
        started = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for number, connection in enumerate(connections):
                group.create_task(one(number, connection))
    all_began, first_done = max(times[0] for times in arrived), min(times[-1] for times in arrived)
    shares = [sum(all_began < at <= first_done for at in times) for times in arrived]
    everything = max(times[-1] for times in arrived) - started
    firsts = [times[0] - started for times in arrived]
    return [
        Row(
            f"{count} sockets at once: parts of each, from everybody's first to anybody's last",
            f"{min(shares)} to {max(shares)}",
            "at most 2 apart",
            max(shares) - min(shares) <= 2 and min(shares) > 0,
        ),
        Row(
            f"{count} sockets at once: first part, median / last",
            f"{ms(statistics.median(firsts))} / {ms(max(firsts))}",
            "–",
            True,
        ),
        Row(f"{count} sockets at once: parts a second", f"{count * sentences / everything:.0f}", "–", True),
    ]


async def beside_a_batch(server: Server, takes: int, runs: int) -> list[Row]:
    """First part of one socket, alone and beside a batch of takes over REST."""

    async def live(begin: int) -> list[float]:
        found = []
        for run in range(begin, begin + runs):
            started = await account.ask(connection, run, sentence(run))
            found.append([at async for at in parts(connection)][0] - started)
            await asyncio.sleep(0.02)
        return found

    async with client(server) as account, account.socket() as connection:
        await live(200_000)
        alone = await live(210_000)
        wanted = [{"text": text(3000 + n, 3), "voice_id": account.voice_id} for n in range(takes)]
        asked = time.perf_counter()
        made = (await account.http.post("takes/generate", json=wanted)).raise_for_status().json()
        answered = time.perf_counter() - asked
        beside = await live(220_000)
        waiting = sum(take["status"] == "waiting" for take in (await account.http.get("takes?length=1000")).json())
        await done(account, made[-1]["take_id"])
        everything = time.perf_counter() - asked
    before, during = statistics.median(alone), statistics.median(beside)
    bar = 2 * before + 0.01
    return [
        Row(f"{takes} takes over REST: answered after", ms(answered), "≤ 5 s, the client's patience", answered <= 5),
        Row(
            f"first part of a socket beside them (alone {ms(before)}), median / p95",
            f"{ms(during)} / {ms(quantile(beside, 0.95))}",
            f"≤ 2 × alone + 10 ms = {ms(bar)}",
            during <= bar and waiting > 0,
        ),
        Row(f"{takes} takes over REST: all are made after", f"{everything:.1f} s", "–", True),
    ]


async def done(account: Client, take_id: str) -> None:
    """Wait until a take is done, as clients do: by asking."""
    status = ""
    while status not in ("ready", "error"):  # noqa: ASYNC110 the protocol has no other way
        status = (await account.http.get(f"takes/{take_id}")).json()["status"]
        await asyncio.sleep(0.2)


async def pages(server: Server, takes: int) -> list[Row]:
    """Every page of many takes."""
    async with client(server) as account:
        times, listed = [], 0
        for number in range(1, takes // 100 + 1):
            started = time.perf_counter()
            listed += len((await account.http.get(f"takes?length=100&page={number}")).raise_for_status().json())
            times.append(time.perf_counter() - started)
    slowest = max(times)
    return [Row(f"{listed} takes in pages of 100, slowest page", ms(slowest), "≤ 50 ms", slowest <= 0.05)]


async def long_audio(server: Server, take_id: str) -> list[Row]:
    """Stream the wav of a finished take of 100 MB; what the server's memory does meanwhile."""
    async with client(server) as account:
        location = (await account.http.get(f"takes/{take_id}/wav")).headers["location"]
        async with httpx.AsyncClient() as stranger:
            (await stranger.get(location, headers={"Range": "bytes=0-99"})).raise_for_status()
            before = peak = server.memory()
            received, started, looked = 0, time.perf_counter(), 0.0
            async with stranger.stream("GET", location) as reply:
                async for data in reply.aiter_raw():
                    received += len(data)
                    if time.perf_counter() - looked > READ_SECONDS:
                        looked = time.perf_counter()
                        peak = max(peak, server.memory())
            seconds = time.perf_counter() - started
    whole = received == 44 + 2 * LONG_SECONDS * LONG_RATE
    grown = (peak - before) / MIB
    return [
        Row(
            f"{received / MIB:.0f} MiB of audio from disk in {seconds:.2f} s: memory",
            f"{grown:.1f} MiB",
            "≤ 32 MiB",
            whole and grown <= 32,
        )
    ]


async def prepare(folder: Path, takes: int, workers: Workers) -> str:
    """Fill a data folder with takes of the account; returns the id of the one with 100 MB of audio."""
    ids = Ids()
    async with Database(f"sqlite:///{folder / 'chorus.db'}", workers) as database:
        await database.migrate()
        made = [_ready(ids.new(Kind.TAKE)) for _ in range(takes)]
        for start in range(0, takes, 500):
            await SqlStore(database).add_takes(made[start : start + 500], maker="bench")
    recording = await Recordings(folder / "takes", workers=workers).begin(made[0].id, LONG_RATE)
    for _ in range(LONG_SECONDS // 10):
        await recording.append(secrets.token_bytes(2 * 10 * LONG_RATE))
    await recording.finish()
    return made[0].id


def _ready(take_id: str) -> Take:
    recorded = Recorded(LONG_SECONDS * LONG_RATE, LONG_RATE, ("Hello.",))
    request = TakeRequest(Wording("Hello."), "v" + "0" * 26)
    return Take(take_id, OWNER, request, Status.READY, time_ms(take_id), recorded)


async def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a fifth of the runs")
    scale = 0.2 if parser.parse_args().quick else 1.0
    bare = Bare(Workers({CODEC_POOL: 2, FILES_POOL: 4, READ_POOL: 4, WRITE_POOL: 1}))
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        long_take = await prepare(folder, 1000, bare.workers)
        async with bare.synthesizer:
            rows += await made_ahead(bare, folder)
            with serving(DATA_DIR=name, **UNBOUNDED) as server:
                rows += await first_part(server, bare, int(150 * scale))
                rows += await sockets(server, 50, 20)
                rows += await beside_a_batch(server, int(1000 * scale), int(50 * scale))
                rows += await pages(server, 1000)
                rows += await long_audio(server, long_take)
    print(f"Machine: {machine()}.\n")
    print("| what | measured | bar | holds |\n|---|---|---|---|")
    print("\n".join(map(str, rows)))
    return 0 if all(row.holds for row in rows) else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
