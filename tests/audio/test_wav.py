import io
import struct
import wave

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.audio import wav
from app.audio.pcm import Encoding
from app.errors import InvalidAudio
from tests.audio.signals import noise

RATES = st.integers(1, 192_000)
CHANNELS = st.integers(1, 8)


def file_of(*chunks: tuple[bytes, bytes], riff_bytes: int | None = None) -> bytes:
    body = b"".join(
        struct.pack("<4sI", name, len(content)) + content + bytes(len(content) % 2) for name, content in chunks
    )
    return struct.pack("<4sI4s", b"RIFF", len(body) + 4 if riff_bytes is None else riff_bytes, b"WAVE") + body


def fmt(
    tag: int = 1, channels: int = 1, bits: int = 16, rate: int = 8000, frame_bytes: int | None = None
) -> tuple[bytes, bytes]:
    frame_bytes = channels * bits // 8 if frame_bytes is None else frame_bytes
    return b"fmt ", struct.pack("<HHIIHH", tag, channels, rate, rate * frame_bytes, frame_bytes, bits)


def by_the_standard_library(pcm: bytes, *, sample_rate: int, channels: int) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(channels)
        writer.setsampwidth(2)
        writer.setframerate(sample_rate)
        writer.writeframes(pcm)
    return file.getvalue()


@given(RATES, CHANNELS, st.integers(0, 50))
def test_a_file_is_byte_for_byte_the_canonical_one(sample_rate, channels, frames):
    pcm = noise(frames * channels).tobytes()

    ours = wav.encode(pcm, sample_rate=sample_rate, channels=channels)

    assert ours == by_the_standard_library(pcm, sample_rate=sample_rate, channels=channels)


@given(RATES, CHANNELS, st.none() | st.integers(0, 10**8))
def test_a_header_is_read_as_it_was_written(sample_rate, channels, frames):
    data_bytes = None if frames is None else frames * channels * 2

    data = wav.header(sample_rate=sample_rate, channels=channels, data_bytes=data_bytes)

    assert len(data) == wav.HEADER_BYTES
    assert wav.parse_header(data) == wav.WavHeader(sample_rate, channels, Encoding.S16, wav.HEADER_BYTES, data_bytes)


@given(st.integers(0, 43))
def test_a_header_is_awaited_until_it_is_complete(size):
    data = wav.header(sample_rate=8000, data_bytes=4)

    assert wav.scan_header(data[:size]) is None
    assert wav.scan_header(data) is not None


def test_unknown_length_is_read_to_the_end_by_the_standard_library():
    pcm = noise(1000).tobytes()
    data = wav.header(sample_rate=16_000, data_bytes=None) + pcm

    with wave.open(io.BytesIO(data)) as reader:
        assert reader.readframes(10**6) == pcm


def test_unknown_length_is_read_to_the_end_by_ffmpeg():
    pcm = noise(1000)
    data = wav.header(sample_rate=16_000, data_bytes=None) + pcm.tobytes()

    with av.open(io.BytesIO(data), "r") as container:
        heard = np.concatenate([frame.to_ndarray()[0] for frame in container.decode(audio=0)])

    assert np.array_equal(heard, pcm)


@pytest.mark.parametrize("data_bytes", [-2, 3, 2**32])
def test_a_length_that_riff_cannot_say_is_refused(data_bytes):
    with pytest.raises(InvalidAudio, match=f"data_bytes {data_bytes}"):
        wav.header(sample_rate=8000, data_bytes=data_bytes)


def test_other_chunks_are_walked_over_at_even_offsets():
    data = file_of((b"LIST", b"odd"), fmt(), (b"fact", b"1234"), (b"data", b"\x01\x00"), (b"id3 ", b"tail"))

    header = wav.parse_header(data)

    assert bytes(header.payload(data)) == b"\x01\x00"


def test_a_length_that_lies_is_cut_to_what_is_there():
    data = wav.header(sample_rate=8000, data_bytes=4_000_000_000)[:44] + b"\x01\x00\x02\x00\x03"

    payload = wav.parse_header(data).payload(data)

    assert bytes(payload) == b"\x01\x00\x02\x00"


@pytest.mark.parametrize("riff_bytes", [0, 0xFFFFFFFF])
def test_zero_that_was_never_filled_in_means_unknown(riff_bytes):
    data = file_of(fmt(), (b"data", b""), riff_bytes=riff_bytes) + b"\x01\x00"

    assert bytes(wav.parse_header(data).payload(data)) == b"\x01\x00"


def test_zero_in_a_finished_file_means_empty():
    data = file_of(fmt(), (b"data", b""), (b"LIST", b"text"))

    assert bytes(wav.parse_header(data).payload(data)) == b""


@pytest.mark.parametrize(
    ("tag", "bits", "packed", "expected"),
    [
        (1, 8, b"\x00\xff", -1 / 256),
        (1, 16, b"\x00\x80\x00\x40", -0.25),
        (1, 24, b"\x00\x00\x80\x00\x00\x40", -0.25),
        (1, 32, b"\x00\x00\x00\x80\x00\x00\x00\x40", -0.25),
        (3, 32, struct.pack("<ff", -1, 0.5), -0.25),
        (3, 64, struct.pack("<dd", -1, 0.5), -0.25),
    ],
)
def test_channels_of_every_encoding_are_averaged(tag, bits, packed, expected):
    header = wav.parse_header(file_of(fmt(tag, channels=2, bits=bits), (b"data", packed)))

    assert header.frame_bytes == len(packed)
    assert header.mono(packed).tolist() == [expected]


def test_the_extensible_format_is_the_format_inside():
    name, plain = fmt(0xFFFE, bits=32)
    guid = b"\x03\x00" + bytes.fromhex("000000001000800000aa00389b71")
    extensible = plain + struct.pack("<HHI", 22, 32, 4) + guid

    assert wav.parse_header(file_of((name, extensible), (b"data", b""))).encoding is Encoding.F32


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "ends before its samples"),
        (b"RIFX\0\0\0\0WAVE", "not RIFF WAVE"),
        (b"RIFF\0\0\0\0AVI ", "not RIFF WAVE"),
        (wav.header(sample_rate=8000, data_bytes=2)[:40], "ends before its samples"),
        (file_of((b"data", b"\0\0")), "no 'fmt ' chunk"),
        (file_of((b"fmt ", b"short"), (b"data", b"")), "5 bytes"),
        (file_of(fmt(7, bits=8), (b"data", b"")), "tag 0x0007 with 8 bits"),
        (file_of(fmt(0xFFFE), (b"data", b"")), "tag 0xfffe"),
        (file_of(fmt(bits=12), (b"data", b"")), "12 bits"),
        (file_of(fmt(rate=0), (b"data", b"")), "sample_rate 0"),
        (file_of(fmt(channels=0), (b"data", b"")), "0 channels"),
        (file_of(fmt(channels=33), (b"data", b"")), "33 channels"),
        (file_of(fmt(frame_bytes=4), (b"data", b"")), "frames of 4 bytes"),
        (file_of(*[(b"junk", b"")] * 200), "more than 128 chunks"),
    ],
)
def test_what_is_no_readable_header_is_refused_with_the_reason(data, message):
    with pytest.raises(InvalidAudio, match=message):
        wav.parse_header(data)


@given(st.binary(max_size=200))
def test_any_bytes_parse_or_are_refused(tail):
    try:
        header = wav.parse_header(wav.header(sample_rate=8000, data_bytes=0)[:12] + tail)
    except InvalidAudio:
        return
    assert header.frame_bytes > 0
