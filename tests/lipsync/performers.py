"""An engine that draws next to nothing, and what a pipeline is given in tests."""

import io
import threading
from collections.abc import Callable, Hashable, Iterator
from typing import Any

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from app.audio import wav
from app.audio.pcm import Samples, to_int16
from app.errors import ChorusError
from app.lipsync.clip import Order
from app.lipsync.engine import AHEAD, Cues, Drawn, Frame
from app.lipsync.faces.face import Face
from app.lipsync.handover import GO_ON
from app.lipsync.picture import Picture
from app.lipsync.yuv import Box

RATE = 16_000
SIDE = 64


def tone(seconds: float, rate: int = RATE) -> bytes:
    """A WAV file of a tone that is on and off."""
    times = np.arange(round(seconds * rate)) / rate
    samples = 0.4 * np.sin(2 * np.pi * 220 * times) * (np.sin(2 * np.pi * 2 * times) > 0)
    return wav.encode(to_int16(samples.astype(np.float32)).tobytes(), sample_rate=rate)


def png(value: int = 90, width: int = SIDE, height: int = SIDE) -> bytes:
    """A grey picture."""
    return cv2.imencode(".png", np.full((height, width, 3), value, np.uint8))[1].tobytes()


def order(seconds: float = 1.0, **changes: Any) -> Order:
    return Order(**{"audio": tone(seconds), "image": png(), "model": "flat", **changes})


class FlatEngine:
    """Draws pictures of one grey; its frames say by it which number they have.

    Args:
        name: of the engine.
        before: is called before each frame with its number.
        pieces: frames that are given to the encoder at once.
    """

    def __init__(self, name: str = "flat", *, before: Callable[[int], None] = lambda number: None, pieces: int = 1):
        self.name = name
        self.before = before
        self.pieces = pieces
        self.prepared = 0

    def options(self, order: Order) -> Hashable:
        return order.pads

    def prepare(self, picture: Picture, face: Face, order: Order) -> "FlatPortrait":
        self.prepared += 1
        return FlatPortrait(self, picture, face)


class FlatPortrait:
    def __init__(self, engine: FlatEngine, picture: Picture, face: Face) -> None:
        self.engine, self.picture, self.face = engine, picture, face
        self.size = picture.pixels.nbytes

    def perform(self, order: Order) -> "FlatPerformance":
        return FlatPerformance(self, order)


class FlatPerformance:
    batch = 8

    def __init__(self, portrait: FlatPortrait, order: Order) -> None:
        self._portrait, self._order = portrait, order
        self._ring: list[Frame] = []
        self.heard: list[int] = []
        self.batches: list[tuple[int, int]] = []
        self.threads: set[str] = set()

    @property
    def changed(self) -> Box:
        height, width = self._portrait.picture.pixels.shape[:2]
        return 0, 0, width, height

    def hear(self, pieces: Iterator[Samples], sample_rate: int) -> Iterator[Cues]:
        self.threads.add(threading.current_thread().name)
        samples = frames = 0
        for piece in pieces:
            self.heard.append(len(piece))
            samples += len(piece)
            whole = int(samples * self._order.fps / sample_rate)
            yield np.arange(frames, whole, dtype=np.float32)
            frames = whole
        yield np.arange(frames, -int(-samples * self._order.fps // sample_rate), dtype=np.float32)

    def draw(self, cues: Cues, first: int, stop: threading.Event = GO_ON) -> Iterator[Drawn]:
        self.threads.add(threading.current_thread().name)
        self.batches.append((first, len(cues)))
        for number in cues.astype(int):
            self._portrait.engine.before(int(number))
            frame = self._ring.pop(0) if len(self._ring) == AHEAD + 2 else self._portrait.picture.pixels.copy()
            frame[:] = 16 + number * 5 % 224
            self._ring.append(frame)
            yield frame

    def frames(self, drawn: Drawn) -> Iterator[Frame]:
        self.threads.add(threading.current_thread().name)
        yield drawn


class OneFace:
    """Finds one face in the middle of every picture; counts how often it looked."""

    def __init__(self, faces: int = 1) -> None:
        self.faces = faces
        self.looked = 0

    def find(self, picture: Picture, stop: threading.Event = GO_ON) -> list[Face]:
        self.looked += 1
        height, width = picture.pixels.shape[:2]
        landmarks = np.full((468, 2), (width / 2, height / 2), np.float32)
        return [Face(landmarks, (0.0, 0.0, width - each, height - each), 1.0) for each in range(self.faces)]

    def follow(self, picture: Picture, face: Face) -> Face | None:
        return face if self.faces else None


class Broken(ChorusError):
    """What an engine meets in tests."""


def portrait_threads() -> list[str]:
    """The threads of pipelines that live."""
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("portrait-")]


def greys(video: bytes) -> list[int]:
    """The grey in the middle of each frame of a video."""
    with av.open(io.BytesIO(video)) as file:
        frames: list[NDArray[np.uint8]] = [frame.to_ndarray(format="bgr24") for frame in file.decode(video=0)]
    return [int(frame[frame.shape[0] // 2, frame.shape[1] // 2, 1]) for frame in frames]
