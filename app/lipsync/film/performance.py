"""A network drawing into a film: into every picture anew, where its face is."""

from collections.abc import Iterator
from itertools import islice
from threading import Event
from typing import Final

import numpy as np

from app.audio.pcm import Samples
from app.lipsync.clip import Order
from app.lipsync.compose import Patch, colour_match
from app.lipsync.engine import AHEAD, Cues, Drawn, Frame
from app.lipsync.faces.face import FaceFinder
from app.lipsync.film.faces import Cast, Follower, Seen, steadied
from app.lipsync.film.film import FilmReader
from app.lipsync.film.player import numbers
from app.lipsync.generator import Generator, Prepared
from app.lipsync.handover import GO_ON, check
from app.lipsync.windows import windows_of
from app.lipsync.yuv import Box

_STILLS_A_PICTURE: Final = 2
"""How many frames of a still face take as long as one of a film, for which nothing is known beforehand."""


class FilmPerformance:
    """Draws with the full network, of which the still rewrite would be wrong here: the face is another in each frame.

    Memory: a batch of pictures, and what `FilmReader` holds.
    """

    def __init__(self, generator: Generator[Prepared], known: Cast, finder: FaceFinder, order: Order) -> None:
        self._generator, self._film, self._order = generator, known.film, order
        self._reader = FilmReader(known.film)
        self._follower = Follower(known, finder, order.fps)
        self._stop = Event()
        self._pictures = self._seen()
        self._match = colour_match(order.smooth)
        self._ring: list[Frame] = []

    @property
    def batch(self) -> int:
        """Frames that are best drawn at once."""
        return max(self._generator.batch // _STILLS_A_PICTURE, 1)

    @property
    def changed(self) -> Box:
        """All of the picture."""
        return 0, 0, *self._film.size

    def hear(self, pieces: Iterator[Samples], sample_rate: int) -> Iterator[Cues]:
        """Yield mel windows."""
        return windows_of(pieces, sample_rate, fps=self._order.fps, offset=self._order.mel_offset)

    def draw(self, cues: Cues, first: int, stop: Event = GO_ON) -> Iterator[Drawn]:
        """Yield frames."""
        self._stop = stop
        pictures = list(islice(self._pictures, len(cues)))
        patches = [self._patch(seen) for seen in pictures]
        check(stop)
        drawn = self._drawn(cues, patches)
        for seen, patch in zip(pictures, patches, strict=True):
            frame = self._copied(seen)
            if patch is not None:
                self._match = colour_match(self._order.smooth) if seen.is_new else self._match
                patch.paste(next(drawn), frame, self._match)
            yield frame

    def frames(self, drawn: Drawn) -> Iterator[Frame]:
        """Yield the frame itself."""
        yield drawn

    def _seen(self) -> Iterator[Seen]:
        """Yield the pictures as they are played."""
        film = self._film
        shown = numbers(film.times, film.duration, self._order.fps)
        pictures = (self._follower.see(each, self._reader.at(each, self._stop), self._stop) for each in shown)
        return steadied(pictures) if self._order.smooth else pictures

    def _patch(self, seen: Seen) -> Patch | None:
        if seen.landmarks is None:
            return None
        return Patch(
            seen.pixels,
            seen.landmarks,
            pads=self._order.pads,
            first_row=self._generator.first_row,
            blend=self._order.blend,
        )

    def _drawn(self, cues: Cues, patches: list[Patch | None]) -> Iterator[Drawn]:
        """Yield what is drawn for each picture that has a face."""
        there = [place for place, patch in enumerate(patches) if patch is not None]
        if not there:
            return iter(())
        faces = np.stack([patch.face for patch in patches if patch is not None])
        return iter(self._generator.draw(np.ascontiguousarray(cues[there]), self._generator.prepare(faces)))

    def _copied(self, seen: Seen) -> Frame:
        frame = self._ring.pop(0) if len(self._ring) == AHEAD + 2 else np.empty_like(seen.pixels)
        np.copyto(frame, seen.pixels)
        self._ring.append(frame)
        return frame
