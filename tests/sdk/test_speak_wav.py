import io
import struct
import wave

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.sdk.errors import BrokenReply
from app.sdk.speak_wav import WavHeader, parse_header, sized
from tests.sdk.fake_speak import RATE, wav


@given(rate=st.integers(1, 384_000), channels=st.integers(1, 8), width=st.integers(1, 4), frames=st.integers(0, 50))
def test_headers_of_the_standard_library_are_read(rate: int, channels: int, width: int, frames: int) -> None:
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setparams((channels, width, rate, 0, "NONE", ""))
        writer.writeframes(bytes(channels * width * frames))

    header = parse_header(file.getvalue())

    assert header == WavHeader(rate, channels, width, 44, channels * width * frames)
    assert header.duration == frames / rate


def test_other_chunks_are_passed_over() -> None:
    whole = wav(b"\1\0\2\0")
    odd = (
        whole[:12] + struct.pack("<4sI", b"LIST", 3) + b"abc\0" + whole[12:] + struct.pack("<4sI", b"id3 ", 1) + b"x\0"
    )

    header = parse_header(odd)

    assert (header.data_start, header.samples(odd)) == (44 + 12, b"\1\0\2\0")


@pytest.mark.parametrize("declared", [0xFFFFFFFF, 0])
def test_a_header_may_not_know_its_length(declared: int) -> None:
    file = bytearray(wav(b"\1\0\2\0", data_bytes=declared))
    file[4:8] = b"\xff\xff\xff\xff"

    header = parse_header(bytes(file))

    assert (header.data_bytes, header.duration, header.samples(bytes(file))) == (None, None, b"\1\0\2\0")


def test_an_empty_file_is_empty() -> None:
    assert parse_header(wav(b"")) == WavHeader(RATE, 1, 2, 44, 0)


def test_a_length_can_be_filled_in() -> None:
    header = wav(b"", data_bytes=0xFFFFFFFF)

    assert sized(header, parse_header(header), 4) == wav(b"\1\0\2\0")[:44]


@given(st.binary(max_size=100))
def test_anything_else_is_a_broken_reply(data: bytes) -> None:
    with pytest.raises(BrokenReply):
        parse_header(data)


@given(st.integers(0, 43))
def test_a_header_that_is_cut_off_is_a_broken_reply(length: int) -> None:
    with pytest.raises(BrokenReply):
        parse_header(wav(b"")[:length])


@pytest.mark.parametrize(("rate", "bits"), [(0, 16), (RATE, 0), (RATE, 12)])
def test_what_cannot_sound_is_a_broken_reply(rate: int, bits: int) -> None:
    file = bytearray(wav(b"", rate=rate))
    file[34:36] = bits.to_bytes(2, "little")

    with pytest.raises(BrokenReply, match="is none"):
        parse_header(bytes(file))


def test_samples_before_their_format_are_a_broken_reply() -> None:
    with pytest.raises(BrokenReply, match="fmt"):
        parse_header(b"RIFF\0\0\0\0WAVEdata\4\0\0\0\1\0\2\0")
