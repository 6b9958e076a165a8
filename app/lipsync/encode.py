"""Pictures and sound to an MP4 file of H.264 and AAC, in memory: whole, or in fragments as they come.

The settings were chosen by measurement, on a photo whose mouth moves: the preset `veryfast` makes a third of the bytes
of the faster ones for less of a core, and CRF 21 keeps what does not move above 34 dB. In a stream there are no frames
that refer to later ones, and x264 looks 4 frames ahead instead of 10: the first fragment comes after 12 frames.

CPU-bound: call it in a thread. FFmpeg and OpenCV free the GIL.
"""

import io
from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol

import av
import numpy as np
from av.audio.stream import AudioStream
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc
from av.video.stream import VideoStream
from numpy.typing import NDArray

from app.audio.format import Format
from app.audio.muxer import RECIPES
from app.audio.pcm import Samples
from app.audio.resample import Resampler
from app.lipsync.faststart import moov_first
from app.lipsync.yuv import Box, YuvFrame

CRF = 21
"""Quality of x264: each 6 less are about twice the bytes."""
MIN_CRF, MAX_CRF = 0, 51
FRAGMENT_SECONDS = 0.24
_SECONDS_PER_KEY_FRAME = {False: 10, True: 2}
"""By whether it is a stream, which may be joined or sought in while it grows."""
_STREAM_X264 = "bframes=0:rc-lookahead=4:sync-lookahead=0"
_AUDIO_BITS_PER_SECOND = 64_000
_MAX_RATE_DENOMINATOR = 1001


class Sink(Protocol):
    """Where a writer writes; with `seek` and `tell` it may go back to complete its header."""

    def write(self, data: bytes, /) -> int:
        """Take all of `data` and return its length."""
        ...


@dataclass(frozen=True, slots=True)
class VideoForm:
    """What is to be written."""

    width: int
    """Pixels; even, as is the height."""
    height: int
    fps: float
    sample_rate: int
    """Hz of the sound as it is given; AAC gets the nearest rate that it has, at or above."""
    crf: int = CRF
    threads: int = 1
    """That x264 may use."""

    def __post_init__(self) -> None:
        """Check what FFmpeg would only fail on later."""
        if self.width % 2 or self.height % 2 or min(self.width, self.height) < 2:
            raise ValueError(f"video of {self.width} x {self.height} pixels: both must be even")
        if not MIN_CRF <= self.crf <= MAX_CRF:
            raise ValueError(f"crf {self.crf}: {MIN_CRF} to {MAX_CRF}")


