"""What can make a picture speak.

An engine prepares a picture; the portrait is kept for the next sound. A performance is one sound of one portrait, in
three stages that are run in a thread each, side by side: it hears, draws, and gives frames. What passes from stage to
stage are arrays, so that the pipeline knows nothing of any engine.
"""

from collections.abc import Hashable, Iterator
from threading import Event
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from app.audio.pcm import Samples
from app.lipsync.clip import Order
from app.lipsync.faces.face import Face
from app.lipsync.handover import GO_ON
from app.lipsync.picture import Picture
from app.lipsync.yuv import Box

Cues = NDArray[np.float32]
"""What is to be drawn, frame by frame: shape (n, ...), as the engine likes it."""
Drawn = NDArray[np.uint8]
"""What has been drawn, as the engine likes it."""
Frame = NDArray[np.uint8]
"""Shape (height, width, 3), blue-green-red."""

AHEAD: Final = 2
"""Pieces of what was drawn that may wait to be encoded. A piece may be overwritten when `AHEAD` + 1 more were drawn."""


class Performance(Protocol):
    """One portrait speaking one sound. Each method is called in a thread of its own, while the others run."""

    @property
    def batch(self) -> int:
        """Frames that are best drawn at once."""
        ...

    @property
    def changed(self) -> Box:
        """The part of the picture in which frames differ."""
        ...

    def hear(self, pieces: Iterator[Samples], sample_rate: int) -> Iterator[Cues]:
        """Yield after each piece the cues that are decided, perhaps none, and the last ones after the last.

        Raises:
            InvalidAudio: it cannot be heard.
        """
        ...

    def draw(self, cues: Cues, first: int, stop: Event = GO_ON) -> Iterator[Drawn]:
        """Yield what is drawn of a batch whose first frame has this number.

        Raises:
            Stopped: the event was set; looked at where a batch may take long.
            Overloaded: the memory of the device does not suffice.
        """
        ...

    def frames(self, drawn: Drawn) -> Iterator[Frame]:
        """Yield the frames of one piece of what was drawn; each is valid until the next."""
        ...


class Portrait(Protocol):
    """A face that an engine has looked at. Used by one performance at a time."""

    @property
    def size(self) -> int:
        """Bytes of memory."""
        ...

    def perform(self, order: Order) -> Performance:
        """Begin to speak."""
        ...


class Engine(Protocol):
    """Makes pictures speak. Called in threads, from several at once."""

    @property
    def name(self) -> str:
        """Return what it is called in orders and results."""
        ...

    def options(self, order: Order) -> Hashable:
        """Return what portraits depend on, besides picture and face."""
        ...

    def prepare(self, picture: Picture, face: Face, order: Order) -> Portrait:
        """Look at a face."""
        ...
