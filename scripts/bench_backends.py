"""Measures each speech backend that can run here beside its bare library, and how edge gets over its service's faults.

    .venv/bin/python scripts/bench_backends.py [--xtts-python PYTHON] [BACKEND ...]

Needs the development packages. piper, kokoro and xtts speak with tiny models of our own, edge with a local emulator of
the service: the figures are of the way to the library and back, not of the voices. PYTHON is an interpreter that has
coqui-tts, by default CHORUS_XTTS_PYTHON or the one that runs this; without coqui-tts xtts is left out.
"""

import argparse
import asyncio
import logging
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import anyio
import edge_tts
import trustme

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from app.runtime.workers import Workers  # noqa: E402
from app.tts.backend import Backend  # noqa: E402
from app.tts.backends.edge import Edge  # noqa: E402
from app.tts.backends.espeak import Espeak, find_library  # noqa: E402
from app.tts.backends.espeak_engine import Engine  # noqa: E402
from app.tts.backends.kokoro import Kokoro  # noqa: E402
from app.tts.backends.piper import Piper  # noqa: E402
from app.tts.backends.xtts import Xtts  # noqa: E402
from app.tts.cache import SpeechCache  # noqa: E402
from app.tts.leveler import Leveler  # noqa: E402
from app.tts.speech import SpeechRequest, Utterance  # noqa: E402
from app.tts.synthesizer import Synthesizer  # noqa: E402
from tests.eventually import eventually  # noqa: E402
from tests.tts.backends.edge_emulator import Emulator, Ill  # noqa: E402
from tests.tts.tiny_voices import write_kokoro, write_piper_voice  # noqa: E402

TEXT = "Hello there my friend, how are you today?"
RUNS = 40
SLOW_RUNS = 10
"""Of xtts, whose every line takes seconds."""
ALLOWED_SECONDS = 0.003

First = Callable[[], Awaitable[float]]
"""Speaks and returns the seconds until the first sound."""


async def ours(backend: Backend) -> float:
    """Return the seconds to the first bytes that the engine emits."""
    heard: list[float] = []

    def emit(data: bytes) -> None:
        if len(data) > 44:
            heard.append(time.perf_counter())

    started = time.perf_counter()
    await ENGINES[backend.name].stream(SpeechRequest(TEXT), client="bench", emit=emit, room=anyio.lowlevel.checkpoint)
    return heard[0] - started


ENGINES: dict[str, Synthesizer] = {}


@asynccontextmanager
async def engine(backend: Backend) -> AsyncIterator[None]:
    """Run the whole engine over one backend."""
    workers = Workers({"codec": 2})
    cache = SpeechCache(max_bytes=0)
    async with Synthesizer(
        [backend], workers=workers, cache=cache, queue_depth=10, leveler=Leveler(workers=workers)
    ) as ENGINES[backend.name]:
        await eventually(lambda: backend.health().available, within=200)
        yield


async def compare(backend: Backend, bare: First, kind: str, *, runs: int = RUNS, warm_up: int = 5) -> None:
    """Print one row: the engine and the bare library by turns."""
    async with engine(backend):
        pairs = [(await ours(backend), await bare()) for _ in range(runs + warm_up)][warm_up:]
    own, other = (statistics.median(column) for column in zip(*pairs, strict=True))
    holds = own <= 1.2 * other + ALLOWED_SECONDS
    print(f"| {backend.name} | {own * 1000:.2f} ms | {other * 1000:.2f} ms | {kind} | {'yes' if holds else '**no**'} |")


async def espeak() -> None:
    library = Engine(*find_library())
    library.set_voice("gmw/en-US")
    library.set_prosody(words_per_minute=260, pitch=50, pitch_range=50, volume=100)

    async def bare() -> float:
        heard: list[float] = []

        def take(pcm: bytes) -> bool:
            heard.append(time.perf_counter())
            return True

        started = time.perf_counter()
        library.speak(TEXT.encode(), take, buffer_ms=60)
        return heard[0] - started

    await compare(Espeak(workers=1), bare, "the library in this process")


