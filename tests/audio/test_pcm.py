import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.audio.pcm import Encoding, from_bytes, tame, to_bytes, to_float32, to_int16, unpack
from app.errors import InvalidAudio


def test_every_int16_survives_the_round_trip():
    every = np.arange(-32768, 32768).astype(np.int16)

    floats = to_float32(every)

    assert floats.dtype == np.float32
    assert floats.min() == -1 and floats.max() < 1
    assert np.array_equal(to_int16(floats), every)


@given(st.floats(-1, 32767 / 32768, width=32))
def test_a_float_comes_back_within_half_a_step(value):
    back = to_float32(to_int16(np.array([value], np.float32)))

    assert abs(back[0] - value) <= 0.5 / 32768


@pytest.mark.parametrize(
    ("value", "expected"),
    [(1.0, 32767), (-1.0, -32768), (7.5, 32767), (-7.5, -32768), (np.nan, 0), (np.inf, 32767), (-np.inf, -32768)],
)
def test_what_does_not_fit_clips(value, expected):
    assert to_int16(np.array([value], np.float32))[0] == expected


def test_halves_round_to_even():
    assert to_int16(np.array([0.5, 1.5, -0.5, -1.5], np.float32) / 32768).tolist() == [0, 2, 0, -2]


def test_the_largest_double_clips_without_a_warning():
    assert to_int16(np.array([np.finfo(np.float64).max])).tolist() == [32767]


def test_bytes_are_little_endian():
    assert from_bytes(b"\x01\x00\x00\x80").tolist() == [1, -32768]
    assert to_bytes(np.array([1, -32768], np.int16)) == b"\x01\x00\x00\x80"


def test_half_a_sample_is_refused():
    with pytest.raises(InvalidAudio, match="3 bytes"):
        from_bytes(b"abc")


@pytest.mark.parametrize(
    ("encoding", "packed", "expected"),
    [
        (Encoding.U8, b"\x00\x80\xff", [-1, 0, 127 / 128]),
        (Encoding.S16, b"\x00\x80\x00\x40", [-1, 0.5]),
        (Encoding.S24, b"\x00\x00\x80\x00\x00\x40\xff\xff\xff", [-1, 0.5, -(2.0**-23)]),
        (Encoding.S32, b"\x00\x00\x00\x80\x00\x00\x00\x40", [-1, 0.5]),
        (Encoding.F32, np.array([0.25, -2, np.nan], "<f4").tobytes(), [0.25, -1, 0]),
        (Encoding.F64, np.array([0.25, 1e300, -np.inf], "<f8").tobytes(), [0.25, 1, -1]),
    ],
)
def test_each_encoding_unpacks_to_the_same_range(encoding, packed, expected):
    samples = unpack(packed, encoding)

    assert samples.dtype == np.float32
    assert samples.tolist() == expected
    assert len(packed) == len(samples) * encoding.sample_bytes


def test_tame_samples_are_finite_and_in_range():
    assert tame(np.array([np.nan, np.inf, -3, 0.5])).tolist() == [0, 1, -1, 0.5]
