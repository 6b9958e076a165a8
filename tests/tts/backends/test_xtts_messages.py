import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.tts.backends.xtts_messages import (
    Continue,
    Introduction,
    Speaker,
    Start,
    decode,
    decode_chunk,
    encode,
    encode_memory,
)

words = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
starts = st.builds(
    Start,
    st.integers(1),
    st.lists(words).map(tuple),
    language=words,
    speaker=words,
    speed=st.floats(0.25, 4),
    chunk_tokens=st.integers(1, 600),
)
introductions = st.builds(
    Introduction,
    trouble=st.none() | words,
    limits=st.lists(st.tuples(words, st.integers(1, 300))).map(tuple),
    speakers=st.lists(st.builds(Speaker, words, words)).map(tuple),
    device=words,
    gpu_memory_usage=st.none() | st.floats(0, 1),
)


@given(starts | st.builds(Continue, st.integers(1)))
def test_request_survives_the_pipe(request: Start | Continue) -> None:
    assert decode(encode(request)) == request


@given(introductions)
def test_introduction_survives_the_pipe(introduction: Introduction) -> None:
    assert Introduction.decode(introduction.encode()) == introduction


@given(st.floats(0, 1), st.binary())
def test_chunk_survives_the_pipe(usage: float, pcm: bytes) -> None:
    told, heard = decode_chunk(encode_memory(usage) + pcm)
    assert told == pytest.approx(usage, abs=1e-6)
    assert heard == pcm


def test_no_gpu_is_told_as_none() -> None:
    assert decode_chunk(encode_memory(None) + b"ab") == (None, b"ab")
