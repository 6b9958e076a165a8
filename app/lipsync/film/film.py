"""Films that clients send: checked before they are decoded, upright, not too large, one picture at a time."""

from collections.abc import Iterator
from fractions import Fraction
from threading import Event
from typing import Any, Final

import av
import cv2
import numpy as np
from av.error import FFmpegError
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.reformatter import Colorspace, Interpolation
from numpy.typing import NDArray

from app.errors import InvalidVideo
from app.lipsync.film.file import FilmFile, Turn, read_film_file
from app.lipsync.handover import check
from app.lipsync.picture import MAX_PIXELS, MAX_SIDE, MIN_SIDE, fitted_size

HELD_BYTES: Final = 64 * 2**20
"""Of pictures that are held when a film runs backwards, so that not all before one are decoded for it alone."""
_HD_ROWS = 720
"""From which a film that does not say its colours is taken to have those of BT.709, as players do."""
_EXACT = Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT
"""Without them colours come out greener by 1.5 grey levels, and darker by 1, than they go in again."""
_UNSPECIFIED = 2
"""AVCOL_SPC_UNSPECIFIED."""

Bgr = NDArray[np.uint8]


class Film:
    """A film, its pictures numbered as they are shown.

    Args:
        data: an MP4 or MOV file.
        max_seconds: that it may last.
        max_side: pixels that the longer side has at most afterwards.
        resize_factor: both sides are divided by it.

    Raises:
        InvalidVideo: it cannot be read, lasts longer, or has pictures of more than `MAX_PIXELS`.
    """

    def __init__(self, data: bytes, *, max_seconds: float, max_side: int = MAX_SIDE, resize_factor: int = 1) -> None:
        self._data = data
        self._file = file = read_film_file(data)
        if not 0 < file.width * file.height <= MAX_PIXELS:
            raise InvalidVideo(
                f"the video has {file.width} x {file.height} pixels; 1 to {MAX_PIXELS} are read", field="video"
            )
        begin, end = file.shown
        times = np.unique(file.times)
        inside = times[(times >= begin - 1e-6) & (times < end - 1e-6)]
        shown = inside if len(inside) else times
        self.times: NDArray[np.float64] = shown - shown[0]
        """Seconds at which each picture is shown, from 0, ascending."""
        self.duration = float(self.times[-1]) + _last_seconds(self.times)
        if self.duration > max_seconds:
            raise InvalidVideo(
                f"the video lasts {self.duration:.0f} s: at most {max_seconds:g}; a shorter one is played forth and "
                "back for as long as the sound lasts",
                field="video",
            )
        self.numbers = np.searchsorted(times, file.times) - int(np.searchsorted(times, shown[0]))
        """Of each sample of the file; what is not shown has numbers below 0 or beyond the last."""
        self._fitted = fitted_size(*_upright_size(file), max_side, resize_factor)
        self.size = self._fitted[0] // 2 * 2, self._fitted[1] // 2 * 2
        """Width and height of what is given, pixels, even."""
        if min(self.size) < MIN_SIDE:
            raise InvalidVideo(
                f"the video has {self.size[0]} x {self.size[1]} pixels; {MIN_SIDE} x {MIN_SIDE} are the least",
                field="video",
            )

    def __len__(self) -> int:
        return len(self.times)

    @property
    def key_numbers(self) -> list[int]:
        """Return the pictures that are decoded without others, ascending; the first is the film's."""
        keys = self.numbers[self._file.is_key]
        return sorted({0, *(int(number) for number in keys if 0 < number < len(self))})

    def key_before(self, number: int) -> int:
        """Return the sample from which on a picture is to be decoded."""
        keys = np.flatnonzero(self._file.is_key & (self.numbers <= number))
        return int(keys[np.argmax(self.numbers[keys])]) if len(keys) else 0

    def decode(self, sample: int, stop: Event) -> Iterator[tuple[int, VideoFrame]]:
        """Yield number and picture of what is decoded from a sample on. Damaged ones are left out.

        Raises:
            Stopped: the event was set.
        """
        codec = self._decoder()
        for place in range(sample, len(self.numbers)):
            check(stop)
            start, number = int(self._file.starts[place]), int(self.numbers[place])
            packet: Packet[Any] = Packet(self._data[start : start + int(self._file.sizes[place])])
            packet.pts, packet.time_base = number, Fraction(1, 1000)
            try:
                frames = codec.decode(packet)
            except FFmpegError:
                continue
            yield from ((frame.pts, frame) for frame in frames if frame.pts is not None)
        try:
            yield from ((frame.pts, frame) for frame in codec.decode(None) if frame.pts is not None)
        except FFmpegError:
            return

    def pixels(self, frame: VideoFrame) -> Bgr:
        """Return a picture as it is shown: uint8, `size`, blue-green-red."""
        source = Colorspace.ITU709 if frame.colorspace == _UNSPECIFIED and frame.height >= _HD_ROWS else None
        bgr = np.asarray(
            frame.reformat(format="bgr24", src_colorspace=source, interpolation=_EXACT).to_ndarray(), np.uint8
        )
        upright = _turned(bgr, self._file.turn)
        if upright.shape[1::-1] != self._fitted:
            upright = np.asarray(cv2.resize(upright, self._fitted, interpolation=cv2.INTER_AREA), np.uint8)
        width, height = self.size
        return np.ascontiguousarray(upright[:height, :width], np.uint8)

    def _decoder(self) -> VideoCodecContext:
        codec = av.CodecContext.create(self._file.codec, "r")
        assert isinstance(codec, VideoCodecContext)
        codec.extradata = self._file.config or None
        codec.thread_count = 1
        codec.options = {"max_pixels": str(MAX_PIXELS)}  # whatever its own headers say
        return codec


