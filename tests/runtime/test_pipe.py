import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.runtime import pipe

FRAMES = st.lists(st.tuples(st.integers(0, 255), st.binary(max_size=300)), max_size=20)


def through_a_pipe(data: bytes, reader: pipe.FrameReader, sizes: list[int]) -> list[tuple[int, bytes]]:
    """Write `data` in pieces of `sizes`, over and over, reading after each."""
    source, sink = os.pipe()
    frames = []
    position = turn = 0
    while position < len(data):
        position += os.write(sink, data[position : position + sizes[turn % len(sizes)]])
        turn += 1
        reader.read(source)
        frames += reader.frames()
    os.close(sink)
    while reader.read(source):
        frames += reader.frames()
    os.close(source)
    return frames


@given(frames=FRAMES, sizes=st.lists(st.integers(1, 400), min_size=1, max_size=5))
def test_frames_survive_any_cutting(frames: list[tuple[int, bytes]], sizes: list[int]) -> None:
    data = b"".join(pipe.encode(kind, payload) for kind, payload in frames)
    assert through_a_pipe(data, pipe.FrameReader(max_frame_bytes=300), sizes) == frames


def test_frame_longer_than_the_first_buffer_is_read() -> None:
    payload = os.urandom(3 * pipe.FIRST_BUFFER_BYTES)
    reader = pipe.FrameReader(max_frame_bytes=len(payload))
    assert through_a_pipe(pipe.encode(pipe.CHUNK, payload), reader, [60_000]) == [(pipe.CHUNK, payload)]


def test_frame_of_the_greatest_length_is_read() -> None:
    reader = pipe.FrameReader(max_frame_bytes=4)
    assert through_a_pipe(pipe.encode(pipe.CHUNK, b"four"), reader, [100]) == [(pipe.CHUNK, b"four")]


def test_header_that_announces_too_much_is_refused() -> None:
    reader = pipe.FrameReader(max_frame_bytes=4)
    with pytest.raises(ValueError, match="frame of 5 bytes is longer than 4 bytes"):
        through_a_pipe(pipe.encode(pipe.CHUNK, b"fives"), reader, [100])


def test_pipe_that_has_nothing_to_read_says_so() -> None:
    source, sink = os.pipe()
    os.set_blocking(source, False)
    with pytest.raises(BlockingIOError):
        pipe.FrameReader(max_frame_bytes=4).read(source)
    os.close(source)
    os.close(sink)
