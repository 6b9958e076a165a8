from array import array

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.sdk.stream_sound import Framer, encode, pieces

SOUND = np.linspace(-1, 1, 101)


def decoded(sound: bytes) -> np.ndarray:
    return np.frombuffer(sound, "<f4")


@pytest.mark.parametrize("dtype", [np.float32, np.float64, "<f4", "<f8"])
def test_floats_stay_what_they_are(dtype):
    assert np.array_equal(decoded(encode(SOUND.astype(dtype))), SOUND.astype(np.float32))


def test_whole_numbers_come_into_range():
    assert decoded(encode(np.array([-32768, 0, 16384], np.int16))).tolist() == [-1.0, 0.0, 0.5]


def test_an_array_without_numpy_will_do():
    assert decoded(encode(array("f", [0.5, -0.25]))).tolist() == [0.5, -0.25]


def test_bytes_are_sent_as_they_are():
    sent = SOUND.astype("<f4").tobytes()

    assert encode(sent) == sent == b"".join(pieces(bytearray(sent), 7))


def test_every_other_sample_can_be_taken():
    assert np.array_equal(decoded(encode(SOUND.astype(np.float32)[::2])), SOUND.astype(np.float32)[::2])


@pytest.mark.parametrize("cut", [encode, lambda sound: list(pieces(sound, 10))])
def test_two_channels_are_refused(cut):
    with pytest.raises(ValueError, match=r"shape \(2, 50\) must be of one channel"):
        cut(np.zeros((2, 50), np.float32))


@pytest.mark.parametrize("dtype", [np.int32, np.complex64, ">f4"])
def test_other_kinds_are_refused(dtype):
    with pytest.raises(TypeError, match="must be float32, float64 or int16"):
        encode(np.zeros(4, dtype))


def test_a_part_of_a_sample_is_refused():
    with pytest.raises(ValueError, match="5 bytes must be whole float32 samples"):
        encode(b"12345")


@given(st.integers(0, 500), st.integers(1, 200), st.sampled_from([np.float32, np.float64, np.int16]))
def test_pieces_join_to_the_whole(length, samples, dtype):
    sound = np.arange(length).astype(dtype)

    cut = list(pieces(sound, samples))

    assert b"".join(cut) == encode(sound)
    assert {len(piece) for piece in cut[:-1]} <= {4 * samples} and all(cut)


@given(st.lists(st.integers(0, 300), max_size=8), st.integers(1, 100))
def test_frames_join_to_what_was_pushed(lengths, samples):
    framer = Framer(samples)
    sound = encode(np.arange(sum(lengths)).astype(np.float32))
    starts = 4 * np.cumsum([0, *lengths])

    whole = [frame for start, end in zip(starts, starts[1:], strict=False) for frame in framer.push(sound[start:end])]
    rest = list(framer.rest())

    assert {len(frame) for frame in whole} <= {4 * samples} and all(0 < len(frame) < 4 * samples for frame in rest)
    assert b"".join(whole + rest) == sound and list(framer.rest()) == []