async def edge(folder: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    async with Emulator(authority) as service:

        async def bare() -> float:
            started = time.perf_counter()
            client = edge_tts.Communicate(TEXT, "en-US-AriaNeural", connector=service.connector())
            first = 0.0
            async for message in client.stream():
                if message["type"] == "audio" and not first:
                    first = time.perf_counter() - started
            return first

        backend = Edge(ca_file=folder / "ca.pem", connector=service.connector)
        await compare(backend, bare, "edge-tts, to the first mp3")


async def piper(folder: Path) -> None:
    from piper import PiperVoice

    model = write_piper_voice(folder / "piper", "en_US-lessac-medium")
    path = model if isinstance(model, Path) else folder / "piper" / "en_US-lessac-medium.onnx"
    voice = PiperVoice.load(path)

    async def bare() -> float:
        started = time.perf_counter()
        next(iter(voice.synthesize(TEXT)))
        return time.perf_counter() - started

    await compare(Piper(folder), bare, "piper in this process")


async def kokoro(folder: Path) -> None:
    from kokoro_onnx import Kokoro as Library

    write_kokoro(folder / "kokoro", ("af_heart", "am_adam"))
    library = Library(str(folder / "kokoro" / "kokoro-v1.0.onnx"), str(folder / "kokoro" / "voices-v1.0.bin"))

    async def bare() -> float:
        started = time.perf_counter()
        library.create(TEXT, voice="af_heart")
        return time.perf_counter() - started

    await compare(Kokoro(folder), bare, "kokoro-onnx in this process")


async def xtts(folder: Path, python: str) -> None:
    if not has_coqui(python):
        print(f"| xtts | – | – | left out: {python} has no coqui-tts | – |")
        return
    model, copy = make_xtts(folder, python)
    with bare_xtts(python, copy) as bare:
        backend = Xtts(model, agreed=True, device="cpu", python=python, patience=200.0)
        await compare(backend, bare, "coqui-tts in a process of its own", runs=SLOW_RUNS, warm_up=2)


def has_coqui(python: str) -> bool:
    probe = "import importlib.util as u, sys; sys.exit(u.find_spec('TTS') is None)"
    return subprocess.run([python, "-c", probe]).returncode == 0


def make_xtts(folder: Path, python: str) -> tuple[Path, Path]:
    """Make a tiny model twice: the library may rewrite the files that it loads."""
    model, copy = folder / "xtts", folder / "bare_xtts"
    model.mkdir()
    maker = ROOT / "tests" / "tts" / "backends" / "tiny_xtts.py"
    subprocess.run([python, "-W", "ignore", str(maker), str(model)], check=True, capture_output=True)
    shutil.copytree(model, copy)
    return model, copy


@contextmanager
def bare_xtts(python: str, model: Path) -> Iterator[First]:
    """Run the bare library; yields what has it speak."""
    command = [python, "-W", "ignore", str(ROOT / "scripts" / "bare_xtts.py"), str(model)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, text=True, bufsize=1, **pipes) as process:
        if process.stdout.readline() != "ready\n":
            raise SystemExit(f"the bare library does not start: {' '.join(command)}")

        async def first() -> float:
            process.stdin.write(f"{TEXT}\n")
            return float(await asyncio.to_thread(process.stdout.readline))

        yield first
        process.stdin.close()


async def faults(folder: Path) -> None:
    """Print how long one utterance takes when the service fails once."""
    print("\nOne utterance of edge while the service suffers one fault, in seconds.\n")
    print("| fault | outcome | time |\n|---|---|--:|")
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    for ill in (None, *Ill):
        async with Emulator(authority) as service:
            backend = Edge(ca_file=folder / "ca.pem", connector=service.connector)
            async with backend.running():
                utterance = Utterance(TEXT, backend.choose_voice("en-US"))
                service.ills.extend([ill] if ill else [])
                started = time.perf_counter()
                try:
                    sounds = [sound async for sound in backend.synthesize(utterance, whole=True)]
                    outcome = f"{sum(len(sound.pcm) for sound in sounds) / 2 / backend.sample_rate:.2f} s of speech"
                except Exception as error:
                    outcome = type(error).__name__
                seconds = time.perf_counter() - started
        print(f"| {ill.name.lower().replace('_', ' ') if ill else 'none'} | {outcome} | {seconds:.2f} |")


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "backends", nargs="*", metavar="BACKEND", help="espeak, edge, piper, kokoro, xtts; default: all"
    )
    parser.add_argument("--xtts-python", default=os.environ.get("CHORUS_XTTS_PYTHON", sys.executable))
    arguments = parser.parse_args()
    logging.disable(logging.CRITICAL)
    print(f"Machine: {os.cpu_count()} cores, Python {platform.python_version()}, {platform.system()}.\n")
    print(
        f"First sound of a line of {len(TEXT)} characters, median of {RUNS} ({SLOW_RUNS} of xtts), by turns. "
        "Bar: 1.2 × bare + 3 ms.\n"
    )
    print("| backend | ours | bare | what is bare | holds |\n|---|--:|--:|---|---|")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows: dict[str, Callable[[], Awaitable[None]]] = {
            "espeak": espeak,
            "edge": lambda: edge(folder),
            "piper": lambda: piper(folder),
            "kokoro": lambda: kokoro(folder),
            "xtts": lambda: xtts(folder, arguments.xtts_python),
        }
        for backend in arguments.backends or rows:
            await rows[backend]()
        if not arguments.backends or "edge" in arguments.backends:
            await faults(folder)


if __name__ == "__main__":
    asyncio.run(main())
