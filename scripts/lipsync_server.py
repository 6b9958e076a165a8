"""The whole server in a process of its own, with a network of random numbers, and clients of its portraits' door."""

import base64
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
from lipsync_material import ROOT
from websockets.asyncio.client import ClientConnection, connect

SETTINGS = {
    "TTS_BACKENDS": "espeak",
    "LOG_LEVEL": "WARNING",
    "DANMU_MAX_CONNECTIONS_PER_IP": "0",
    "DANMU_MAX_MESSAGES_PER_MINUTE": "0",
}
START_SECONDS = 60.0
QUIET_SHARE = 0.05
"""Of a core, below which a server that has just started has nothing more to do."""
NETWORK = "nota_wav2lip"


@dataclass(frozen=True, slots=True)
class Server:
    """A server process."""

    port: int
    process: psutil.Process

    @property
    def cpu_seconds(self) -> float:
        """Of all its threads, those that have ended too."""
        times = self.process.cpu_times()
        return float(times.user + times.system)

    @property
    def memory_bytes(self) -> int:
        """Resident."""
        return int(self.process.memory_info().rss)

    @property
    def holds(self) -> tuple[int, int]:
        """Return how many threads and open files it has."""
        return self.process.num_threads(), self.process.num_fds()

    @asynccontextmanager
    async def client(self, path: str = "/ws/lip-sync") -> AsyncIterator[ClientConnection]:
        """Connect to one of its doors; the greeting of portraits is read."""
        url = f"ws://127.0.0.1:{self.port}{path}"
        async with connect(url, max_size=None, compression=None, ping_interval=None) as connection:
            if path == "/ws/lip-sync":
                await connection.recv()
            yield connection


@contextmanager
def serving(models: Path) -> Iterator[Server]:
    """Run a server on a free port until it has nothing to do, with the models of a folder."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory() as data:
        settings = os.environ | SETTINGS | {"DATA_DIR": data, "MODELS_DIR": str(models)}
        settings.pop("OMP_NUM_THREADS", None)
        command = [sys.executable, "-m", "app", "serve", "--port", str(port)]
        process = subprocess.Popen(command, cwd=ROOT, env=settings)
        try:
            server = Server(port, psutil.Process(process.pid))
            _wait_until_ready(server, process)
            yield server
        finally:
            process.terminate()
            process.wait(60)


def _wait_until_ready(server: Server, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until:
        try:
            socket.create_connection(("127.0.0.1", server.port), 1).close()
            break
        except OSError:
            if process.poll() is not None:
                raise SystemExit("the server did not start") from None
            time.sleep(0.05)
    while time.monotonic() < until:
        before = server.cpu_seconds
        time.sleep(0.5)
        if server.cpu_seconds - before < 0.5 * QUIET_SHARE:
            return
    raise SystemExit(f"the server was not quiet within {START_SECONDS:g} s")


def request(image: bytes, audio: bytes, *, model: str = NETWORK, is_streamed: bool = False) -> str:
    """Return a `process` message."""
    files = {"image_base64": image, "audio_base64": audio}
    options = {"model_type": model, "stream": is_streamed}
    encoded = {name: base64.b64encode(data).decode() for name, data in files.items()}
    return json.dumps({"type": "process", **encoded, "options": options})


@dataclass(frozen=True, slots=True)
class Answer:
    """What has come of one job."""

    result: dict[str, object]
    seconds: float
    """From the message to the result."""
    first_fragment: float
    """Seconds to the first bytes of a video that is streamed."""


async def job(connection: ClientConnection, message: str) -> Answer:
    """Have a portrait drawn.

    Raises:
        SystemExit: it was refused.
    """
    start, first = time.perf_counter(), 0.0
    await connection.send(message)
    async for received in connection:
        if isinstance(received, bytes):
            first = first or time.perf_counter() - start
            continue
        told = json.loads(received)
        if told["type"] == "error":
            raise SystemExit(f"the server refuses: {told['message']}")
        if told["type"] == "result":
            return Answer(told, time.perf_counter() - start, first)
    raise SystemExit("the connection has ended")


async def cancelled(connection: ClientConnection) -> float:
    """Cancel what is drawn, and return the seconds until that is told."""
    start = time.perf_counter()
    await connection.send('{"type":"cancel"}')
    async for received in connection:
        told = {} if isinstance(received, bytes) else json.loads(received)
        if told.get("type") == "cancelled":
            return time.perf_counter() - start
        if told.get("type") in ("result", "error", "info"):
            raise SystemExit(f"there was nothing to cancel: {told['type']}")
    raise SystemExit("the connection has ended")