class VideoWriter:
    """Writes one file.

    Pictures and sound are to be written about side by side: what is ahead of the other is held in memory. It must be
    closed or, if nobody wants the file any more, abandoned: x264 holds up to 80 MB for a picture of 1024 pixels.

    Args:
        sink: takes the bytes. One that can seek gets its index at the end, one that cannot gets fragments.
        form: of the video.
        is_streamed: whether the file is read while it is written.
    """

    def __init__(self, sink: Sink, form: VideoForm, *, is_streamed: bool) -> None:
        self._form = form
        self._container = av.open(sink, "w", format="mp4", options=_container_options(is_streamed))
        self._rate = Fraction(form.fps).limit_denominator(_MAX_RATE_DENOMINATOR)
        self._video = self._add_video(is_streamed)
        self._audio = self._add_audio()
        self._resampler = Resampler(from_rate=form.sample_rate, to_rate=self._audio.codec_context.sample_rate)
        self._yuv = YuvFrame(form.width, form.height)
        self._pictures = self._samples = 0

    @property
    def codecs(self) -> str:
        """Return what MediaSource wants to know: `avc1.64001e, mp4a.40.2` (RFC 6381, 3.3 and 3.6)."""
        if not self._video.codec_context.is_open:
            self._container.start_encoding()
        return f"avc1.{_profile(self._video.codec_context.extradata or b'')}, mp4a.40.2"

    def write_picture(self, picture: NDArray[np.uint8], changed: Box | None = None) -> None:
        """Encode the next picture: uint8 (height, width, 3), blue-green-red.

        `changed` is what may differ from the one before; None: everything.
        """
        frame = av.VideoFrame.from_ndarray(self._yuv.update(picture, changed), format="yuv420p")
        frame.pts, frame.time_base = self._pictures, 1 / self._rate
        frame.colorspace, frame.color_range = Colorspace.ITU601, ColorRange.MPEG
        self._pictures += 1
        self._container.mux(self._video.encode(frame))

    def write_sound(self, samples: Samples) -> None:
        """Encode the next samples at the form's rate: float32 in [-1, 1], shape (n,)."""
        self._encode_sound(self._resampler.push(samples))

    def close(self) -> None:
        """Encode what is left and complete the file."""
        self._encode_sound(self._resampler.push(np.empty(0, np.float32), last=True))
        self._container.mux(self._audio.encode(None))
        self._container.mux(self._video.encode(None))
        self._container.close()

    def abandon(self) -> None:
        """Give back all memory without completing the file; may be called at any time, in place of `close` or after."""
        self._container.close()

    def _encode_sound(self, samples: Samples) -> None:
        if len(samples) == 0:
            return
        frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), format="fltp", layout="mono")
        frame.sample_rate = self._audio.codec_context.sample_rate
        frame.pts, frame.time_base = self._samples, Fraction(1, frame.sample_rate)
        self._samples += len(samples)
        self._container.mux(self._audio.encode(frame))

    def _add_video(self, is_streamed: bool) -> VideoStream:
        options = {"preset": "veryfast", "crf": str(self._form.crf)}
        if is_streamed:
            options["x264-params"] = _STREAM_X264
        stream: VideoStream = self._container.add_stream("libx264", rate=self._rate, options=options)
        stream.width, stream.height, stream.pix_fmt = self._form.width, self._form.height, "yuv420p"
        context = stream.codec_context
        context.thread_count = self._form.threads
        context.gop_size = round(_SECONDS_PER_KEY_FRAME[is_streamed] * self._rate)
        # OpenCV converts by BT.601; without a word players take BT.709 from 720 rows on, and faces turn green.
        context.colorspace, context.color_range = Colorspace.ITU601, ColorRange.MPEG
        context.color_primaries, context.color_trc = ColorPrimaries.BT709, ColorTrc.BT709
        return stream

    def _add_audio(self) -> AudioStream:
        recipe = RECIPES[Format.AAC]
        stream: AudioStream = self._container.add_stream(
            recipe.codec,
            rate=recipe.rate_for(self._form.sample_rate),
            options=dict(recipe.codec_options),
            layout="mono",
        )
        stream.codec_context.bit_rate = _AUDIO_BITS_PER_SECOND
        stream.codec_context.thread_count = 1
        return stream


class WholeVideo:
    """One file that is handed out complete, its index at the front.

    Memory: the bytes of the file, and once more at the end.
    """

    def __init__(self, form: VideoForm) -> None:
        self._file = io.BytesIO()
        self.writer = VideoWriter(self._file, form, is_streamed=False)

    def abandon(self) -> None:
        """Give back all memory, of a file that nobody wants any more."""
        self.writer.abandon()

    @property
    def size(self) -> int:
        """Bytes so far."""
        return self._file.tell()

    def finish(self) -> bytes:
        """Return the file."""
        self.writer.close()
        return moov_first(self._file.getbuffer())


class StreamedVideo:
    """One file in fragments, for MediaSource or for a player that reads while it comes. Memory: a fragment."""

    def __init__(self, form: VideoForm) -> None:
        self._sink = _Drain()
        self.writer = VideoWriter(self._sink, form, is_streamed=True)

    def take(self) -> bytes:
        """Return the bytes that have come since the last time, perhaps none; the first begin with the header."""
        return self._sink.take()

    def abandon(self) -> None:
        """Give back all memory, of a file that nobody wants any more."""
        self.writer.abandon()

    def finish(self) -> bytes:
        """Return the last bytes of the file."""
        self.writer.close()
        return self._sink.take()


class _Drain:
    """A sink that cannot seek and is emptied by its reader."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def write(self, data: bytes, /) -> int:
        self._buffer += data
        return len(data)

    def take(self) -> bytes:
        taken = bytes(self._buffer)
        self._buffer.clear()
        return taken


def _container_options(is_streamed: bool) -> dict[str, str]:
    if not is_streamed:
        return {}
    return {
        # `delay_moov` waits for the first packets, whose negative time says how much padding of AAC is to be dropped.
        "movflags": "empty_moov+default_base_moof+delay_moov",
        "frag_duration": str(round(FRAGMENT_SECONDS * 1_000_000)),
        "flush_packets": "1",
    }


def _profile(extradata: bytes) -> str:
    """Return profile, constraints and level in hexadecimal, from x264's sequence parameter set in Annex B form."""
    start = extradata.find(b"\x00\x00\x01\x67")
    if start < 0:
        raise ValueError("x264 has told no sequence parameter set")
    return extradata[start + 4 : start + 7].hex()
