"""The part of `bench_lipsync.py` for the embedded engine: finding a face, preparing it, and drawing frames.

Needs the face models (scripts/face_models).
"""

import numpy as np
from lipsync_material import FPS, ROOT, judged, least_seconds, portrait

from app.lipsync.faces.finder import Finder
from app.lipsync.picture import Picture
from app.lipsync.warp.warp import WarpPortrait

BARS = {512: 350.0, 1024: 110.0}
"""Frames per second of a core."""
FRAMES = 50


def measure_warp(rounds: int) -> None:
    finder = Finder(ROOT / "models" / "faces")
    row = np.random.default_rng(0).uniform((0, -1, 0), 1, (FRAMES, 3)).astype(np.float32)
    print("\n### Bending\n\n| picture | face, px | find, ms | prepare, ms | moves | frames/s of a core | bar |")
    print("|--:|--:|--:|--:|---|--:|--:|")
    for side, bar in BARS.items():
        picture = Picture(portrait(side)[0], "")
        face = finder.find(picture)[0]
        for is_lively in (True, False):
            speaking = WarpPortrait(picture, face, is_lively=is_lively)
            frame = speaking.draw(row[0], 0.0)
            actions = {
                "find": lambda: finder.find(picture),  # noqa: B023
                "prepare": lambda: WarpPortrait(picture, face, is_lively=is_lively),  # noqa: B023
                "draw": lambda: [speaking.draw(row[number], number / FPS, frame) for number in range(FRAMES)],  # noqa: B023
            }
            taken = least_seconds(actions, rounds)
            rate, moves = FRAMES / taken["draw"], "mouth, eyes, head" if is_lively else "mouth"
            print(
                f"| {side} | {speaking.shape.height:.0f} | {1000 * taken['find']:.0f} | {1000 * taken['prepare']:.0f} "
                f"| {moves} | {rate:.0f} | {judged(rate, bar)} |"
            )
