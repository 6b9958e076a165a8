"""The embedded engine in the pipeline's form."""

import gc
from collections.abc import Hashable, Iterator
from threading import Event
from types import FunctionType, ModuleType
from typing import Final

import numpy as np

from app.audio.pcm import Samples
from app.lipsync.clip import Order
from app.lipsync.engine import AHEAD, Cues, Drawn, Frame
from app.lipsync.faces.face import Face
from app.lipsync.handover import GO_ON
from app.lipsync.mouth.mouth_track import rows
from app.lipsync.picture import Picture
from app.lipsync.warp.warp import WarpPortrait
from app.lipsync.yuv import Box

WARP: Final = "warp"
BATCH = 8


class WarpEngine:
    """Bends pictures; see `warp.py`. Its mouth follows the phonemes where they are known."""

    name = WARP

    def options(self, order: Order) -> Hashable:
        """Return nothing."""
        return None

    def prepare(self, picture: Picture, face: Face, order: Order) -> "BentPortrait":
        """Look at a face, for some tens of milliseconds."""
        return BentPortrait(WarpPortrait(picture, face, seed=_seed(picture)))


class BentPortrait:
    """A picture that can be bent."""

    def __init__(self, portrait: WarpPortrait) -> None:
        self._portrait = portrait
        self.size = held_bytes(portrait)
        """Bytes of memory."""

    def perform(self, order: Order) -> "BentPerformance":
        """Begin to speak."""
        return BentPerformance(self._portrait, order)


class BentPerformance:
    """A picture that is being bent, into a few frames that are used again and again."""

    batch = BATCH

    def __init__(self, portrait: WarpPortrait, order: Order) -> None:
        self._portrait = portrait
        self._order = order
        self._ring: list[Frame] = []

    @property
    def changed(self) -> Box:
        """The part of the picture in which frames differ."""
        across, along = self._portrait.region
        return along.start, across.start, along.stop, across.stop

    def hear(self, pieces: Iterator[Samples], sample_rate: int) -> Iterator[Cues]:
        """Yield the rows of a mouth track."""
        order = self._order
        return rows(pieces, sample_rate=sample_rate, fps=order.fps, phonemes=order.phonemes, smooth=order.smooth)

    def draw(self, cues: Cues, first: int, stop: Event = GO_ON) -> Iterator[Drawn]:
        """Yield frames."""
        for number, row in enumerate(cues, first):
            out = self._ring.pop(0) if len(self._ring) == AHEAD + 2 else None
            frame = self._portrait.draw(row, number / self._order.fps, out)
            self._ring.append(frame)
            yield frame

    def frames(self, drawn: Drawn) -> Iterator[Frame]:
        """Yield the frame itself."""
        yield drawn


def held_bytes(holder: object) -> int:
    """Return the bytes of all arrays that an object holds, each once."""
    found: dict[int, int] = {}
    seen: set[int] = set()
    waiting = [holder]
    while waiting:
        each = waiting.pop()
        if id(each) in seen or isinstance(each, type | ModuleType | FunctionType):
            continue
        seen.add(id(each))
        if isinstance(each, np.ndarray):
            owner = each if each.base is None else each.base
            found[id(owner)] = getattr(owner, "nbytes", each.nbytes)
        else:
            waiting.extend(gc.get_referents(each))
    return sum(found.values())


def _seed(picture: Picture) -> int:
    """Return a number that is always the same for a picture: so is then its video."""
    return int.from_bytes(picture.digest.encode()[:4])
