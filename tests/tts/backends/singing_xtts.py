"""An engine for the xtts worker that needs neither torch nor weights and sings: a low tone for each character."""

import array
import math
from collections.abc import Iterator, Sequence
from pathlib import Path

from app.tts.backends.xtts_messages import Introduction, Speaker

SAMPLE_RATE = 24_000
CHARACTER_SECONDS = 0.08
TONE_HZ = 220.0


class SingingEngine:
    def introduce(self) -> Introduction:
        return Introduction(
            limits=(("en", 250), ("zh-cn", 82)),
            speakers=(Speaker("anna", "female"), Speaker("bob", "male")),
            device="fake",
            gpu_memory_usage=None,
        )

    def memory_usage(self) -> float | None:
        return None

    def speak(
        self, pieces: Sequence[str], *, language: str, speaker: str, speed: float, chunk_tokens: int
    ) -> Iterator[bytes]:
        for piece in pieces:
            count = round(len(piece) * CHARACTER_SECONDS * SAMPLE_RATE / speed)
            step = 2 * math.pi * TONE_HZ / SAMPLE_RATE
            yield array.array("h", [round(6000 * math.sin(step * n)) for n in range(count)]).tobytes()


def load(model: Path, voices: Path, *, device: str, threads: int) -> SingingEngine:
    return SingingEngine()
