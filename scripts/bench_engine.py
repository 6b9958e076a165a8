"""Measures the speech engine without a wire: encoding, manners, and eight hours of chat.

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
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from app.audio.format import Format  # noqa: E402
from app.runtime.workers import Workers  # noqa: E402
from app.tts.backends.espeak import Espeak  # noqa: E402
from app.tts.cache import SpeechCache  # noqa: E402
from app.tts.output import Output  # noqa: E402
from app.tts.speech import Quality, Sound, SpeechRequest, Utterance  # noqa: E402
from app.tts.synthesizer import Synthesizer  # noqa: E402
from app.tts.treatment import Treatment, treat  # noqa: E402

MIB = 1024 * 1024
HOURS = 8
SECONDS_BETWEEN_LINES = 2.0
WORDS = "主播 今天 真的 好棒 这个 操作 太秀了 加油 晚上好 开心 唱歌 hello nice gg 666 哈哈哈 送你 小礼物 🎉".split()
CACHE_BYTES = 16 * MIB
SENTENCE = "The quick brown fox jumps over the lazy dog, and then it runs away into the dark forest behind the house."
REAL_TIME_BAR = 0.05
TREATMENTS = {
    "tilt": Treatment(tilt=3.0),
    "pitch, or range of pitch": Treatment(pitch=3.0, pitch_range=0.5),
    "timbre": Treatment(timbre=3.0),
    "all of them": Treatment(pitch=3.0, pitch_range=0.5, timbre=3.0, tilt=3.0),
}


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


async def manners() -> bool:
    """Print what the server does to a sound for each manner, beside the time it takes to hear; whether it is little."""
    backend = Espeak(workers=1)
    async with backend.running():
        spoken = Utterance(SENTENCE, backend.choose_voice("en-US"))
        sounds = [sound async for sound in backend.synthesize(spoken, whole=True)]
    seconds = sum(len(sound.pcm) for sound in sounds) / 2 / backend.sample_rate
    print(
        f"\nManners of {seconds:.1f} s of English speech, CPU time, median of 15. Bar: {REAL_TIME_BAR:g} × real time.\n"
    )
    print("| done to the sound | time | of real time | holds |\n|---|--:|--:|---|")
    holds = True
    for what, treatment in TREATMENTS.items():
        times = []
        for _ in range(15):
            started = time.process_time()
            async for _sound in treat(_again(sounds), treatment, sample_rate=backend.sample_rate):
                pass
            times.append(time.process_time() - started)
        share = statistics.median(times) / seconds
        holds = holds and share <= REAL_TIME_BAR
        print(
            f"| {what} | {1000 * seconds * share:.1f} ms | {share:.4f} | {'yes' if share <= REAL_TIME_BAR else 'no'} |"
        )
    return holds


async def _again(sounds: list[Sound]) -> AsyncGenerator[Sound, None]:
    for sound in sounds:
        yield sound


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
    holds = await manners()
    return 0 if await eight_hours(1.0 if arguments.quick else float(HOURS)) and holds else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
