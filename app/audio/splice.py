"""Joins of recordings that are heard as one: silence trimmed, edges faded, volume changed without clipping."""

import numpy as np

from app.audio.pcm import SCALE, Pcm, to_float32, to_int16

SILENCE = 0.002
"""Of full scale, -54 dB: quieter than the quietest sound of speech, louder than a voice's own noise."""
FADE_SECONDS = 0.005
"""Too short to be heard as a fade, long enough that a cut makes no click."""

BLOCK_SECONDS = 0.02
"""In which a recording is looked at for rests."""


def amplify(pcm: Pcm, gain: float) -> Pcm:
    """Change the volume by `gain` dB (`-inf` is silence), by less where that would clip; same shape."""
    if gain == 0.0 or not len(pcm):
        return pcm
    factor = 10 ** (gain / 20)
    loudest = int(np.abs(pcm.astype(np.int32)).max()) / SCALE
    if factor * loudest > 1:
        factor = max(1.0, 1 / loudest)
    return to_int16(to_float32(pcm) * np.float32(factor))


def sounding(pcm: Pcm) -> tuple[int, int]:
    """Return where sound begins and ends, in samples; both are the length if there is none."""
    loud = np.flatnonzero(np.abs(pcm.astype(np.int32)) > SILENCE * SCALE)
    return (int(loud[0]), int(loud[-1]) + 1) if len(loud) else (len(pcm), len(pcm))


def cut_at_rests(pcm: Pcm, *, sample_rate: int, most_seconds: float) -> list[Pcm]:
    """Cut a recording into pieces of at most `most_seconds`, each where it is quietest in its last third.

    A piece must be able to hold three blocks.
    """
    most, block = round(most_seconds * sample_rate), max(1, round(BLOCK_SECONDS * sample_rate))
    pieces: list[Pcm] = []
    while len(pcm) > most:
        blocks = most // 3 // block
        tail = pcm[most - blocks * block : most].astype(np.int32).reshape(blocks, block)
        quietest = int(np.abs(tail).max(axis=1).argmin())
        end = most - (blocks - quietest) * block + block // 2
        pieces.append(pcm[:end])
        pcm = pcm[end:]
    return [*pieces, pcm]


def fade(pcm: Pcm, *, sample_rate: int, head: bool, tail: bool) -> Pcm:
    """Let a recording rise from silence at its head, fall to it at its tail, or both; same shape."""
    count = min(round(FADE_SECONDS * sample_rate), len(pcm) // 2)
    if not count or not (head or tail):
        return pcm
    # a raised cosine, which begins and ends level
    ramp = (0.5 - 0.5 * np.cos(np.pi * np.arange(count) / count)).astype(np.float32)
    samples = to_float32(pcm)
    if head:
        samples[:count] *= ramp
    if tail:
        samples[-count:] *= ramp[::-1]
    return to_int16(samples)
