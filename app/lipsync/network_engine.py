"""A network in the pipeline's form, loaded when it is first wanted."""

import threading
from collections.abc import Callable, Hashable, Iterator

from app.audio.pcm import Samples
from app.errors import ChorusError, Unavailable
from app.lipsync.clip import Order
from app.lipsync.compose import StillComposer
from app.lipsync.engine import Cues, Drawn, Frame
from app.lipsync.faces.face import Face, FaceFinder
from app.lipsync.film.faces import Cast
from app.lipsync.film.performance import FilmPerformance
from app.lipsync.generator import Generator, Prepared
from app.lipsync.handover import GO_ON
from app.lipsync.picture import Picture
from app.lipsync.windows import windows_of
from app.lipsync.yuv import Box


class NetworkEngine:
    """Draws with a network; see `generator.py`.

    Args:
        name: of the network.
        load: returns it, in a second or two; raises what `generator.load` does.
        state: returns what may decide whether it can be loaded, such as its file and when that was written; None: there
            is no file. It is not tried again before this is another.
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

    @property
    def trouble(self) -> str | None:
        """Why it cannot draw, as far as is known without loading it; None: it can."""
        if self._generator is not None:
            return None
        state = self._state()
        if state is None:
            return f"{self.name} has no weights"
        return self._failed[1] if self._failed is not None and self._failed[0] == state else None

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

    def film(self, known: Cast, finder: FaceFinder, order: Order) -> FilmPerformance:
        """Begin to speak in a film.

        Raises:
            Unavailable: there is no network.
        """
        return FilmPerformance(self.generator(), known, finder, order)


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
        return windows_of(pieces, sample_rate, fps=self._order.fps, offset=self._order.mel_offset)

    def draw(self, cues: Cues, first: int, stop: threading.Event = GO_ON) -> Iterator[Drawn]:
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
