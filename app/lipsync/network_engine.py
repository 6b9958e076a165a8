"""A network in the pipeline's form, loaded when it is first wanted."""

import threading
from collections.abc import Callable, Hashable, Iterator

import numpy as np

from app.audio.pcm import Samples
from app.audio.resample import Resampler
from app.errors import ChorusError, Unavailable
from app.lipsync.clip import Order
from app.lipsync.compose import StillComposer
from app.lipsync.engine import Cues, Drawn, Frame
from app.lipsync.face import Face
from app.lipsync.generator import Generator, Prepared
from app.lipsync.mel import SAMPLE_RATE
from app.lipsync.picture import Picture
from app.lipsync.windows import WindowStream, frame_count
from app.lipsync.yuv import Box


class NetworkEngine:
    """Draws with a network; see `generator.py`.

    Args:
        name: of the network.
        load: returns it, in a second or two; raises what `generator.load` does.
        state: returns what may decide whether it can be loaded, such as its file and when that was written. It is not
            tried again before this is another.
    """

    def __init__(self, name: str, load: Callable[[], Generator[Prepared]], state: Callable[[], Hashable]) -> None:
        self.name = name
        self._load = load
        self._state = state
        self._lock = threading.Lock()
        self._generator: Generator[Prepared] | None = None
        self._failed: tuple[Hashable, str] | None = None

    def generator(self) -> Generator[Prepared]:
        """Return the network; the first time it is loaded.

        Raises:
            Unavailable: it cannot be; the message says why.
        """
        with self._lock:
            if self._generator is not None:
                return self._generator
            state = self._state()
            if self._failed is not None and self._failed[0] == state:
                raise Unavailable(self._failed[1])
            try:
                self._generator = self._load()
            except ChorusError as error:
                self._failed = state, str(error)
                raise Unavailable(str(error)) from error
            return self._generator

    def options(self, order: Order) -> Hashable:
        """Return what decides what the network sees."""
        return order.pads

    def prepare(self, picture: Picture, face: Face, order: Order) -> "DrawnPortrait":
        """Look at a face.

        Raises:
            Unavailable: there is no network.
        """
        generator = self.generator()
        composer = _composer(generator, picture, face, order)
        return DrawnPortrait(generator, picture, face, generator.prepare(composer.face[None]))


class DrawnPortrait:
    """A picture into which a network draws."""

    def __init__(self, generator: Generator[Prepared], picture: Picture, face: Face, faces: Prepared) -> None:
        self._generator, self._picture, self._face, self._faces = generator, picture, face, faces
        self.size = faces.size + picture.pixels.nbytes
        """Bytes of memory, on the device and off it."""

    def perform(self, order: Order) -> "DrawnPerformance":
        """Begin to speak."""
        composer = _composer(self._generator, self._picture, self._face, order)
        return DrawnPerformance(self._generator, self._faces, composer, order)


class DrawnPerformance:
    """A network that is drawing."""

    def __init__(self, generator: Generator[Prepared], faces: Prepared, composer: StillComposer, order: Order) -> None:
        self._generator, self._faces, self._composer, self._order = generator, faces, composer, order

    @property
    def batch(self) -> int:
        """Frames that are best drawn at once."""
        return self._generator.batch

    @property
    def changed(self) -> Box:
        """The part of the picture in which frames differ."""
        return self._composer.changed

    def hear(self, pieces: Iterator[Samples], sample_rate: int) -> Iterator[Cues]:
        """Yield mel windows."""
        windows = WindowStream(fps=self._order.fps, offset=self._order.mel_offset)
        resampler = Resampler(from_rate=sample_rate, to_rate=SAMPLE_RATE)
        samples = 0
        for piece in pieces:
            samples += len(piece)
            yield windows.push(resampler.push(piece))
        yield windows.push(resampler.push(np.empty(0, np.float32), last=True))
        yield windows.finish(frame_count(samples, sample_rate, self._order.fps))

    def draw(self, cues: Cues, first: int) -> Iterator[Drawn]:
        """Yield the lower parts of faces."""
        yield self._generator.draw(cues, self._faces)

    def frames(self, drawn: Drawn) -> Iterator[Frame]:
        """Yield the picture with each of them in its place."""
        return map(self._composer.compose, drawn)


def _composer(generator: Generator[Prepared], picture: Picture, face: Face, order: Order) -> StillComposer:
    return StillComposer(
        picture.pixels,
        face.landmarks,
        pads=order.pads,
        first_row=generator.first_row,
        blend=order.blend,
        smooth=order.smooth,
    )