class FilmReader:
    """The pictures of a film by their numbers, read on from the last one, backwards in pieces. One thread's.

    Args:
        film: whose.
        held_bytes: of the pictures of a piece.
    """

    def __init__(self, film: Film, *, held_bytes: int = HELD_BYTES) -> None:
        self._film = film
        self._room = max(held_bytes // (3 * film.size[0] * film.size[1]), 1)
        self._decoded: Iterator[tuple[int, VideoFrame]] = iter(())
        self._reached = len(film)
        """The last number that was decoded; so far none can be read on."""
        self._ahead: tuple[int, VideoFrame] | None = None
        self._held: dict[int, Bgr] = {}

    def at(self, number: int, stop: Event) -> Bgr:
        """Return a picture, which nobody may change; one that is damaged is the one before it.

        Raises:
            InvalidVideo: nothing at all can be decoded.
            Stopped: the event was set.
        """
        if number not in self._held:
            key = self._film.key_before(number)
            is_back = number <= self._reached
            first = max(number - self._room + 1, 0) if is_back and self._held else number
            if is_back or int(self._film.numbers[key]) > self._reached:
                self._restart(self._film.key_before(first), stop)
            self._held = self._read(first, number)
        return self._held[number]

    def _restart(self, sample: int, stop: Event) -> None:
        self._decoded = self._film.decode(sample, stop)
        self._reached, self._ahead = -1, None

    def _read(self, first: int, last: int) -> dict[int, Bgr]:
        """Decode up to a number and return the pictures from another one on."""
        found: dict[int, Bgr] = {}
        before = next(iter(self._held.values()), None) if self._held else None
        newest: VideoFrame | None = None
        while self._reached < last and (item := self._ahead or next(self._decoded, None)) is not None:
            number, frame = item
            self._ahead = None
            if number > last:
                self._ahead = item
                break
            self._reached = max(self._reached, number)
            newest = frame
            if first <= number:
                found[number] = self._film.pixels(frame)
        self._reached = max(self._reached, last)
        if not found:
            found[last] = self._substitute(newest, before)
        for number in sorted(set(range(first, last + 1)) - found.keys()):
            found[number] = found.get(number - 1, found[min(found)])
        return found

    def _substitute(self, newest: VideoFrame | None, before: Bgr | None) -> Bgr:
        """Return what is shown in the place of a damaged picture."""
        if newest is not None:
            return self._film.pixels(newest)
        if self._ahead is not None:
            return self._film.pixels(self._ahead[1])
        if before is None:
            raise InvalidVideo("the video has no picture that can be decoded", field="video")
        return before


def _last_seconds(times: NDArray[np.float64]) -> float:
    """Return how long the last picture is shown, which nothing tells: as long as most."""
    return float(np.median(np.diff(times))) if len(times) > 1 else 0.04


def _upright_size(file: FilmFile) -> tuple[int, int]:
    width, height = max(round(file.width * file.stretch), 1), file.height
    return (height, width) if file.turn.b else (width, height)


def _turned(pixels: Bgr, turn: Turn) -> Bgr:
    across, down = turn.a, turn.d
    if turn.b:
        pixels, across, down = pixels.transpose(1, 0, 2), turn.c, turn.b
    return pixels[:: down or 1, :: across or 1]
