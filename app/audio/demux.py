"""Sources that need FFmpeg, through PyAV.

Frames that stand alone (mp3, ADTS) are decoded as they arrive; a container is read when its last byte is there. The
demuxer is named, never guessed, and may open nothing else, so that no playlist that calls itself audio can name a
file of this machine. What cannot be decoded is skipped, but not for ever.
"""

import io
from collections.abc import Iterable, Iterator
from contextlib import closing
from typing import Any, TypeAlias

import av
import numpy as np
import numpy.typing as npt
from av.audio.codeccontext import AudioCodecContext
from av.audio.frame import AudioFrame
from av.container import InputContainer
from av.error import FFmpegError
from av.packet import Packet

from app.audio.format import ID3_HEADER_BYTES, Format, id3_bytes
from app.audio.mp4 import AAC_FRAME, aac_rate, aac_track
from app.audio.pcm import Encoding, Samples, tame, unpack
from app.audio.source import Block
from app.errors import InvalidAudio

AnyPacket: TypeAlias = "Packet[Any]"  # generic in PyAV's stubs alone
STEP_BYTES = 16_384
"""Encoded bytes that are parsed at a time, so that bounds are checked in between."""
MAX_CHANNELS = 7
"""PyAV (18.1 and 19.0) looks for the planes of a frame up to a null pointer that eight planes leave no room for: to
touch a planar frame of 7.1 ends the process."""
MAX_BARREN = 1_000
"""Packets in a row that may give no sample; every codec here gives some within the first three."""
_LEAST_PACKET_BYTES = 4
"""Of a packet of AAC that is counted."""

_FRAME_CODECS = {Format.MP3: "mp3float", Format.AAC: "aac"}
_DEMUXERS = {
    Format.MP3: "mp3",
    Format.OGG: "ogg",
    Format.FLAC: "flac",
    Format.AAC: "aac",
    Format.WEBM: "matroska",
}
_CODECS = frozenset({
    "aac", "alac", "flac", "libopus", "mp3", "mp3float", "opus", "vorbis",
    "pcm_f32le", "pcm_s16be", "pcm_s16le", "pcm_s24le", "pcm_u8",
})  # fmt: skip
_OPEN_OPTIONS = {
    "codec_whitelist": ",".join(sorted(_CODECS)),
    "protocol_whitelist": "none",
    "max_streams": "32",
}
# PyAV 18 refuses a file for a tag that is not UTF-8 unless told otherwise; PyAV 19 has no such argument.
_LENIENT_TAGS: dict[str, Any] = {"metadata_errors": "replace"} if av.__version__.startswith("18.") else {}


class FrameSource:
    """Frames that need no container: mp3 and ADTS, decoded as soon as each is complete.

    An ID3v2 tag in front is skipped. The encoder's padding is decoded like sound.
    """

    def __init__(self, format: Format) -> None:
        self.damage: str | None = None
        self._codec = _decoder(_FRAME_CODECS[format])
        self._head: bytes | None = b""
        self._skip = 0

    def feed(self, data: bytes) -> Iterator[Block]:
        """Yield the frames that are complete."""
        data = self._without_tag(data)
        for start in range(0, len(data), STEP_BYTES):
            yield from self._decode(self._codec.parse(data[start : start + STEP_BYTES]))

    def finish(self) -> Iterator[Block]:
        """Yield the last frame, which the parser kept until it knew its end."""
        yield from self._decode(self._codec.parse(None))
        yield from self._decode([None])

    def _without_tag(self, data: bytes) -> bytes:
        if self._head is not None:
            data = self._head + data
            if len(data) < ID3_HEADER_BYTES:
                self._head = data
                return b""
            self._head = None
            self._skip = id3_bytes(data)
        skipped = min(self._skip, len(data))
        self._skip -= skipped
        return data[skipped:]

    def _decode(self, packets: Iterable["AnyPacket | None"]) -> Iterator[Block]:
        for packet in packets:
            try:
                frames = self._codec.decode(packet)
            except FFmpegError as error:
                self.damage = error.strerror
                continue
            yield from map(block_of, frames)


