"""Measures the speech engine without a wire: encoding, and eight hours of chat.

    .venv/bin/python scripts/bench_engine.py [--quick]

Prints tables in Markdown. The chat is simulated: its clock is set forward from line to line, the voice and everything
behind it are real; what is measured is memory, hour by hour.
"""

import argparse
import asyncio
import gc
import os
import platform
import random
import statistics
import sys
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from app.audio.format import Format  # noqa: E402
from app.runtime.workers import Workers  # noqa: E402
from app.tts.backends.espeak import Espeak  # noqa: E402
from app.tts.cache import SpeechCache  # noqa: E402
from app.tts.output import Output  # noqa: E402
from app.tts.speech import Quality, SpeechRequest, Utterance  # noqa: E402
from app.tts.synthesizer import Synthesizer  # noqa: E402

MIB = 1024 * 1024
HOURS = 8
SECONDS_BETWEEN_LINES = 2.0
WORDS = "主播 今天 真的 好棒 这个 操作 太秀了 加油 晚上好 开心 唱歌 hello nice gg 666 哈哈哈 送你 小礼物 🎉".split()
CACHE_BYTES = 16 * MIB


class Clock:
    """A clock that is set forward by hand."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def chat(rng: random.Random) -> Iterator[str]:
    """Yield chat lines; a third of them has been said before."""
    said = deque(["哈哈哈哈"], maxlen=500)
    while True:
        if rng.random() < 1 / 3:
            yield said[rng.randrange(len(said))]
        else:
            said.append("".join(rng.choices(WORDS, k=rng.randint(1, 6))) + str(rng.randint(0, 999)))
            yield said[-1]


async def encoding() -> None:
    """Print what each format costs for the same three seconds of speech."""
    backend = Espeak(workers=1)
    async with backend.running():
        text = "主播好棒，今天的游戏打得太精彩了，大家一起加油"
        spoken = Utterance(text, backend.choose_voice("zh-CN"))
        pcm = b"".join([sound.pcm async for sound in backend.synthesize(spoken, whole=True)])
    seconds = len(pcm) / 2 / backend.sample_rate
    print(f"Encoding {seconds:.1f} s of Chinese speech, CPU time, median of 15.\n")
    print("| format | low | medium | high | bytes, medium |\n|---|--:|--:|--:|--:|")
    for format in Format:
        cells = []
        size = 0
        for quality in Quality:
            output = Output.of(SpeechRequest("x", quality=quality, format=format))
            times = []
            for _ in range(15):
                started = time.process_time()
                encoded = output.render(pcm, native_rate=backend.sample_rate)
                times.append(time.process_time() - started)
            cells.append(f"{statistics.median(times) * 1000:.1f} ms")
            size = len(encoded.data) if quality is Quality.MEDIUM else size
        print(f"| {format} | {' | '.join(cells)} | {size:,} |")


async def eight_hours(hours: float) -> bool:
    """Print the memory of a simulated evening; returns whether it stays flat after the first quarter."""
    clock = Clock()
    synthesizer = Synthesizer(
        [Espeak(workers=1)],
        workers=Workers({"codec": 2}),
        cache=SpeechCache(max_bytes=CACHE_BYTES, max_age=3600.0, clock=clock),
        queue_depth=100,
        clock=clock,
    )
    lines = chat(random.Random(1))
    process = psutil.Process()
    sizes: list[int] = []
    count = 0
    print(f"\n{hours:g} h of chat, a line every {SECONDS_BETWEEN_LINES:g} s, cache of {CACHE_BYTES // MIB} MiB.\n")
    print("| hour | lines | from the cache | cache | server | voice process |\n|--:|--:|--:|--:|--:|--:|")
    async with synthesizer:
        for quarter in range(1, int(hours * 4) + 1):
            while clock.now < quarter * 900.0:
                clock.now += SECONDS_BETWEEN_LINES
                await synthesizer.speak(SpeechRequest(next(lines)), client=count % 50)
                count += 1
            gc.collect()
            sizes.append(process.memory_info().rss)
            if quarter % 4 == 0:
                cache = synthesizer.cache
                voice = sum(child.memory_info().rss for child in process.children())
                print(
                    f"| {quarter // 4} | {count} | {100 * cache.hits / (cache.hits + cache.misses):.0f} % "
                    f"| {cache.size_bytes / MIB:.1f} MiB | {sizes[-1] / MIB:.1f} MiB | {voice / MIB:.1f} MiB |"
                )
    growth = (sizes[-1] - sizes[len(sizes) // 4]) / MIB
    print(f"\nGrowth over the last three quarters: {growth:+.1f} MiB.")
    return growth < 8


async def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one hour of chat instead of eight")
    arguments = parser.parse_args()
    print(f"Machine: {os.cpu_count()} cores, Python {platform.python_version()}, {platform.system()}.\n")
    await encoding()
    return 0 if await eight_hours(1.0 if arguments.quick else float(HOURS)) else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
