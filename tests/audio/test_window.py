import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.audio.window import SlidingWindow

SIZES = st.integers(1, 40)
FRAMES = st.lists(st.integers(0, 60), max_size=20)


def frames_of(sizes):
    samples = np.arange(sum(sizes), dtype=np.float32)
    return samples, np.split(samples, np.cumsum(sizes)[:-1]) if sizes else []


@given(SIZES, SIZES, FRAMES, st.booleans())
def test_the_windows_depend_on_the_samples_and_not_on_the_frames(length, hop, sizes, partial):
    samples, frames = frames_of(sizes)
    window = SlidingWindow(length=length, hop=hop, partial=partial)

    found = [found for frame in frames for found in window.push(frame)]

    ends = range(hop if partial else length, len(samples) + 1, hop)
    assert [(w.start, w.end, w.samples.tolist()) for w in found] == [
        (max(0, end - length), end, samples[max(0, end - length) : end].tolist()) for end in ends
    ]


@given(SIZES, SIZES, FRAMES)
def test_the_latest_window_is_what_is_buffered(length, hop, sizes):
    samples, frames = frames_of(sizes)
    window = SlidingWindow(length=length, hop=hop)

    for frame in frames:
        window.push(frame)

    assert window.total == len(samples)
    assert window.buffered == min(len(samples), length)
    assert window.latest().samples.tolist() == samples[-length:].tolist()
    assert window.latest().end == window.total


def test_a_window_keeps_its_samples_while_the_stream_flows_on():
    window = SlidingWindow(length=4, hop=4)
    [first] = window.push(np.ones(4, np.float32))

    window.push(np.zeros(100, np.float32))

    assert first.samples.tolist() == [1, 1, 1, 1]


@pytest.mark.parametrize(("length", "hop"), [(0, 1), (1, 0), (-5, 5)])
def test_sizes_count_samples(length, hop):
    with pytest.raises(ValueError, match="at least 1"):
        SlidingWindow(length=length, hop=hop)