class ContainerSource:
    """A file that is read when it is complete; it is kept until then."""

    def __init__(self, format: Format) -> None:
        self.damage: str | None = None
        self._format = format
        self._parts: list[bytes] = []

    def feed(self, data: bytes) -> Iterator[Block]:
        """Keep the bytes."""
        self._parts.append(data)
        return iter(())

    def finish(self) -> Iterator[Block]:
        """Decode packet by packet; stop where the file cannot be read on."""
        data = b"".join(self._parts)
        self._parts.clear()
        read = self._read_mp4 if self._format is Format.M4A else self._read
        try:
            yield from read(data)
        except FFmpegError as error:
            self.damage = error.strerror

    def _read(self, data: bytes) -> Iterator[Block]:
        with closing(_open(data, _DEMUXERS[self._format])) as container:
            stream = next(iter(container.streams.audio), None)
            if stream is None or getattr(stream.codec_context, "name", None) not in _CODECS:
                self.damage = "no audio of a codec that is read here"
                return
            stream.codec_context.thread_count = 1
            yield from self._decode(stream.codec_context, container.demux(stream))

    def _read_mp4(self, data: bytes) -> Iterator[Block]:
        track = aac_track(data)
        codec = _decoder("aac")
        codec.extradata = track.config
        blocks = self._decode(codec, (Packet(packet) for packet in track.packets if packet))
        yield from _without_padding(blocks, track.padding)

    def _decode(self, codec: AudioCodecContext, packets: Iterable[AnyPacket]) -> Iterator[Block]:
        codec.open(strict=False)  # now, because PyAV 19 forgets a codec that failed to open in `decode`
        barren = 0
        for packet in packets:
            try:
                frames = codec.decode(packet)
            except FFmpegError as error:
                self.damage = error.strerror
                frames = []
            yield from map(block_of, frames)
            barren = 0 if frames else barren + 1
            if barren > MAX_BARREN:
                return


def announced_seconds(data: bytes, format: Format) -> float | None:
    """Return how long a file says that it sounds, by its packets and without decoding them; None if they do not tell.

    For estimates only: what can be decoded may be shorter or longer.

    Raises:
        InvalidAudio: as `ContainerSource`.
    """
    try:
        if format is Format.M4A:
            return _aac_seconds(data)
        with closing(_open(data, _DEMUXERS[format])) as container:
            stream = next(iter(container.streams.audio), None)
            if stream is None or stream.time_base is None:
                return None
            ticks = sum(packet.duration or 0 for packet in container.demux(stream))
            return float(ticks * stream.time_base) or None
    except FFmpegError:
        return None


def _aac_seconds(data: bytes) -> float | None:
    """Count the packets of an m4a, until they cannot be apart: tables may name the same bytes again and again."""
    track = aac_track(data)
    left, packets = len(data), 0
    for packet in track.packets:
        left -= max(len(packet), _LEAST_PACKET_BYTES)
        if left < 0:
            return None
        packets += 1
    return packets * AAC_FRAME / aac_rate(track.config)


def block_of(frame: AudioFrame) -> Block:
    """Convert what a codec gives, integers or floats, planar or packed, to the mean of its channels.

    Raises:
        InvalidAudio: more than seven channels.
    """
    channels = frame.layout.nb_channels
    if channels > MAX_CHANNELS:
        raise InvalidAudio(f"audio has {channels} channels: at most {MAX_CHANNELS}", field="audio")
    return Block(mono(frame.to_ndarray(), channels=channels, is_packed=frame.format.is_packed), frame.sample_rate)


def mono(array: npt.NDArray[Any], *, channels: int, is_packed: bool) -> Samples:
    """Return the mean of the channels of samples as PyAV gives them, shape `(n,)`.

    Args:
        array: of shape `(channels, n)`, or packed `(1, n * channels)`, of whatever type.
        channels: how many there are.
        is_packed: whether they take turns.
    """
    samples = _unit(array)
    if is_packed:
        samples = samples.reshape(-1, channels).T
    mean: Samples = samples[0] if channels == 1 else samples.mean(axis=0, dtype=np.float32)
    return mean


def _unit(array: npt.NDArray[Any]) -> Samples:
    """Scale by the type: unsigned bytes around 128, signed integers by their range, floats as they are."""
    if array.dtype == np.uint8:
        return unpack(array.tobytes(), Encoding.U8).reshape(array.shape)
    if array.dtype.kind == "i":
        scaled: Samples = (array / -float(np.iinfo(array.dtype).min)).astype(np.float32)
        return scaled
    return array if _is_tame(array) else tame(array)


def _is_tame(array: npt.NDArray[Any]) -> bool:
    """Tell whether `tame` would change nothing, in a twentieth of its time; NaN is neither less nor more."""
    return bool(array.dtype == np.float32 and array.size and array.min() >= -1.0 and array.max() <= 1.0)


def _without_padding(blocks: Iterable[Block], seconds: float) -> Iterator[Block]:
    left = seconds
    for block in blocks:
        skipped = min(len(block.samples), round(left * block.sample_rate))
        left -= skipped / block.sample_rate
        if skipped < len(block.samples):
            yield Block(block.samples[skipped:], block.sample_rate)


def _decoder(name: str) -> AudioCodecContext:
    codec = av.CodecContext.create(name, "r")
    assert isinstance(codec, AudioCodecContext)
    codec.thread_count = 1
    return codec


def _open(data: bytes, demuxer: str) -> InputContainer:
    container: InputContainer = av.open(
        io.BytesIO(data), "r", format=demuxer, container_options=dict(_OPEN_OPTIONS), **_LENIENT_TAGS
    )
    return container
