"""Speech of backends that leave more silence around it than anybody wants to wait for."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace

from app.audio.pcm import SAMPLE_BYTES, from_bytes, to_bytes
from app.audio.trim import LEAD_SECONDS, TAIL_SECONDS, Trimmer
from app.tts.speech import Mark, Sound


async def trim(
    sounds: AsyncGenerator[Sound, None],
    *,
    sample_rate: int,
    whole: bool,
    delay: float = 0.0,
    lead: float | None = LEAD_SECONDS,
    tail: tuple[float, float] | None = (0.0, TAIL_SECONDS),
) -> AsyncGenerator[Sound, None]:
    """Yield speech with its silence cut, and its marks moved along with the sound; all at once if `whole`.

    A mark goes out with the sound in which it begins. Closing this closes `sounds`. `delay` is how many seconds the
    sound comes after its marks, `lead` and `tail` are those of a `Trimmer`.
    """
    trimmer = Trimmer(sample_rate=sample_rate, lead=lead, tail=tail)
    ready: list[bytes] = []
    waiting: list[Mark] = []
    seconds = 0.0
    async with aclosing(sounds):
        async for sound in sounds:
            ready.append(to_bytes(trimmer.push(from_bytes(sound.pcm))))
            waiting += sound.marks
            if any(ready) and not whole:
                pcm = b"".join(ready)
                seconds += len(pcm) / SAMPLE_BYTES / sample_rate
                shift = delay - trimmer.dropped / sample_rate
                yield Sound(pcm, _moved([mark for mark in waiting if mark.start + shift < seconds], shift))
                ready, waiting = [], [mark for mark in waiting if mark.start + shift >= seconds]
    pcm = b"".join([*ready, to_bytes(trimmer.finish())])
    seconds += len(pcm) / SAMPLE_BYTES / sample_rate
    yield Sound(pcm, _moved(waiting, delay - trimmer.dropped / sample_rate, limit=seconds))


def _moved(marks: list[Mark], shift: float, *, limit: float = float("inf")) -> tuple[Mark, ...]:
    def place(time: float) -> float:
        return min(max(time + shift, 0.0), limit)

    return tuple(replace(mark, start=place(mark.start), end=place(mark.end)) for mark in marks)
