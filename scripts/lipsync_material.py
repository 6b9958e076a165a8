"""What the measurements of talking portraits share: a portrait, a sound, mouths that move, and the stop-watch."""

import math
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TypeVar

os.environ["OMP_NUM_THREADS"] = "1"
ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

import cv2  # noqa: E402
import numpy as np  # noqa: E402
from numpy.typing import NDArray  # noqa: E402
from skimage import data  # noqa: E402

from app.lipsync.faces.finder import Finder  # noqa: E402
from app.lipsync.mel import SAMPLE_RATE  # noqa: E402
from app.lipsync.picture import Picture  # noqa: E402

FPS = 25
FIRST_ROW = 48
"""Of the rows that a network draws."""

ROUND_SECONDS = 0.1

Bgr = NDArray[np.uint8]


K = TypeVar("K")


def least_seconds(actions: Mapping[K, Callable[[], object]], rounds: int) -> dict[K, float]:
    """Return the least CPU seconds of each action, which are run by turns, the short ones several times each."""
    least: dict[K, float] = {}
    for _ in range(rounds):
        for name, action in actions.items():
            action()
            taken: list[float] = []
            while not taken or sum(taken) < ROUND_SECONDS:
                start = time.process_time()
                action()
                taken.append(time.process_time() - start)
            least[name] = min(taken + [least.get(name, math.inf)])
    return least


def judged(value: float, bar: float | None, *, at_most: bool = False) -> str:
    """Return the bar, and whether it is missed."""
    if bar is None:
        return "–"
    is_met = value <= bar if at_most else value >= bar
    return f"{'≤' if at_most else '≥'} {bar:g}{'' if is_met else ' **missed**'}"


def portrait(side: int) -> tuple[Bgr, NDArray[np.float32]]:
    """Return scikit-image's astronaut cut to her face, so large, and the landmarks."""
    cut = cv2.cvtColor(data.astronaut(), cv2.COLOR_RGB2BGR)[20:240, 115:335]
    pixels = np.ascontiguousarray(cv2.resize(cut, (side, side), interpolation=cv2.INTER_CUBIC))
    return pixels, Finder(ROOT / "models" / "faces").find(Picture(pixels, ""))[0].landmarks


def speech(seconds: float) -> NDArray[np.float32]:
    """Return noise that rises and falls with syllables, at 16 kHz."""
    times = np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    noise = np.random.default_rng(0).normal(0, 0.2, len(times))
    return (noise * np.abs(np.sin(2 * np.pi * 2 * times))).astype(np.float32)


def mouths(face: Bgr) -> Iterator[Bgr]:
    """Yield the rows of the face, its mouth opening and closing, without end."""
    rows, columns = np.mgrid[0:96, 0:96].astype(np.float32)
    near = np.exp(-(((columns - 48) / 14) ** 2) - ((rows - 66) / 12) ** 2)
    number = 0
    while True:
        lift = 5 * near * np.sign(rows - 64) * abs(np.sin(number * 0.7))
        moved = cv2.remap(face, columns, (rows - lift).astype(np.float32), cv2.INTER_LINEAR)
        yield np.ascontiguousarray(moved[FIRST_ROW:])
        number += 1
