"""A reader of sound files with a poor ear: quick, and the same sound has the same peaks.

Silence ends its process. What is as loud as can be has as many peaks as can be.
"""

import os
from collections.abc import Iterator

import numpy as np

from app.audio.pcm import Samples
from app.fingerprint.fingerprint import VERSION, Fingerprint
from app.fingerprint.reader_worker import serve
from app.fingerprint.spectrum import SAMPLE_RATE
from app.runtime.child import Channel, run
from tests.fingerprint.constellations import constellation


def listen(blocks: Iterator[Samples]) -> Fingerprint:
    samples = np.concatenate(list(blocks))
    if not samples.any():
        os._exit(3)
    seconds = len(samples) / SAMPLE_RATE
    rng = np.random.default_rng(round(1000 * float(np.abs(samples).sum())))
    per_second = 8000.0 if np.abs(samples).max() > 0.99 else 50.0
    return Fingerprint(VERSION, seconds, constellation(rng, seconds=seconds, per_second=per_second))


def program(channel: Channel) -> None:
    channel.ready()
    serve(channel, listen)


if __name__ == "__main__":
    run(program)
